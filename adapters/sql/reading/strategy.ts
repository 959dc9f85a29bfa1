import type { FieldTypes, SpecFinding } from '../../contract/index.js';
import type { Connect, Read } from '../config.js';

/**
 * One way of reading, as pure data beside its options: `check` and the docs use it, so it loads no client library. What runs is in the file
 * named like the strategy; `index.ts` picks it. The strategy's options are a key of `read:` with the same name.
 */
export interface Strategy {
  /** Options every endpoint of this strategy must have. */
  readonly needs: readonly ('table' | 'key')[];
  /** What it cannot see and which rights it needs. `read` has what `needs` says. */
  readonly lint: (read: Read, connect: Connect) => readonly SpecFinding[];
  /** Fields the record has besides key, `columns` and `include`; of type `any` where `columns` does not say. */
  readonly fields?: (read: Read) => FieldTypes;
  /** A change of child rows (`include`) alone is seen. */
  readonly seesChildren?: boolean;
  /** What it changes at the source; `systems test` looks whether the account may. Left out: it only reads. */
  readonly rights?: (read: Read) => readonly NeededRight[];
}

export interface NeededRight {
  readonly table: string;
  readonly right: 'INSERT' | 'UPDATE' | 'DELETE';
}

/** `read` of a strategy that needs table and key. */
export type TableRead = Read & { readonly table: string; readonly key: readonly string[] };

export function tableRead(read: Read): TableRead {
  const { table, key } = read;
  if (table === undefined || key === undefined) throw new TypeError('table and key are checked by the schema');
  return { ...read, table, key };
}

/** The options of the strategy that was chosen because they are there. */
export function chosen<T>(options: T | undefined): T {
  if (options === undefined) throw new TypeError('a strategy is chosen by its options');
  return options;
}
