import { type Callable, InvalidMessage, Misconfigured, newRecord, type Value, type ValueRecord } from '../contract/index.js';
import type { Call } from './config.js';
import type { Database, Dialect } from './dialects/dialect.js';
import { bindNamed, parseStatement } from './statement.js';
import { readCell, Unreadable } from './values.js';

/** A SELECT with parameters, in a read-only transaction. */
export class SqlCallable implements Callable {
  constructor(
    private readonly config: Call,
    private readonly link: () => Promise<{ readonly dialect: Dialect; readonly database: Database }>,
  ) {}

  async open(signal: AbortSignal): Promise<void> {
    const { dialect, database } = await this.link();
    await database.read((session) => session.query(dialect.ping), signal);
  }

  async call(parameters: ValueRecord, signal: AbortSignal): Promise<Value> {
    const { dialect, database } = await this.link();
    const statement = parseStatement(this.config.sql);
    if (typeof statement === 'string') throw new Misconfigured('E427', statement);
    const { sql, binds } = bindNamed(statement, parameters, dialect);
    const { fields, rows } = await database.read((session) => session.query(sql, binds), signal);
    const most = this.config.one ? 1 : this.config.limit;
    if (rows.length > most) throw new InvalidMessage('E335', `the answer has ${rows.length} rows, allowed ${most === 1 ? 'is 1' : `are ${most}`}`);
    const records = rows.map((row) => {
      const record = newRecord();
      fields.forEach(({ name, kind }, at) => {
        const value = readCell(row[at] ?? null, kind);
        if (value instanceof Unreadable) throw new InvalidMessage('E330', `${name}: ${value.text.slice(0, 60)} ${value.reason}`);
        record[name] = value;
      });
      return record;
    });
    return this.config.one ? (records[0] ?? null) : records;
  }

  /** The connections belong to the system. */
  async close(): Promise<void> {
    return;
  }
}
