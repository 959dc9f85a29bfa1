import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { connect } from 'amqplib';
import { until } from '../e2e/run.js';
import { type Fault, isFull, round } from './faults.js';
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

/** `disk free is below the limit`: like the memory alarm it stops all who publish. */
const diskAlarm: Fault = async (world) => {
  await control(world, 'set_disk_free_limit', '900000GB');
  await sleep(isFull ? 20_000 : 5_000);
  await control(world, 'set_disk_free_limit', '50MB');
};

/** Somebody tidies up the users of the broker. */
const permissionsRevoked: Fault = async (world) => {
  await control(world, 'clear_permissions', '-p', '/', 'guest');
  try {
    // What is open is checked anew only now and then; what is opened anew, at once.
    await control(world, 'close_all_connections', 'for a test');
    await sleep(isFull ? 30_000 : 5_000);
  } finally {
    await control(world, 'set_permissions', '-p', '/', 'guest', '.*', '.*', '.*');
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
  test.each<readonly [string, Fault]>([
    ['memory alarm', memoryAlarm],
    ['permissions revoked and given back', permissionsRevoked],
    ['queues deleted by hand', queueDeleted],
    ...(isFull
      ? ([
          ['disk alarm', diskAlarm],
          ['connections closed by the broker, 3 times', closedByBroker],
        ] as const)
      : []),
  ])('%s', (name, fault) => round(world(), 'bus', name, fault), 180_000);
});
