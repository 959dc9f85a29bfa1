import { expect } from '@jest/globals';
import { failureOf, type ProbeStep } from '../../../../adapters/contract/index.js';
import { type Bench, failing, required, within } from '../bench.js';
import type { AdapterHarness } from '../harness.js';
import { sample, samples } from '../samples.js';
import { always, ifConnecting, ifOutbound, ifPolling, type Scenario } from '../scenario.js';
import { collected, deliveryFor, sending } from './outbound.js';
import { pollOnce, readUntil } from './polling.js';

export const failureScenarios: readonly Scenario[] = [
  {
    name: 'wrong credentials are Misconfigured, and a failed step of the probe',
    applies: ifConnecting,
    run: async (bench) => {
      const connect = required(bench.harness.badCredentials?.(), 'the harness has no badCredentials');
      const error = await failing('working with wrong credentials', () => work(bench, connect));
      expect(nameOf(error)).toBe('Misconfigured');
      const steps = await probe(bench, connect);
      expect(steps.some((step) => !step.ok)).toBe(true);
    },
  },
  {
    name: 'a broken link is NotConnected or TryAgain, and works again when it is healed',
    applies: ifConnecting,
    run: async (bench) => {
      await withoutLink(bench, async () => {
        const error = await failing('working without a link', () => within(20_000, 'failing', work(bench, bench.harness.connect())));
        expect(['NotConnected', 'TryAgain']).toContain(nameOf(error));
      });
      await within(20_000, 'working after the link is healed', work(bench, bench.harness.connect()));
    },
  },
  {
    name: 'an open outbound endpoint survives a broken link',
    applies: ifOutbound,
    run: async (bench) => {
      const outbound = await sending(bench);
      await outbound.send(deliveryFor(bench, sample(1)), bench.signal);
      await withoutLink(bench, async () => {
        const error = await failing('sending without a link', () => within(20_000, 'failing', outbound.send(deliveryFor(bench, sample(2)), bench.signal)));
        expect(['NotConnected', 'TryAgain']).toContain(nameOf(error));
        await within(5_000, 'close with a dead link', outbound.close());
      });
      await outbound.open(bench.signal);
      await outbound.send(deliveryFor(bench, sample(2), 2), bench.signal);
      expect(await collected(bench)).toEqual(samples(1, 2));
    },
  },
  {
    name: 'an open polling endpoint survives a broken link',
    applies: ifPolling,
    run: async (bench) => {
      await bench.inboundHarness.seed(samples(1, 2));
      const inbound = await bench.polling();
      await inbound.open(bench.signal);
      const { checkpoint } = await readUntil(bench, inbound, 2, {});
      await withoutLink(bench, async () => {
        const error = await failing('polling without a link', () => within(20_000, 'failing', pollOnce(bench, inbound, { checkpoint })));
        expect(['NotConnected', 'TryAgain']).toContain(nameOf(error));
        await within(5_000, 'close with a dead link', inbound.close());
      });
      await inbound.open(bench.signal);
      await bench.inboundHarness.seed(samples(3, 1));
      const { records } = await readUntil(bench, inbound, 1, { checkpoint });
      expect(records.map((record) => bench.inboundHarness.read(record).number)).toEqual([3]);
    },
  },
  {
    name: 'the probe of a good system is all ok',
    applies: always,
    run: async (bench) => {
      const steps = await probe(bench, bench.harness.connect());
      expect(steps.length).toBeGreaterThan(0);
      expect(steps.filter((step) => !step.ok)).toEqual([]);
    },
  },
  {
    name: 'the probe of an unreachable system says so and does not throw',
    applies: always,
    run: async (bench) => {
      const steps = await probe(bench, required(bench.harness.unreachable?.(), 'the harness has no unreachable'));
      const failed = steps.filter((step) => !step.ok);
      expect(failed.length).toBeGreaterThan(0);
      expect(failed.every((step) => step.detail.length > 0)).toBe(true);
    },
  },
  {
    name: 'secrets appear in no probe, no error and no log',
    applies: always,
    run: async (bench) => {
      const { harness } = bench;
      const shown: unknown[] = [await probe(bench, harness.connect())];
      for (const connect of [harness.badCredentials?.(), harness.unreachable?.()]) {
        if (connect === undefined) continue;
        shown.push(await probe(bench, connect));
        if (ifConnecting(harness)) shown.push(await failing('working with a bad configuration', () => work(bench, connect)));
      }
      if (hasLink(harness) && ifConnecting(harness)) {
        await withoutLink(bench, async () => {
          shown.push(await failing('working without a link', () => work(bench, harness.connect())));
        });
      }
      bench.assertNoSecret(...shown, ...shown.map((each) => String(each)));
    },
  },
];

function hasLink(harness: AdapterHarness): boolean {
  return 'breakLink' in harness && 'healLink' in harness;
}

async function withoutLink(bench: Bench, run: () => Promise<void>): Promise<void> {
  if (!hasLink(bench.harness)) throw new Error('the harness has no breakLink and healLink');
  await bench.harness.breakLink?.();
  try {
    await run();
  } finally {
    await bench.harness.healLink?.();
  }
}

/** Does what the adapter can with a system of this configuration: one poll, or one send. */
async function work(bench: Bench, connect: unknown): Promise<void> {
  const system = await bench.system(connect);
  if (ifPolling(bench.harness)) {
    const inbound = await bench.polling(system);
    await inbound.open(bench.signal);
    await pollOnce(bench, inbound, {});
  } else {
    const outbound = await bench.outbound(system);
    await outbound.open(bench.signal);
    await outbound.send(deliveryFor(bench, sample(1)), bench.signal);
  }
}

async function probe(bench: Bench, connect: unknown): Promise<readonly ProbeStep[]> {
  const system = await bench.system(connect);
  return within(20_000, 'the probe', system.probe(bench.signal));
}

function nameOf(error: unknown): string {
  return failureOf(error)?.name ?? `no failure of the contract: ${String(error)}`;
}
