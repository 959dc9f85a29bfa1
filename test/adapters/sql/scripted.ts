// A session that answers from a script and keeps what it was asked: for dialects whose server cannot run here.
import type { Bind, Result, Session } from '../../../adapters/sql/dialects/dialect.js';
import type { Raw } from '../../../adapters/sql/values.js';

export class Scripted implements Session {
  readonly asked: { readonly sql: string; readonly binds: readonly Bind[] }[] = [];

  /** The first pattern that matches a statement gives its rows; nothing matches: none. */
  constructor(private readonly answers: readonly (readonly [RegExp, readonly (readonly Raw[])[]])[]) {}

  async query(sql: string, binds: readonly Bind[] = []): Promise<Result> {
    this.asked.push({ sql: sql.replace(/\s+/g, ' '), binds });
    return { fields: [], rows: this.answers.find(([pattern]) => pattern.test(sql))?.[1] ?? [], changed: 0 };
  }
}
