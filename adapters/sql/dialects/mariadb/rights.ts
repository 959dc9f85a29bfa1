import type { Session, Table } from '../dialect.js';

/** Which of these rights the account has on the table, by its grants. */
export async function rightsOn(session: Session, table: Table, asked: readonly string[]): Promise<readonly string[]> {
  const { rows } = await session.query('SHOW GRANTS');
  const scopes = ['*.*', `${table.schema}.*`, `${table.schema}.${table.name}`];
  const rights = new Set<string>();
  for (const row of rows) {
    const [, list = '', scope = ''] = /^GRANT (.+?) ON (\S+) TO /.exec(String(row[0])) ?? [];
    if (!scopes.includes(scope.replaceAll('`', '').replaceAll('\\', ''))) continue;
    for (const right of asked) if (list.includes('ALL PRIVILEGES') || list.split(/, ?/).includes(right)) rights.add(right);
  }
  return [...rights];
}
