import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { NotPublished } from '../../bus/broker.js';
import { RabbitmqBroker } from '../../bus/rabbitmq/rabbitmq-broker.js';
import { harnessOf } from '../bus/rabbitmq/harness.js';
import { isFull } from '../faults/faults.js';
import { acking, eventually, ids, message, unique } from '../kit/broker/harness.js';
import { brokerConformance } from '../kit/broker/index.js';
import { clock, recorder } from '../kit/broker/services.js';
import { type ClusterNode, type RabbitmqCluster, startRabbitmqCluster } from '../services/rabbitmq-cluster.js';
import { services } from '../services/services.js';
import { ClusterWorld } from './cluster-world.js';
import { leadersKilled } from './kills.js';

describe('RabbitMQ on three nodes', () => {
  let started: RabbitmqCluster | undefined;
  const current = (): RabbitmqCluster => {
    if (!started) throw new Error('the cluster did not start');
    return started;
  };
  const closing: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    started = await startRabbitmqCluster();
  }, 180_000);
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
    await started?.stop();
  }, 60_000);

  async function open(prefix: string): Promise<RabbitmqBroker> {
    const broker = new RabbitmqBroker({ urls: current().urls, prefix, settleMs: 0, clock, log: recorder() });
    closing.push(() => broker.close());
    await broker.open(AbortSignal.timeout(20_000));
    return broker;
  }

  test('every queue has a member on every node; with the policy of the guide their leaders are spread', async () => {
    const prefix = `t${unique()}`;
    await current().control('set_policy', 'signalbox-leaders', `^${prefix}\\.`, '{"queue-leader-locator":"balanced"}', '--apply-to', 'queues');
    const broker = await open(prefix);
    for (const name of ids(6)) await broker.declare({ name });
    const queues = (await current().queues()).filter(({ name }) => name.startsWith(prefix));
    expect(queues.map(({ members }) => members.length)).toEqual(Array(12).fill(3));
    const led = current().nodes.map(({ name }) => queues.filter(({ leader }) => leader === name).length);
    expect(led).toEqual([4, 4, 4]);
  }, 60_000);

  test('5,000 messages and the leader killed in the middle: one effect for each at both targets', async () => {
    const world = await ClusterWorld.start(current(), await services.postgres());
    try {
      const result = await leadersKilled(world, current(), 5_000, 1);
      expect(result).toMatchObject({ lost: 0, duplicated: 0, deadLetters: 0, errors: [], kills: [{ node: expect.any(String) }] });
      expect(result.targets).toEqual({ partner: { messages: 5_000, effects: 5_000, duplicated: 0 }, reports: { messages: 5_000, effects: 5_000, duplicated: 0 } });
      expect(result.kills.every(({ recoveryMs }) => recoveryMs < 60_000)).toBe(true);
    } finally {
      await world.close();
    }
  }, 300_000);

  if (isFull) {
    const victim = async () => ({
      urls: current().urls,
      kill: async (queue: string): Promise<void> => {
        const found = (await current().queues()).find(({ name }) => name === queue);
        const node = current().node(found?.leader ?? '');
        await node.kill();
        await node.restart();
      },
      stop: async () => undefined, // the cluster is for all tests
    });
    brokerConformance('RabbitMQ cluster', harnessOf({ urls: async () => current().urls, victim }));
  }

  test('without one node: both connections move, publishing goes on although its queue has lost its leader, status says who is away, queues can be declared', async () => {
    const prefix = `t${unique()}`;
    let broker = await open(prefix);
    // Both connections and the leader of the queue on one node: the worst that can happen.
    for (let turn = 0; used(broker).length !== 1; turn++) {
      expect(turn).toBeLessThan(100);
      await broker.close();
      broker = await open(prefix);
    }
    const [address = ''] = used(broker);
    await broker.declare({ name: 'before' });
    const before = acking();
    await broker.consume('before', { prefetch: 10 }, before.onMessage);
    await patiently(broker, 'before', ids(100));
    await before.until(100);
    await eventually('its leader is there', async () => (await current().queues()).some(({ name, leader }) => name === `${prefix}.before.g1` && leader === nodeAt(address).name));
    await nodeAt(address).kill();
    await eventually('it is connected elsewhere', () => broker.health.connected && !used(broker).includes(address));
    expect(broker.health.detail).toBe(`1 of 3 nodes cannot be reached: ${address}`);
    await patiently(broker, 'before', ids(100, 100));
    await eventually('all came', () => new Set(before.ids).size === 200);
    await broker.declare({ name: 'after' });
    const after = acking();
    await broker.consume('after', { prefetch: 10 }, after.onMessage);
    await patiently(broker, 'after', ids(10));
    await eventually('all came', () => new Set(after.ids).size === 10);
  }, 120_000);

  function used(broker: RabbitmqBroker): readonly string[] {
    return (broker.health.nodes ?? []).filter(({ connected }) => connected).map(({ address }) => address);
  }

  function nodeAt(address: string): ClusterNode {
    const found = current().nodes.find(({ url }) => new URL(url).host === address);
    if (!found) throw new Error(`no node at ${address}`);
    return found;
  }
});

/** As the runtime does: what is refused or unknown is published again with the same id. */
async function patiently(broker: RabbitmqBroker, channel: string, names: readonly string[]): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (const id of names) {
    for (;;) {
      try {
        await broker.publish(channel, message(id));
        break;
      } catch (error) {
        if (!(error instanceof NotPublished) || Date.now() > deadline) throw error;
        await sleep(50);
      }
    }
  }
}
