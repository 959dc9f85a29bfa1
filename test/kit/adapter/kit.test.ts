import { randomUUID } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import {
  type AdapterClass,
  type AdapterSpec,
  type Batch,
  type ConnectedSystem,
  injectable,
  Misconfigured,
  type Outbound,
  type PollingInbound,
  type PollRequest,
  Secret,
  type SourceRecord,
} from '../../../adapters/contract/index.js';
import { helloHarness } from '../../examples/hello-harness.js';
import { recordingLog } from '../fakes.js';
import { runScenario, scenarios } from './scenarios/index.js';

// The kit is only worth something if it finds what is wrong: each mutant of a good adapter must fail the scenario that is about it.

type Change = (system: ConnectedSystem, connect: { readonly password: Secret }) => Partial<ConnectedSystem>;

const mutants: readonly (readonly [string, string, Change])[] = [
  [
    'ignores the checkpoint',
    'a settled batch is not read again, by a new instance neither',
    polling((inbound) => ({ poll: (request) => inbound.poll({ ...request, checkpoint: undefined }) })),
  ],
  ['gives random ids', 'an abandoned poll gives the same ids again from the old checkpoint', records((record) => ({ ...record, id: randomUUID() }))],
  [
    'gives random ids once it was not settled',
    'a batch that was never settled gives no new ids',
    polling((inbound) => ({ poll: (request) => changed(inbound.poll({ ...request, checkpoint: undefined }), (record) => ({ ...record, id: randomUUID() })) })),
  ],
  ['fills batches as it likes', 'batches never exceed maxRecords', polling((inbound) => ({ poll: (request) => inbound.poll({ ...request, maxRecords: 100 }) }))],
  ['reads a record twice', 'reads everything that was seeded, once and in order', polling((inbound) => ({ poll: (request) => twice(inbound.poll(request)) }))],
  [
    'rounds numbers',
    'unicode and exact numbers survive on the way in',
    records((record) => ({ ...record, value: { number: 1n, text: 'x', whole: BigInt(Number(9007199254740993n)) } })),
  ],
  ['reads on after abort', 'abort stops a poll promptly', polling((inbound) => ({ poll: (request) => inbound.poll({ ...request, signal: new AbortController().signal }) }))],
  [
    'applies a delivery twice',
    'sending the same delivery id twice has one effect',
    outbound((target) => ({ send: (delivery, signal) => target.send({ ...delivery, id: randomUUID() }, signal) })),
  ],
  ['says sent and does nothing', 'sends each delivery and the target has it', outbound(() => ({ send: async () => ({ detail: 'ok' }) }))],
  [
    'sends after it was aborted',
    'a send that was aborted before it began sends nothing',
    outbound((target) => ({ send: (delivery) => target.send(delivery, new AbortController().signal) })),
  ],
  [
    'calls a dead link a wrong configuration',
    'an open outbound endpoint survives a broken link',
    outbound((target) => ({ send: (delivery, signal) => target.send(delivery, signal).catch((cause: unknown) => Promise.reject(new Misconfigured('E400', 'x', { cause }))) })),
  ],
  ['throws from the probe', 'the probe of an unreachable system says so and does not throw', () => ({ probe: () => Promise.reject(new Error('no')) })],
  ['says all is well', 'wrong credentials are Misconfigured, and a failed step of the probe', () => ({ probe: async () => [{ name: 'x', ok: true, detail: 'fine' }] })],
  [
    'shows a secret',
    'secrets appear in no probe, no error and no log',
    (_, connect) => ({ probe: async () => [{ name: 'x', ok: false, detail: `password ${connect.password.reveal()}` }] }),
  ],
  ['cannot be closed twice', 'opens and closes, twice, and starts again after close', outbound(() => closableOnce())],
];

describe('the adapter kit finds an adapter that', () => {
  test.each(mutants)('%s', async (_, name, change) => {
    const scenario = scenarios.find((each) => each.name === name);
    if (!scenario) throw new Error(`no scenario ${name}`);
    await expect(runScenario(scenario, { ...helloHarness, spec: mutant(change) })).rejects.toBeDefined();
    await runScenario(scenario, helloHarness);
  });
});

function mutant(change: Change): AdapterSpec {
  return {
    ...helloHarness.spec,
    load: async () => {
      const Original: AdapterClass = await helloHarness.spec.load();
      class Mutant {
        private readonly original = new Original(recordingLog());

        system(name: string, connect: unknown): ConnectedSystem {
          const system = this.original.system(name, connect);
          return { ...system, ...change(system, connect as { readonly password: Secret }) };
        }
      }
      injectable()(Mutant);
      return Mutant;
    },
  };
}

function polling(change: (inbound: PollingInbound) => Partial<PollingInbound>): Change {
  return (system) => ({
    inbound: (endpoint) => {
      const inbound = system.inbound?.(endpoint);
      if (inbound?.kind !== 'polling') throw new Error('not polling');
      return { kind: 'polling', open: (signal) => inbound.open(signal), poll: (request: PollRequest) => inbound.poll(request), close: () => inbound.close(), ...change(inbound) };
    },
  });
}

function records(change: (record: SourceRecord) => SourceRecord): Change {
  return polling((inbound) => ({ poll: (request) => changed(inbound.poll(request), change) }));
}

function outbound(change: (target: Outbound) => Partial<Outbound>): Change {
  return (system) => ({
    outbound: (endpoint) => {
      const target = system.outbound?.(endpoint);
      if (!target) throw new Error('no outbound');
      return { open: (signal) => target.open(signal), send: (delivery, signal) => target.send(delivery, signal), close: () => target.close(), ...change(target) };
    },
  });
}

async function* changed(batches: AsyncIterable<Batch>, change: (record: SourceRecord) => SourceRecord): AsyncIterable<Batch> {
  for await (const batch of batches) yield { ...batch, records: batch.records.map(change) };
}

async function* twice(batches: AsyncIterable<Batch>): AsyncIterable<Batch> {
  for await (const batch of batches) yield { ...batch, records: batch.records.flatMap((record) => [record, record]) };
}

function closableOnce(): Partial<Outbound> {
  let closed = 0;
  return {
    close: async () => {
      if (++closed === 2) throw new Error('closed already');
    },
  };
}
