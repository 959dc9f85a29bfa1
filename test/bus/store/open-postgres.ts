// How the conformance suite, and its child process, opens a PostgreSQL store. A place is the access of the server and a schema, as JSON.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Secret } from '../../../adapters/contract/secret.js';
import type { Store } from '../../../bus/store/contract.js';
import type { PostgresOptions } from '../../../bus/store/postgres/options.js';
import { PostgresStore } from '../../../bus/store/postgres/postgres-store.js';
import type { DatabaseAccess } from '../../services/servers.js';

export type Place = DatabaseAccess & { readonly schema: string };

export async function openStore(place: string): Promise<Store> {
  const store = new PostgresStore(optionsOf(JSON.parse(place) as Place));
  await whenUp(() => store.open(AbortSignal.timeout(20_000)));
  return store;
}

/** A server that was started just now opens its port before it takes logins. */
async function whenUp<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!/starting up|recovery/.test(String(error))) throw error;
      await sleep(50);
    }
  }
}

export function optionsOf({ host, port, database, user, password, schema }: Place): PostgresOptions {
  return { hosts: [host], port, database, user, password: new Secret('password', password), schema, tls: 'off' };
}

let made = 0;

export function newPlace(access: DatabaseAccess): Place {
  made += 1;
  return { ...access, schema: `store_${process.pid}_${Date.now().toString(36)}_${made}` };
}

/** A connection of the test's own, which finds the tables of the place. */
export async function sql(place: Place, text: string, values: readonly unknown[] = []): Promise<readonly Record<string, unknown>[]> {
  const { schema, ...access } = place;
  const client = await whenUp(async () => {
    const connecting = new pg.Client({ ...access, options: `-c search_path=${schema}` });
    await connecting.connect();
    return connecting;
  });
  try {
    return (await client.query<Record<string, unknown>>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}
