import { expect } from '@jest/globals';
import { type Accept, NotConnected, type SourceRecord, TryAgain } from '../../../../adapters/contract/index.js';
import { type Bench, failing } from '../bench.js';
import { hardSample, samples } from '../samples.js';
import { ifListening, type Scenario } from '../scenario.js';

export const listeningScenarios: readonly Scenario[] = [
  {
    name: 'takes everything that was sent, once and in order',
    applies: ifListening,
    run: async (bench) => {
      const records = await collecting(bench);
      await bench.inboundHarness.seed(samples(1, 5));
      expect(records.map((record) => bench.inboundHarness.read(record).number)).toEqual([1, 2, 3, 4, 5]);
      expect(new Set(records.map((record) => record.id)).size).toBe(5);
    },
  },
  {
    name: 'the same input sent again has the same id',
    applies: ifListening,
    run: async (bench) => {
      const records = await collecting(bench);
      await bench.inboundHarness.seed(samples(1, 1));
      await bench.inboundHarness.seed(samples(1, 1));
      expect(new Set(records.map((record) => record.id)).size).toBe(1);
    },
  },
  {
    name: 'a sender is told to come again when its input could not be stored',
    applies: ifListening,
    run: async (bench) => {
      const failures = [new NotConnected('E400', 'the bus is away'), new TryAgain('E400', 'the bus is full'), new Error('a bug')];
      const records = await collecting(bench, async () => {
        const failure = failures.shift();
        if (failure) throw failure;
        return { result: 'accepted', messageId: 'kit' };
      });
      for (const attempt of [1, 2, 3]) await failing(`attempt ${attempt}`, () => bench.inboundHarness.seed(samples(1, 1)));
      await bench.inboundHarness.seed(samples(1, 1));
      expect(new Set(records.map((record) => record.id)).size).toBe(1);
    },
  },
  {
    name: 'a duplicate, a filtered and a dead input are told as taken',
    applies: ifListening,
    run: async (bench) => {
      const results = ['duplicate', 'filtered', 'dead'] as const;
      let next = 0;
      await collecting(bench, async () => ({ result: results[next++] ?? 'accepted', messageId: 'kit' }));
      await bench.inboundHarness.seed(samples(1, 3));
      expect(next).toBe(3);
    },
  },
  {
    name: 'unicode and exact numbers survive on the way in',
    applies: ifListening,
    run: async (bench) => {
      const records = await collecting(bench);
      await bench.inboundHarness.seed([hardSample(1)]);
      expect(records.map((record) => bench.inboundHarness.read(record))).toEqual([hardSample(1)]);
    },
  },
];

async function collecting(bench: Bench, accept: Accept = async () => ({ result: 'accepted', messageId: 'kit' })): Promise<readonly SourceRecord[]> {
  const records: SourceRecord[] = [];
  const inbound = await bench.listening();
  await inbound.open(async (record, signal) => {
    records.push(record);
    return accept(record, signal);
  }, bench.signal);
  return records;
}
