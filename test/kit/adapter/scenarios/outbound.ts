import { expect } from '@jest/globals';
import { type Delivery, failureOf, type Outbound } from '../../../../adapters/contract/index.js';
import { type Bench, failing } from '../bench.js';
import type { Sample } from '../harness.js';
import { deliveryOf, hardSample, payloadOf, sample, samples } from '../samples.js';
import { ifIdempotent, ifLosing, ifOutbound, ifVerifying, type Scenario } from '../scenario.js';

export const outboundScenarios: readonly Scenario[] = [
  {
    name: 'sends each delivery and the target has it',
    applies: ifOutbound,
    run: async (bench) => {
      const outbound = await sending(bench);
      for (const each of samples(1, 3)) {
        const receipt = await outbound.send(deliveryFor(bench, each), bench.signal);
        expect(receipt.detail).not.toBe('');
        expect(receipt.duplicate ?? false).toBe(false);
      }
      expect(await collected(bench)).toEqual(samples(1, 3));
    },
  },
  {
    name: 'sending the same delivery id twice has one effect',
    applies: ifIdempotent,
    run: async (bench) => {
      const outbound = await sending(bench);
      await outbound.send(deliveryFor(bench, sample(1)), bench.signal);
      await outbound.send(deliveryFor(bench, sample(1), 2), bench.signal);
      expect(await collected(bench)).toEqual([sample(1)]);
    },
  },
  {
    name: 'sending the same delivery id after a restart has one effect',
    applies: ifIdempotent,
    run: async (bench) => {
      const before = await sending(bench);
      await before.send(deliveryFor(bench, sample(1)), bench.signal);
      await before.close();
      const after = await sending(bench);
      await after.send(deliveryFor(bench, sample(1), 2), bench.signal);
      expect(await collected(bench)).toEqual([sample(1)]);
    },
  },
  {
    name: 'works again after close and open',
    applies: ifOutbound,
    run: async (bench) => {
      const outbound = await sending(bench);
      await outbound.send(deliveryFor(bench, sample(1)), bench.signal);
      await outbound.close();
      await outbound.open(bench.signal);
      await outbound.send(deliveryFor(bench, sample(2)), bench.signal);
      expect(await collected(bench)).toEqual(samples(1, 2));
    },
  },
  {
    name: '20 concurrent sends all arrive',
    applies: ifOutbound,
    run: async (bench) => {
      const outbound = await sending(bench);
      await Promise.all(samples(1, 20).map((each) => outbound.send(deliveryFor(bench, each), bench.signal)));
      expect(await collected(bench)).toEqual(samples(1, 20));
    },
  },
  {
    name: 'unicode and exact numbers survive on the way out',
    applies: ifOutbound,
    run: async (bench) => {
      const outbound = await sending(bench);
      await outbound.send(deliveryFor(bench, hardSample(1)), bench.signal);
      expect(await collected(bench)).toEqual([hardSample(1)]);
    },
  },
  {
    name: 'an answer that is lost leaves the outcome unknown',
    applies: ifLosing,
    run: async (bench) => {
      const outbound = await sending(bench);
      await bench.outboundHarness.loseAnswer?.();
      const failure = failureOf(await failing('sending without an answer', () => outbound.send(deliveryFor(bench, sample(1)), bench.signal)));
      expect(['NotConnected', 'TryAgain']).toContain(failure?.name);
      expect(failure).toHaveProperty('outcome', 'unknown');
      expect(await collected(bench)).toEqual([sample(1)]);
    },
  },
  {
    name: 'verify tells what was delivered from what was not',
    applies: ifVerifying,
    run: async (bench) => {
      const outbound = await sending(bench);
      expect(await outbound.verify?.(deliveryFor(bench, sample(1)), bench.signal)).toBe('not-done');
      await outbound.send(deliveryFor(bench, sample(1)), bench.signal);
      expect(await outbound.verify?.(deliveryFor(bench, sample(1)), bench.signal)).toBe('done');
      expect(await outbound.verify?.(deliveryFor(bench, sample(2)), bench.signal)).toBe('not-done');
      expect(await collected(bench)).toEqual([sample(1)]);
    },
  },
  {
    name: 'a send that was aborted before it began sends nothing',
    applies: ifOutbound,
    run: async (bench) => {
      const outbound = await sending(bench);
      await expect(outbound.send(deliveryFor(bench, sample(1)), AbortSignal.abort(new Error('stop')))).rejects.toBeDefined();
      expect(await collected(bench)).toEqual([]);
    },
  },
];

export async function sending(bench: Bench): Promise<Outbound> {
  const outbound = await bench.outbound();
  await outbound.open(bench.signal);
  return outbound;
}

export function deliveryFor(bench: Bench, each: Sample, attempt = 1): Delivery {
  return deliveryOf(each, bench.outboundHarness.payload?.(each) ?? payloadOf(each), attempt);
}

export async function collected(bench: Bench): Promise<readonly Sample[]> {
  return [...(await bench.outboundHarness.collect())].sort((a, b) => a.number - b.number);
}
