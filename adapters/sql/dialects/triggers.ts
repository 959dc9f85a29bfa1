// Writing down the changes of a table by triggers: what the dialects' generators have in common.
import type { Value } from '../../contract/index.js';
import type { Raw } from '../values.js';
import type { Column, Session, Table } from './dialect.js';

/** One dialect's statements; text that a person reviews before it runs. Harmless when run again. */
export interface Triggers {
  /** The outbox table, then what writes to it. */
  install(plan: TriggerPlan): readonly string[];
  remove(plan: TriggerPlan): readonly string[];
  /** Those of `triggerNames` that are there and switched on; undefined when this account may not see triggers. */
  installed(session: Session, plan: TriggerPlan): Promise<readonly string[] | undefined>;
  /** How the statements are run by hand, where that is special. */
  readonly note?: string;
  /** Names of the triggers `install` makes. */
  triggerNames(plan: TriggerPlan): readonly string[];
  /** A value of the row that was deleted, as `install` writes it into `signalbox_old`, as the driver would have given it. */
  old(value: Value, column: Column): Raw;
}

export interface TriggerPlan {
  readonly table: Table;
  readonly key: readonly Column[];
  /** Quoted schema with its dot, as in `table.sql`. */
  readonly schema: string;
  /** Of the outbox table, without schema and not quoted. */
  readonly outbox: string;
}

// The version counts up when the tables or triggers change their shape.
const VERSION = 1;

export const SEQ = 'signalbox_seq';
export const OPERATION = 'signalbox_op';
export const AT = 'signalbox_at';
export const OLD = 'signalbox_old';

/** Column of the outbox table that holds the n-th column of the key. */
export function keyName(at: number): string {
  return `signalbox_k${at + 1}`;
}

/** `verb`: ins, upd or del where a database needs one trigger for each. */
export function triggerName({ table }: TriggerPlan, verb = 'chg'): string {
  return `signalbox_v${VERSION}_${verb}_${table.name}`;
}

/** A larger value is left out of a note (it is NULL there): a note must never be what an application's statement fails of. */
export const MOST_OLD = 1_000_000;

export function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** A cell that was cast to text by the trigger. */
export function fromText(value: Value, { kind }: Column): Raw {
  if (typeof value !== 'string') return null;
  if (kind === 'boolean') return /^(t|true|1)$/i.test(value);
  if (kind === 'bytes') return new Uint8Array(Buffer.from(value.replace(/^(\\x|0x)/i, ''), 'hex'));
  return value;
}
