import { cpus } from 'node:os';
import { median, table, thousands } from './table.js';

export interface Figure {
  readonly name: string;
  readonly records: number;
  readonly seconds: number;
  /** Most resident memory seen up to its end. */
  readonly rss: number;
}

/** `times` blocks behind a head, in chunks of 64 KiB as a file stream gives them. Nothing of it is kept. */
export async function* chunks(head: Buffer, block: Buffer, times: number): AsyncGenerator<Uint8Array> {
  const size = 64 * 1024;
  let rest = head;
  for (let at = 0; at < times; at++) {
    rest = Buffer.concat([rest, block]);
    let from = 0;
    for (; rest.length - from >= size; from += size) yield rest.subarray(from, from + size);
    rest = rest.subarray(from);
  }
  if (rest.length > 0) yield rest;
}

/** The median of the runs, each on the whole input. */
export async function measured(name: string, runs: number, run: () => Promise<number>): Promise<Figure> {
  const seconds: number[] = [];
  let [records, rss] = [0, 0];
  for (let at = 0; at < runs; at++) {
    const started = performance.now();
    records = await run();
    seconds.push((performance.now() - started) / 1_000);
    rss = Math.max(rss, process.memoryUsage.rss());
  }
  return { name, records, seconds: median(seconds), rss };
}

export function report(figures: readonly Figure[], bytes: number): void {
  process.stdout.write(`${(bytes / 1e6).toFixed(0)} MB; ${cpus().length} cores (${cpus()[0]?.model.trim()}), Node ${process.version}\n`);
  const rows = figures.map(({ name, records, seconds, rss }) => [name, thousands(records / seconds), (bytes / 1e6 / seconds).toFixed(0), (rss / 1e6).toFixed(0)]);
  process.stdout.write(`${table(['reader', 'records/s', 'MB/s', 'RSS MB'], rows)}\n`);
}
