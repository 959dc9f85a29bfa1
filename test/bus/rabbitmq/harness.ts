import { type Broker, NotPublished } from '../../../bus/broker.js';
import { RabbitmqBroker } from '../../../bus/rabbitmq/rabbitmq-broker.js';
import { type FaultProxy, startProxy } from '../../faults/proxy.js';
import { message, unique } from '../../kit/broker/harness.js';
import type { BrokerHarness, BrokerPlace, Load } from '../../kit/broker/index.js';
import { clock, recorder } from '../../kit/broker/services.js';
import { startRabbitmq } from '../../services/servers.js';
import { services } from '../../services/services.js';

/** Where the suite runs: one server, or the nodes of a cluster. */
export interface Installation {
  urls(): Promise<readonly string[]>;
  /** What `killUnderLoad` kills; `kill` brings it back before it resolves. */
  victim(): Promise<{ readonly urls: readonly string[]; kill(queue: string): Promise<void>; stop(): Promise<void> }>;
}

export const rabbitmq: BrokerHarness = harnessOf({
  urls: async () => [(await services.rabbitmq()).url],
  victim: async () => {
    const server = await startRabbitmq();
    return {
      urls: [server.access.url],
      kill: async () => {
        await server.kill();
        await server.restart();
      },
      stop: () => server.stop(),
    };
  },
});

export function harnessOf(installation: Installation): BrokerHarness {
  return {
    severalNodes: true,
    knowsWaiting: false,
    // Every message is in the broker's memory and log already; the start only connects. Publishing 100,000 would only take time.
    backlog: process.env['SIGNALBOX_FAULTS'] === 'all' ? 100_000 : 20_000,
    place: async (): Promise<BrokerPlace> => {
      const prefix = `t${unique()}`;
      let urls = await installation.urls();
      const proxies = new Map<Broker, readonly FaultProxy[]>();
      const cleanups: (() => Promise<void>)[] = [];
      const closeAll = async (some: readonly FaultProxy[]): Promise<void> => void (await Promise.all(some.map((proxy) => proxy.close())));
      return {
        open: async () => {
          const between = await Promise.all(urls.map((url) => startProxy(Number(new URL(url).port))));
          const through = urls.map((url, index) => {
            const changed = new URL(url);
            changed.port = String(between[index]?.port);
            return changed.href;
          });
          const broker = new RabbitmqBroker({ urls: through, prefix, settleMs: 0, clock, log: recorder() });
          proxies.set(broker, between);
          await broker.open(AbortSignal.timeout(20_000));
          return broker;
        },
        crash: async (broker) => {
          await closeAll(proxies.get(broker) ?? []);
          await broker.close();
        },
        killUnderLoad: async (channel) => {
          const victim = await installation.victim();
          cleanups.push(() => victim.stop());
          ({ urls } = victim);
          const broker = new RabbitmqBroker({ urls, prefix, clock, log: recorder() });
          try {
            await broker.open(AbortSignal.timeout(20_000));
            await broker.declare({ name: channel });
            return await load(broker, channel, () => victim.kill(`${prefix}.${channel}.g1`));
          } finally {
            await broker.close();
          }
        },
        dispose: async () => {
          for (const between of proxies.values()) await closeAll(between);
          for (const cleanup of cleanups) await cleanup();
        },
      };
    },
  };
}

async function load(broker: Broker, channel: string, kill: () => Promise<void>): Promise<Load> {
  const confirmed: string[] = [];
  const attempted: string[] = [];
  let stop = false;
  const lane = async (): Promise<void> => {
    while (!stop) {
      const id = `m${String(attempted.length).padStart(6, '0')}`;
      attempted.push(id);
      try {
        await broker.publish(channel, message(id, Buffer.alloc(1_024)));
        confirmed.push(id);
        if (confirmed.length === 3_000) killed.resolve();
      } catch (error) {
        if (!(error instanceof NotPublished)) throw error;
        stop = true;
      }
    }
  };
  const killed = Promise.withResolvers<void>();
  const lanes = Promise.all(Array.from({ length: 64 }, lane));
  await killed.promise;
  await kill();
  stop = true; // of a cluster no publish may have failed
  await lanes;
  return { confirmed, attempted };
}
