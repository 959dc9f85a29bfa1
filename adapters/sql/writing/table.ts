import { type Delivery, InvalidMessage, Misconfigured, TryAgain } from '../../contract/index.js';
import { findColumn, findTable } from '../catalogue.js';
import type { Column, Dialect, Session, Table } from '../dialects/dialect.js';
import { type ChildTable, childStatements, planChildren, removeChildren } from './children.js';
import { type Effect, sizeOf, type Target } from './effect.js';
import type { TableWrite } from './options.js';
import { deleteRow, insertRow, isThere, needValues, oneRow, type RowValues, rowName, rowValues, type Statement, updateRow, upsertRow } from './row.js';

const NEWER = ': a newer or equal version is there';

/** Insert, upsert, update and delete of a row, with its children. */
export async function planTable(dialect: Dialect, session: Session, config: TableWrite): Promise<Target> {
  const table = await findTable(dialect, session, config.table);
  for (const name of Object.keys(config.columns ?? {})) findColumn(table, name);
  const key = (config.key ?? []).map((name) => findColumn(table, name));
  const version = config.version === undefined ? undefined : findColumn(table, config.version);
  if (config.mode !== 'insert' && key.length === 0) throw new Misconfigured('E426', `${config.table}: ${config.mode} needs a key`);
  return new TableTarget(dialect, config, table, key, version, await planChildren(dialect, session, config, table));
}

class TableTarget implements Target {
  readonly name: string;

  constructor(
    private readonly dialect: Dialect,
    private readonly config: TableWrite,
    private readonly table: Table,
    private readonly key: readonly Column[],
    private readonly version: Column | undefined,
    private readonly children: readonly ChildTable[],
  ) {
    this.name = `${config.mode} ${config.table}`;
  }

  effect({ payload }: Delivery): Effect {
    const { dialect, table, key, version } = this;
    const { mode } = this.config;
    const values = rowValues(table, payload, (field) => this.children.some((child) => child.field === field));
    needValues(values, mode === 'insert' ? key : [...key, ...(version ? [version] : [])]);
    const row = rowName(values, key, this.config.key ?? []);
    if (mode === 'delete') return this.#removal(values, row);
    const lists = this.children.flatMap((child) => childStatements(dialect, child, payload, values, mode === 'insert'));
    const own =
      mode === 'insert' ? insertRow(dialect, table, values) : mode === 'update' ? updateRow(dialect, table, values, key, version) : upsertRow(dialect, table, values, key, version);
    const bytes = [own, ...lists].reduce((sum, { binds }) => sum + sizeOf(binds), 0);
    return { row, bytes, run: (session) => (mode === 'update' ? this.#update(session, own, lists, values, row) : this.#put(session, own, lists, values)) };
  }

  async #put(session: Session, own: Statement, lists: readonly Statement[], values: RowValues): Promise<string> {
    const { version } = this;
    // Some databases do not tell a row that was kept from one that was changed, and the children of a row that was kept have to be kept too.
    const asks = version !== undefined && this.children.length > 0 && this.config.mode === 'upsert';
    if (asks && (await this.#has(session, values, { version, by: '>=' }))) return NEWER;
    const { changed } = await session.query(own.sql, own.binds);
    if (asks && (changed === 0 || !(await this.#has(session, values, { version, by: '=' })))) return NEWER;
    await all(session, lists);
    return version && changed === 0 ? NEWER : '';
  }

  async #update(session: Session, own: Statement, lists: readonly Statement[], values: RowValues, row: string): Promise<string> {
    const { changed } = await session.query(own.sql, own.binds);
    oneRow(this.table, changed, row);
    if (changed === 0) {
      if (await this.#has(session, values)) {
        if (this.version) return NEWER;
      } else {
        if (this.config.missing === 'fail') throw new InvalidMessage('E336', `${this.table.name} has no row ${row}`);
        return ': no such row, nothing was changed';
      }
    }
    await all(session, lists);
    return '';
  }

  #removal(values: RowValues, row: string): Effect {
    const { dialect, table, key, version } = this;
    const known = new Set([...key, ...(version ? [version] : [])]);
    const other = [...values.keys()].find((column) => !known.has(column));
    if (other) throw new InvalidMessage('E332', `${other.name}: a delete takes the key of the row${version ? ' and its version' : ''}, no other field`);
    const own = deleteRow(dialect, table, values, key, version);
    const lists = this.children.map((child) => removeChildren(dialect, child, values));
    const run = async (session: Session): Promise<string> => {
      const newer = version && { version, by: '>' as const };
      if (lists.length > 0 && newer && (await this.#has(session, values, newer))) return ': a newer version is there';
      await all(session, lists);
      const { changed } = await session.query(own.sql, own.binds);
      oneRow(table, changed, row);
      if (changed > 0) return '';
      if (!(await this.#has(session, values))) return ': it was gone already';
      // The children are gone and the row is not: all of it is undone.
      if (lists.length > 0) throw new TryAgain('E424', `${table.name} ${row}: changed by another session while it was deleted`);
      return ': a newer version is there';
    };
    return { row, bytes: sizeOf(own.binds), run };
  }

  #has(session: Session, values: RowValues, compared?: Parameters<typeof isThere>[4]): Promise<boolean> {
    return isThere({ dialect: this.dialect, session }, this.table, values, this.key, compared);
  }
}

async function all(session: Session, statements: readonly Statement[]): Promise<void> {
  for (const { sql, binds } of statements) await session.query(sql, binds);
}
