import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import type { Status } from '../../console/service.js';
import { newPlace, sql } from '../bus/store/open-postgres.js';
import { services } from '../services/services.js';
import { ask, command, type Hub, run, stop, until } from './run.js';

const children: ReturnType<typeof run>[] = [];
afterEach(async () => {
  await Promise.all(children.map((child) => stop(child, 'SIGKILL')));
});

test('two nodes share one store in PostgreSQL, and one revision', async () => {
  const place = newPlace(await services.postgres());
  await sql(place, 'SELECT 1');
  const root = mkdtempSync(join(tmpdir(), 'signalbox-nodes-'));
  const hubs = ['one', 'two'].map((name): Hub => {
    const directory = join(root, name);
    mkdirSync(directory);
    const store = `{directory: state, postgres: {host: "${place.host}", port: ${place.port}, database: ${place.database}, user: ${place.user}, password: "\${secret:store}", schema: ${place.schema}, tls: "off"}}`;
    writeFileSync(join(directory, 'signalbox.yaml'), `version: 1\nstore: ${store}\ntypes:\n  Order: {id: required text}\n`);
    mkdirSync(join(directory, 'secrets'));
    writeFileSync(join(directory, 'secrets/store'), place.password, { mode: 0o600 });
    return { directory, environment: { ...process.env, SIGNALBOX_NODE: name } };
  });
  children.push(...hubs.map(run));
  for (const hub of hubs) await until(() => command(hub, 'status').code === 0, 'it runs', 30_000);
  const [one, two] = hubs.map((hub) => ask<Status>(hub, 'status'));
  expect([one?.store.kind, two?.store.kind]).toEqual(['postgres', 'postgres']);
  expect([one?.node, two?.node]).toEqual(['one', 'two']);
  expect(one?.revision.number).toBe(1);
  expect(await sql(place, 'SELECT number FROM revision')).toEqual([{ number: 1 }]);
  await Promise.all(children.splice(0).map((child) => stop(child, 'SIGTERM')));
  await sql(place, `DROP SCHEMA "${place.schema}" CASCADE`);
  rmSync(root, { recursive: true, force: true });
}, 90_000);
