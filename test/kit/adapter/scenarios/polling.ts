import { expect } from '@jest/globals';
import type { PollingInbound, SourceRecord } from '../../../../adapters/contract/index.js';
import { type Bench, within } from '../bench.js';
import { hardSample, samples } from '../samples.js';
import { ifPolling, type Scenario } from '../scenario.js';

interface Reading {
  readonly records: SourceRecord[];
  readonly sizes: number[];
  checkpoint: string | undefined;
}

export const pollingScenarios: readonly Scenario[] = [
  {
    name: 'reads everything that was seeded, once and in order',
    applies: ifPolling,
    run: async (bench) => {
      await bench.inboundHarness.seed(samples(1, 7));
      const inbound = await opened(bench);
      const reading = await readUntil(bench, inbound, 7, { maxRecords: 3 });
      expect(numbers(bench, reading.records)).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect(new Set(reading.records.map((record) => record.id)).size).toBe(7);
    },
  },
  {
    name: 'reads what came later from the checkpoint on',
    applies: ifPolling,
    run: async (bench) => {
      await bench.inboundHarness.seed(samples(1, 3));
      const inbound = await opened(bench);
      const first = await readUntil(bench, inbound, 3, {});
      await bench.inboundHarness.seed(samples(4, 2));
      const second = await readUntil(bench, inbound, 2, { checkpoint: first.checkpoint });
      expect(numbers(bench, second.records)).toEqual([4, 5]);
    },
  },
  {
    name: 'finds nothing in an empty system',
    applies: ifPolling,
    run: async (bench) => {
      expect((await pollOnce(bench, await opened(bench), {})).records).toEqual([]);
    },
  },
  {
    name: 'an abandoned poll gives the same ids again from the old checkpoint',
    applies: ifPolling,
    run: async (bench) => {
      await bench.inboundHarness.seed(samples(1, 4));
      const inbound = await opened(bench);
      const abandoned: string[] = [];
      for await (const batch of inbound.poll({ checkpoint: undefined, maxRecords: 2, signal: bench.signal })) {
        abandoned.push(...batch.records.map((record) => record.id));
        if (abandoned.length > 0) break;
      }
      await inbound.close();
      const again = await readUntil(bench, await opened(bench), 4, { maxRecords: 2 });
      expect(abandoned.length).toBeGreaterThan(0);
      expect(again.records.map((record) => record.id).slice(0, abandoned.length)).toEqual(abandoned);
      expect(numbers(bench, again.records)).toEqual([1, 2, 3, 4]);
    },
  },
  {
    name: 'a settled batch is not read again, by a new instance neither',
    applies: ifPolling,
    run: async (bench) => {
      await bench.inboundHarness.seed(samples(1, 3));
      const inbound = await opened(bench);
      const { checkpoint } = await readUntil(bench, inbound, 3, {});
      expect((await pollOnce(bench, inbound, { checkpoint })).records).toEqual([]);
      await inbound.close();
      expect((await pollOnce(bench, await opened(bench), { checkpoint })).records).toEqual([]);
    },
  },
  {
    name: 'a batch that was never settled gives no new ids',
    applies: ifPolling,
    run: async (bench) => {
      await bench.inboundHarness.seed(samples(1, 3));
      const inbound = await opened(bench);
      const first = await readUntil(bench, inbound, 3, { settle: false });
      const known = new Set(first.records.map((record) => record.id));
      await inbound.close();
      const second = await pollOnce(bench, await opened(bench), { checkpoint: first.checkpoint });
      expect(second.records.filter((record) => !known.has(record.id))).toEqual([]);
    },
  },
  {
    name: 'batches never exceed maxRecords',
    applies: ifPolling,
    run: async (bench) => {
      await bench.inboundHarness.seed(samples(1, 7));
      const { sizes } = await readUntil(bench, await opened(bench), 7, { maxRecords: 2 });
      expect(sizes.filter((size) => size > 2)).toEqual([]);
    },
  },
  {
    name: 'abort stops a poll promptly',
    applies: ifPolling,
    run: async (bench) => {
      await bench.inboundHarness.seed(samples(1, 5));
      const inbound = await opened(bench);
      const stop = new AbortController();
      const poll = inbound.poll({ checkpoint: undefined, maxRecords: 1, signal: stop.signal })[Symbol.asyncIterator]();
      await poll.next();
      stop.abort(new Error('stop'));
      let batches = 0;
      const rest = async () => {
        while (!(await poll.next()).done) batches++;
      };
      await within(
        5_000,
        'the aborted poll',
        rest().catch(() => undefined), // throwing the reason is the usual way to stop
      );
      expect(batches).toBeLessThanOrEqual(1);
    },
  },
  {
    name: 'unicode and exact numbers survive on the way in',
    applies: ifPolling,
    run: async (bench) => {
      await bench.inboundHarness.seed([hardSample(1)]);
      const { records } = await readUntil(bench, await opened(bench), 1, {});
      expect(records.map((record) => bench.inboundHarness.read(record))).toEqual([hardSample(1)]);
    },
  },
];

export async function opened(bench: Bench): Promise<PollingInbound> {
  const inbound = await bench.polling();
  await inbound.open(bench.signal);
  return inbound;
}

/** Polls as the runtime does until `count` records have come, then once more: nothing else may come. */
export async function readUntil(
  bench: Bench,
  inbound: PollingInbound,
  count: number,
  options: { readonly checkpoint?: string | undefined; readonly maxRecords?: number; readonly settle?: boolean },
): Promise<Reading> {
  const all: Reading = { records: [], sizes: [], checkpoint: options.checkpoint };
  const deadline = performance.now() + 15_000;
  while (all.records.length < count && performance.now() < deadline) {
    const reading = await pollOnce(bench, inbound, { ...options, checkpoint: all.checkpoint });
    all.records.push(...reading.records);
    all.sizes.push(...reading.sizes);
    all.checkpoint = reading.checkpoint;
    if (reading.records.length === 0) await new Promise((done) => setTimeout(done, 50)); // a file may have to lie still for a while
  }
  if (options.settle !== false) {
    const after = await pollOnce(bench, inbound, { ...options, checkpoint: all.checkpoint });
    all.records.push(...after.records);
    all.checkpoint = after.checkpoint;
  }
  return all;
}

export async function pollOnce(
  bench: Bench,
  inbound: PollingInbound,
  options: { readonly checkpoint?: string | undefined; readonly maxRecords?: number; readonly settle?: boolean },
): Promise<Reading> {
  const reading: Reading = { records: [], sizes: [], checkpoint: options.checkpoint };
  for await (const batch of inbound.poll({ checkpoint: options.checkpoint, maxRecords: options.maxRecords ?? 100, signal: bench.signal })) {
    reading.records.push(...batch.records);
    reading.sizes.push(batch.records.length);
    reading.checkpoint = batch.checkpoint ?? reading.checkpoint;
    if (options.settle !== false) await batch.settle?.({ accepted: batch.records.length, filtered: 0, dead: 0, reason: undefined });
  }
  return reading;
}

function numbers(bench: Bench, records: readonly SourceRecord[]): readonly number[] {
  return records.map((record) => bench.inboundHarness.read(record).number);
}
