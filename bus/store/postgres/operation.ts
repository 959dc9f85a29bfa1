import type { Session } from './server.js';

/** One kind of write. The inputs of all calls of a transaction come together, in the order they were made. */
export interface Operation<Input, Output> {
  /** Kinds that write the same table keep the order of their calls; tables are written in the order of this list, by every node. */
  readonly table: Table;
  /** Bytes, roughly: how much goes into one transaction. */
  weight?(input: Input): number;
  /** One output for each input. Throwing fails the transaction; its calls are then tried in smaller ones, so that only the wrong one fails. */
  run(session: Session, inputs: readonly Input[]): Promise<readonly Output[]>;
}

export const TABLES = ['lease', 'checkpoint', 'dedupe', 'ledger', 'letter', 'payload', 'parked', 'endpoint_state', 'revision', 'audit', 'message'] as const;
export type Table = (typeof TABLES)[number];

/** One output for all inputs. */
export function same<Output>(inputs: readonly unknown[], output: Output): readonly Output[] {
  return inputs.map(() => output);
}

/** Outputs that are found one input after the other; by key, so that all nodes take their locks in one order. */
export async function eachSorted<Input, Output>(inputs: readonly Input[], key: (input: Input) => string, one: (input: Input) => Promise<Output>): Promise<readonly Output[]> {
  const sorted = inputs.map((input, index) => ({ input, index, key: key(input) })).sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.index - b.index));
  const outputs = new Map<number, Output>();
  for (const { input, index } of sorted) outputs.set(index, await one(input));
  return inputs.map((_, index) => outputs.get(index) as Output);
}
