import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { DatabaseAccess } from '../services/servers.js';
import type { Fault } from './faults.js';

/** `pg_terminate_backend`, as an administrator does before maintenance. */
export const closedByDatabase: Fault = async (world, place) => {
  const administrator = new pg.Client(world.victim?.access as DatabaseAccess);
  await administrator.connect();
  for (let time = 0; time < 3; time++) {
    // Ours adds and counts rows, it is not part of the fault.
    await administrator.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND client_port = ANY ($1::int[])`, [
      world.proxy(place).serverPorts,
    ]);
    await sleep(700);
  }
  await administrator.end();
};
