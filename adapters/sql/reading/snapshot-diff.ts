// The comparison of one range of a table with what is remembered of it. Pure.
import type { Value } from '../../contract/index.js';

export type Operation = 'insert' | 'update' | 'delete';

/** One remembered row. */
export interface Entry {
  readonly key: readonly Value[];
  /** Of its content; absent while nobody knows whether the row has ever been handed over. */
  readonly hash?: string;
  /** Written down before it was handed over. Whether it was, is not known: it is handed over again under the same id, or followed by a newer change. */
  readonly pending?: Pending;
}

export interface Pending {
  readonly operation: Operation;
  /** Absent: the row was gone. */
  readonly hash?: string;
  readonly version: number;
}

/** What is remembered of the rows above the end of the chunk before, up to `upto`. */
export interface Chunk {
  readonly id: string;
  readonly next?: string;
  /** Absent: the end of the table. */
  readonly upto?: readonly Value[];
  /** Greatest version given to a change here. Never falls, also not when chunks are divided or joined: no id is given twice. */
  readonly top: number;
  /** By the text of the key. */
  readonly entries: ReadonlyMap<string, Entry>;
}

/** A row as it is now. */
export interface Present {
  readonly key: readonly Value[];
  readonly text: string;
  readonly hash: string;
}

export interface Change<P extends Present> extends Pending {
  readonly text: string;
  readonly key: readonly Value[];
  /** Absent when the row is gone. */
  readonly row?: P;
}

export interface Difference<P extends Present> {
  readonly changes: readonly Change<P>[];
  /** Remembered rows the page does not have: gone when it is `complete`, else still to come. */
  readonly left: ReadonlyMap<string, Entry>;
}

/** @param complete the page reaches the end of the chunk; what it has not is gone */
export function compare<P extends Present>({ entries, top }: Pick<Chunk, 'entries' | 'top'>, page: readonly P[], complete: boolean): Difference<P> {
  const left = new Map(entries);
  const version = top + 1;
  const changes: Change<P>[] = [];
  for (const row of page) {
    const { text, key, hash } = row;
    const entry = left.get(text);
    left.delete(text);
    const pending = entry?.pending;
    if (pending?.hash === hash) changes.push({ ...pending, text, key, row });
    else if (pending) changes.push({ operation: entry?.hash === undefined || pending.hash === undefined ? 'insert' : 'update', hash, version, text, key, row });
    else if (entry?.hash !== hash) changes.push({ operation: entry ? 'update' : 'insert', hash, version, text, key, row });
  }
  if (!complete) return { changes, left };
  for (const [text, { key, pending }] of left) {
    changes.push(pending && pending.hash === undefined ? { ...pending, text, key } : { operation: 'delete', version, text, key });
  }
  return { changes, left };
}

/** The chunk with its changes written down as pending; undefined when all of them are already. */
export function announce<P extends Present>(chunk: Chunk, changes: readonly Change<P>[]): Chunk | undefined {
  const entries = new Map(chunk.entries);
  let { top } = chunk;
  let news = false;
  for (const { text, key, operation, hash, version } of changes) {
    const entry = entries.get(text);
    if (entry?.pending?.version === version && entry.pending.hash === hash) continue;
    news = true;
    top = Math.max(top, version);
    entries.set(text, { key, ...(entry?.hash === undefined ? {} : { hash: entry.hash }), pending: { operation, version, ...(hash === undefined ? {} : { hash }) } });
  }
  return news ? { ...chunk, top, entries } : undefined;
}

/** What is remembered once the changes are handed over: the page, and the rest of the chunk when the page does not reach its end. */
export function settled<P extends Present>(chunk: Chunk, page: readonly P[], difference: Difference<P>, rest: string | undefined): readonly Chunk[] {
  const top = Math.max(chunk.top, ...difference.changes.map(({ version }) => version));
  const entries = new Map(page.map(({ text, key, hash }) => [text, { key, hash }]));
  const last = page.at(-1);
  if (rest === undefined || !last) return [{ ...chunk, top, entries }];
  const { next, upto, ...first } = chunk;
  return [
    { ...first, next: rest, upto: last.key, top, entries },
    { id: rest, ...(next === undefined ? {} : { next }), ...(upto === undefined ? {} : { upto }), top, entries: difference.left },
  ];
}
