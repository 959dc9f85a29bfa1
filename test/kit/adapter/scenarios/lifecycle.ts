import { type Bench, within } from '../bench.js';
import { samples } from '../samples.js';
import { always, ifListening, ifPolling, type Scenario } from '../scenario.js';

type Endpoint = { open(signal: AbortSignal): Promise<void>; close(): Promise<void> };

export const lifecycleScenarios: readonly Scenario[] = [
  {
    name: 'opens and closes, twice, and starts again after close',
    applies: always,
    run: async (bench) => {
      for (const endpoint of await endpoints(bench)) {
        await endpoint.open(bench.signal);
        await within(5_000, 'close', endpoint.close());
        await within(5_000, 'the second close', endpoint.close());
        await endpoint.open(bench.signal);
        await within(5_000, 'close after the second open', endpoint.close());
      }
    },
  },
  {
    name: 'closes without having been opened',
    applies: always,
    run: async (bench) => {
      for (const endpoint of await endpoints(bench)) await within(5_000, 'close', endpoint.close());
      const system = await bench.system();
      await within(5_000, 'close of the system', system.close());
      await within(5_000, 'the second close of the system', system.close());
    },
  },
  {
    name: 'close during a poll returns within 5 s and ends the poll',
    applies: ifPolling,
    run: async (bench) => {
      await bench.inboundHarness.seed(samples(1, 5));
      const inbound = await bench.polling();
      await inbound.open(bench.signal);
      const poll = inbound.poll({ checkpoint: undefined, maxRecords: 1, signal: bench.signal })[Symbol.asyncIterator]();
      await poll.next();
      await within(5_000, 'close during a poll', inbound.close());
      await within(
        5_000,
        'the rest of the poll',
        (async () => {
          while (!(await poll.next()).done);
        })().catch(() => undefined), // ending with an error is as good as ending
      );
    },
  },
  {
    name: 'close waits for an input under way and takes no new one',
    applies: ifListening,
    run: async (bench) => {
      const inbound = await bench.listening();
      let release = () => {};
      let arrived = () => {};
      const arrival = new Promise<void>((done) => {
        arrived = done;
      });
      const held = new Promise<void>((done) => {
        release = done;
      });
      await inbound.open(async () => {
        arrived();
        await held;
        return { result: 'accepted', messageId: 'kit' };
      }, bench.signal);
      const sending = bench.inboundHarness.seed(samples(1, 1));
      await within(10_000, 'the input', Promise.race([arrival, sending]));
      const closing = inbound.close();
      release();
      await within(10_000, 'the answer to the input under way', sending);
      await within(5_000, 'close', closing);
      await within(
        10_000,
        'refusing a new input',
        bench.inboundHarness.seed(samples(2, 1)).then(
          () => Promise.reject(new Error('an input was taken after close')),
          () => undefined,
        ),
      );
    },
  },
];

async function endpoints(bench: Bench): Promise<readonly Endpoint[]> {
  const { spec } = bench.harness;
  const all: Endpoint[] = [];
  if (spec.read?.pattern === 'polling') all.push(await bench.polling());
  if (spec.read?.pattern === 'listening') {
    const inbound = await bench.listening();
    all.push({ open: (signal) => inbound.open(async () => ({ result: 'accepted', messageId: 'kit' }), signal), close: () => inbound.close() });
  }
  if (spec.write) all.push(await bench.outbound());
  if (spec.call) all.push(await bench.callable());
  return all;
}
