import { setTimeout as sleep } from 'node:timers/promises';
import { test } from '@jest/globals';
import mysql from 'mysql2/promise';
import type { DatabaseAccess } from '../services/servers.js';
import { type Fault, isFull, round } from './faults.js';
import { faultsAt } from './network.js';
import type { FaultWorld } from './world.js';

const commitUnknown: Fault = async (world) => {
  for (let time = 0; time < 6; time++) {
    world.proxy('reports').cutAt(/COMMIT(?!TED)/, time % 2 === 0 ? 'answered' : 'before');
    await sleep(700);
  }
};

const administrator = (world: FaultWorld): Promise<mysql.Connection> => mysql.createConnection({ ...(world.victim?.access as DatabaseAccess), database: world.name });

const closedByDatabase: Fault = async (world) => {
  const connection = await administrator(world);
  for (let time = 0; time < 3; time++) {
    const ports = new Set(world.proxy('reports').serverPorts);
    const [rows] = await connection.query<mysql.RowDataPacket[]>('SELECT id, host FROM information_schema.processlist');
    for (const { id, host } of rows) if (ports.has(Number(String(host).split(':')[1]))) await connection.query(`KILL ${id}`);
    await sleep(700);
  }
  await connection.end();
};

/** Longer than the target waits for it, and longer than all attempts of one delivery take. */
const lockHeld: Fault = async (world) => {
  const connection = await administrator(world);
  await connection.query('LOCK TABLES orders WRITE');
  await sleep(isFull ? 20_000 : 8_000);
  await connection.query('UNLOCK TABLES');
  await connection.end();
};

faultsAt('reports', ['black hole', 'SIGKILL and restart'], (world) => {
  test.each<readonly [string, Fault]>([
    ['connection lost at COMMIT, before and after it, 6 times', commitUnknown],
    ['table locked by somebody', lockHeld],
    ...(isFull ? [['connections closed by the administrator, 3 times', closedByDatabase] as const] : []),
  ])('%s', (name, fault) => round(world(), 'reports', name, fault), 180_000);
});
