import { beforeAll, describe, expect, test } from '@jest/globals';
import type { Diagnosis } from '../../../bus/diagnosis.js';
import { diagnosePostgres } from '../../../bus/store/postgres/diagnose.js';
import { PostgresStore } from '../../../bus/store/postgres/postgres-store.js';
import { freePort } from '../../services/servers.js';
import { services } from '../../services/services.js';
import { newPlace, openStore, optionsOf, type Place, sql } from './open-postgres.js';

let place: Place;

beforeAll(async () => {
  place = newPlace(await services.postgres());
}, 120_000);

const words = (found: readonly Diagnosis[]): Record<string, string> => Object.fromEntries(found.map(({ check, result }) => [check, result]));
const texts = (found: readonly Diagnosis[]): Record<string, string> => Object.fromEntries(found.map(({ check, found: text }) => [check, text]));

describe('the doctor at PostgreSQL', () => {
  test('changes nothing before the first start, and finds nothing wrong after it', async () => {
    const store = new PostgresStore(optionsOf(place));
    expect(texts(await store.diagnose())['store.schema']).toBe(`${place.schema} is not there yet; it is made at the first start`);
    expect(await sql(place, 'SELECT 1 FROM pg_namespace WHERE nspname = $1', [place.schema])).toEqual([]);
    const opened = await openStore(JSON.stringify(place));
    const found = (await opened.diagnose?.({ integrity: false, signal: AbortSignal.timeout(10_000) })) ?? [];
    await opened.close();
    expect(found.filter(({ result }) => result !== 'ok')).toEqual([]);
    expect(Object.keys(words(found)).sort()).toEqual(['clock', 'connections', 'durability', 'full-page-writes', 'isolation', 'schema', 'version'].map((name) => `store.${name}`));
    expect(texts(found)['store.durability']).toBe('fsync = on, synchronous_commit = on');
  });

  test('tells clocks that differ, in both directions', async () => {
    const found = async (skew: number): Promise<Diagnosis | undefined> =>
      (await diagnosePostgres(optionsOf(place), () => Date.now() - skew)).find(({ check }) => check === 'store.clock');
    expect(await found(90_000)).toMatchObject({ result: 'warning', found: expect.stringMatching(/^(90\.\d|89\.9) s ahead of ours$/) });
    expect(await found(-90_000)).toMatchObject({ result: 'warning', found: expect.stringMatching(/^(89\.\d|90\.\d) s behind ours$/) });
  });

  test('tells rights that are missing, a role short of connections, and a newer schema', async () => {
    const store = await openStore(JSON.stringify(place));
    await store.close();
    const role = place.schema.replace('store', 'role');
    await sql(place, `CREATE ROLE ${role} LOGIN PASSWORD 'weak' CONNECTION LIMIT 3`);
    await sql(place, `ALTER ROLE ${role} SET default_transaction_isolation = 'serializable'`);
    const weak = optionsOf({ ...place, user: role, password: 'weak' });
    const found = await diagnosePostgres(weak, Date.now);
    expect(words(found)).toMatchObject({ 'store.schema': 'problem', 'store.connections': 'warning', 'store.isolation': 'warning' });
    expect(found.find(({ check }) => check === 'store.schema')?.fix).toContain('GRANT USAGE, CREATE ON SCHEMA');
    const elsewhere = await diagnosePostgres({ ...weak, schema: `${place.schema}_x` }, Date.now);
    expect(texts(elsewhere)['store.schema']).toBe(`there is no schema ${place.schema}_x, and no right to make it`);
    await sql(place, 'INSERT INTO migration (number) VALUES (99)');
    expect(words(await diagnosePostgres(optionsOf(place), Date.now))).toMatchObject({ 'store.schema': 'problem' });
  });

  test('a server that does not answer, and a wrong password', async () => {
    const away = await diagnosePostgres({ ...optionsOf(place), port: await freePort() }, Date.now);
    expect(away).toEqual([expect.objectContaining({ check: 'store.connection', result: 'problem', fix: expect.stringContaining('Check that PostgreSQL runs') })]);
    const refused = await diagnosePostgres(optionsOf({ ...place, password: 'hunter2' }), Date.now);
    expect(refused).toEqual([expect.objectContaining({ check: 'store.connection', result: 'problem' })]);
    expect(JSON.stringify(refused)).not.toContain('hunter2');
  });
});
