import { Decimal, isRecord, Misconfigured, parseJson, type Value, type ValueRecord, writeJson } from '../../contract/index.js';

/**
 * How far an inbound endpoint has come. Values are the database's own, with all digits. No watermark is the absence of a position,
 * never a value (an id may be negative, a time may be the epoch).
 */
export type Position = WindowPosition | CursorPosition;

/** Rows written by transactions below `from` are done; inside `[from, to)` all up to `after`. */
export interface WindowPosition {
  readonly by: 'transaction';
  readonly from: bigint;
  readonly to?: bigint;
  readonly after?: readonly Value[];
}

/** Rows up to `high` are done. A run in progress ends at `upto` and has come to `after`. */
export interface CursorPosition {
  readonly by: 'cursor';
  readonly high?: readonly Value[];
  readonly upto?: Value;
  readonly after?: readonly Value[];
  /** Numbers below that were not there, as `Gaps` writes them. */
  readonly gaps?: string;
  /** How often the table was begun anew: rows of another time have other ids. */
  readonly era?: bigint;
  /** The table was empty since: none of the rows up to `high` is left. */
  readonly emptied?: true;
}

/** `order`: the columns the position is about; another configuration cannot use it. */
export function writePosition(position: Position, order: readonly string[]): string {
  const fields: Record<string, Value> = { v: 1n, by: position.by, order: [...order] };
  for (const [name, value] of Object.entries(position)) if (value !== undefined) fields[name] = wrap(value as Value);
  return writeJson(fields);
}

/** @throws Misconfigured when it belongs to another configuration */
export function readPosition(text: string | undefined, by: Position['by'], order: readonly string[]): Position | undefined {
  if (text === undefined) return undefined;
  const saved = parseJson(text);
  if (!isRecord(saved) || saved['v'] !== 1n) throw new Misconfigured('E426', 'the saved position was written by another version');
  if (saved['by'] !== by || writeJson(saved['order'] ?? null) !== writeJson([...order])) {
    throw new Misconfigured(
      'E426',
      `the saved position is by ${writeJson(saved['by'] ?? null)} ${writeJson(saved['order'] ?? null)}, the configuration reads by ${by} ${writeJson([...order])}`,
    );
  }
  return by === 'transaction' ? windowOf(saved) : cursorOf(saved);
}

function windowOf(saved: ValueRecord): WindowPosition {
  const [from, to, after] = [saved['from'], saved['to'], listOf(saved['after'])];
  return { by: 'transaction', from: typeof from === 'bigint' ? from : 0n, ...(typeof to === 'bigint' ? { to } : {}), ...(after ? { after } : {}) };
}

function cursorOf(saved: ValueRecord): CursorPosition {
  const [high, upto, after] = [listOf(saved['high']), saved['upto'], listOf(saved['after'])];
  const [gaps, era] = [saved['gaps'], saved['era']];
  return {
    by: 'cursor',
    ...(typeof era === 'bigint' ? { era } : {}),
    ...(saved['emptied'] === true ? { emptied: true } : {}),
    ...(typeof gaps === 'string' ? { gaps } : {}),
    ...(high ? { high } : {}),
    ...(upto === undefined ? {} : { upto: unwrap(upto) }),
    ...(after ? { after } : {}),
  };
}

function listOf(value: Value | undefined): readonly Value[] | undefined {
  return Array.isArray(value) ? value.map(unwrap) : undefined;
}

// JSON has no bytes, and a whole Decimal would come back as an integer.
export function wrap(value: Value): Value {
  if (value instanceof Uint8Array) return { bytes: value };
  if (value instanceof Decimal) return { decimal: value.toString() };
  return Array.isArray(value) ? value.map(wrap) : value;
}

export function unwrap(value: Value): Value {
  if (!isRecord(value)) return value;
  if (typeof value['bytes'] === 'string') return new Uint8Array(Buffer.from(value['bytes'], 'base64'));
  return typeof value['decimal'] === 'string' ? (Decimal.parse(value['decimal']) ?? null) : null;
}
