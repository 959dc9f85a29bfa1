import { type Broker, NotPublished } from '../../../bus/broker.js';
import { RabbitmqBroker } from '../../../bus/rabbitmq/rabbitmq-broker.js';
import { type FaultProxy, startProxy } from '../../faults/proxy.js';
import { message, unique } from '../../kit/broker/harness.js';
import type { BrokerHarness, BrokerPlace, Load } from '../../kit/broker/index.js';
import { clock, recorder } from '../../kit/broker/services.js';
import { startRabbitmq } from '../../services/servers.js';
import { services } from '../../services/services.js';

export const rabbitmq: BrokerHarness = {
  severalNodes: true,
  knowsWaiting: false,
  // Every message is in the broker's memory and log already; the start only connects. Publishing 100,000 would only take time.
  backlog: 20_000,
  place: async (): Promise<BrokerPlace> => {
    const prefix = `t${unique()}`;
    let url = new URL((await services.rabbitmq()).url);
    const proxies = new Map<Broker, FaultProxy>();
    const cleanups: (() => Promise<void>)[] = [];
    return {
      open: async () => {
        const proxy = await startProxy(Number(url.port));
        const through = new URL(url);
        through.port = String(proxy.port);
        const broker = new RabbitmqBroker({ urls: [through.href], prefix, settleMs: 0, clock, log: recorder() });
        proxies.set(broker, proxy);
        await broker.open(AbortSignal.timeout(20_000));
        return broker;
      },
      crash: async (broker) => {
        await proxies.get(broker)?.close();
        await broker.close();
      },
      killUnderLoad: async (channel) => {
        const server = await startRabbitmq();
        cleanups.push(() => server.stop());
        url = new URL(server.access.url);
        const broker = new RabbitmqBroker({ urls: [url.href], prefix, clock, log: recorder() });
        try {
          await broker.open(AbortSignal.timeout(20_000));
          await broker.declare({ name: channel });
          return await load(broker, channel, async () => {
            await server.kill();
            await server.restart();
          });
        } finally {
          await broker.close();
        }
      },
      dispose: async () => {
        for (const proxy of proxies.values()) await proxy.close();
        for (const cleanup of cleanups) await cleanup();
      },
    };
  },
};

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
  await lanes;
  return { confirmed, attempted };
}
