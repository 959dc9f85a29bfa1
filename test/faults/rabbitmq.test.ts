import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { connect } from 'amqplib';
import { until } from '../e2e/run.js';
import { type Fault, round } from './faults.js';
import { faultsAt } from './network.js';
import type { FaultWorld } from './world.js';

const control = (world: FaultWorld, ...args: string[]): Promise<string> => world.rabbitmq?.control(...args) ?? Promise.reject(new Error('no RabbitMQ of our own'));

const memoryAlarm: Fault = async (world) => {
  await control(world, 'set_vm_memory_high_watermark', 'absolute', '1024');
  try {
    const reported = async (): Promise<boolean> => {
      await world.addRows(1); // the broker blocks a connection only when something is published on it
      return (await world.status()).bus.health.detail?.includes('alarm') === true;
    };
    await until(reported, 'the alarm is reported', 20_000);
    await sleep(5_000);
  } finally {
    await control(world, 'set_vm_memory_high_watermark', '0.4');
  }
};

const closedByBroker: Fault = async (world) => {
  for (let time = 0; time < 3; time++) await control(world, 'close_all_connections', 'for a test');
};

/** Somebody deletes the queue of a target while it is empty: what is in a deleted queue is gone, what comes after must not be. */
const queueDeleted: Fault = async (world) => {
  await world.settled(60_000);
  const model = await connect(world.rabbitmq?.access.url ?? '');
  const channel = await model.createChannel();
  const names = (await control(world, 'list_queues', 'name', '--quiet')).split('\n').filter((name) => /partner|files/.test(name));
  expect(names).toHaveLength(2);
  for (const name of names) await channel.deleteQueue(name);
  await model.close();
  await world.addRows(100);
};

faultsAt('bus', ['black hole', 'SIGKILL and restart'], (world) => {
  test('memory alarm', () => round(world(), 'bus', 'memory alarm', memoryAlarm), 180_000);
  test('connections closed by the broker, 3 times', () => round(world(), 'bus', 'connections closed by the broker, 3 times', closedByBroker), 180_000);
  test('queues deleted by hand', () => round(world(), 'bus', 'queues deleted by hand', queueDeleted), 180_000);
});
