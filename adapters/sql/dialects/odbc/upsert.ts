// SQL has no upsert that every database knows: an update, and where there is no such row an insert, in the caller's transaction.
import { TryAgain } from '../../../contract/index.js';
import type { Bind, Column, Result, Upsert } from '../dialect.js';
import type { OdbcSession } from './database.js';
import { classifyOdbc } from './failures.js';

const MOST = 5_000;

interface Steps {
  readonly update: readonly [string, readonly number[]] | undefined;
  readonly there: readonly [string, readonly number[]];
  readonly insert: string;
}

/** The text of an upsert is the text of its update and its insert; who runs it finds the steps again. */
export class Upserts {
  readonly #known = new Map<string, Steps>();

  constructor(private readonly quote: (name: string) => string) {}

  text(statement: Upsert): string {
    const steps = this.#steps(statement);
    const text = `${steps.update?.[0] ?? ''};${steps.insert}`;
    if (!this.#known.has(text) && this.#known.size >= MOST) this.#known.delete(this.#known.keys().next().value ?? '');
    this.#known.set(text, steps);
    return text;
  }

  steps(sql: string): ((session: OdbcSession, binds: readonly Bind[]) => Promise<Result>) | undefined {
    const steps = this.#known.get(sql);
    return steps && ((session, binds) => run(steps, session, binds));
  }

  #steps({ table, columns, key, version }: Upsert): Steps {
    const at = (column: Column) => columns.findIndex(({ name }) => name === column.name);
    const keys = new Set(key.map(({ name }) => name));
    const changed = columns.filter(({ name }) => !keys.has(name));
    const named = (list: readonly Column[]) => list.map((column) => `${this.quote(column.name)} = ?`);
    const where = named(key).join(' AND ');
    const guard = version ? ` AND (${this.quote(version.name)} IS NULL OR ${this.quote(version.name)} < ?)` : '';
    return {
      update:
        changed.length === 0
          ? undefined
          : [`UPDATE ${table.sql} SET ${named(changed).join(', ')} WHERE ${where}${guard}`, [...changed.map(at), ...key.map(at), ...(version ? [at(version)] : [])]],
      there: [`SELECT COUNT(*) FROM ${table.sql} WHERE ${where}`, key.map(at)],
      insert: `INSERT INTO ${table.sql} (${columns.map(({ name }) => this.quote(name)).join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
    };
  }
}

async function run({ update, there, insert }: Steps, session: OdbcSession, binds: readonly Bind[]): Promise<Result> {
  const chosen = (places: readonly number[]) => places.map((place) => binds[place] ?? null);
  if (update) {
    const result = await session.query(update[0], chosen(update[1]));
    if (result.changed > 0) return result;
  }
  const { rows } = await session.query(there[0], chosen(there[1]));
  if (Number(rows[0]?.[0]) > 0) return { fields: [], rows: [], changed: 0 };
  try {
    return await session.query(insert, binds);
  } catch (cause) {
    if (classifyOdbc(cause)?.code !== 'E331') throw cause;
    throw new TryAgain('E424', 'a row with this key, or another unique value of it, was written at the same moment', { cause });
  }
}
