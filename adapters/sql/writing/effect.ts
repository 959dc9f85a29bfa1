import type { Delivery } from '../../contract/index.js';
import type { Bind, Session } from '../dialects/dialect.js';

/** What one delivery does to the database. */
export interface Effect {
  /** For people: `ORD_NO=4711`. */
  readonly row: string;
  /** About so many bytes go to the database. */
  readonly bytes: number;
  /** In the transaction of the inbox row. @returns what there is to say about it besides that it was done @throws InvalidMessage, Misconfigured */
  run(session: Session): Promise<string>;
}

/** A table or a procedure, as the catalogue describes it. */
export interface Target {
  /** For people: `upsert ORD_HEAD`. */
  readonly name: string;
  /** Checks the payload against the columns; touches nothing. @throws InvalidMessage, Misconfigured */
  effect(delivery: Delivery): Effect;
}

export function sizeOf(binds: readonly Bind[]): number {
  return binds.reduce<number>((sum, bind) => sum + (typeof bind === 'string' || bind instanceof Uint8Array ? bind.length : 8), 0);
}
