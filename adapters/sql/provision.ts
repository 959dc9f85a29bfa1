import { Misconfigured, type Provision, type ProvisionRequest } from '../contract/index.js';
import { CommitUnknown } from './dialects/dialect.js';
import { planTable } from './reading/page.js';
import type { Link } from './reading/source.js';
import type { TableRead } from './reading/strategy.js';
import { planTriggers } from './reading/triggers.js';
import { outboxName } from './reading/triggers-options.js';

/** The triggers of an endpoint: their statements, and on request they are run in one transaction (where the database has such for definitions). */
export async function provision({ dialect, database }: Link, read: TableRead, { action, apply }: ProvisionRequest, signal: AbortSignal): Promise<Provision> {
  const { triggers } = dialect;
  if (!triggers) throw new Misconfigured('E426', `triggers cannot be generated for ${dialect.capabilities.title}`);
  const found = await database.read(async (session) => {
    const { table, keyColumns } = await planTable(dialect, session, { ...read, include: {} });
    if (table.view) throw new Misconfigured('E426', `${table.name} is a view: triggers belong to a table`);
    const plan = planTriggers(dialect, table, keyColumns, read);
    const outbox = await dialect.table(session, outboxName(read));
    const unread = 'candidates' in outbox ? undefined : Number((await session.query(`SELECT count(*) FROM ${outbox.sql}`)).rows[0]?.[0] ?? 0);
    return { plan, unread };
  }, signal);
  const { plan, unread } = found;
  const statements = action === 'install' ? triggers.install(plan) : triggers.remove(plan);
  const notes =
    action === 'install'
      ? [`the account that reads needs SELECT and DELETE on ${plan.schema}${dialect.quote(plan.outbox)}, and SELECT on ${plan.table.sql}`]
      : [unread === undefined ? 'the outbox table is not there' : `${unread} noted changes were not read yet and go with the outbox table`];
  if (triggers.note !== undefined) notes.push(triggers.note);
  if (!apply) return { statements, notes, applied: false };
  try {
    await database.write(async (session) => {
      for (const statement of statements) await session.query(statement);
    }, signal);
  } catch (error) {
    if (error instanceof CommitUnknown) throw new Misconfigured('E432', `${error.message}; run the command again`, { cause: error });
    throw error;
  }
  return { statements, notes, applied: true };
}
