import { afterEach, describe, expect, test } from '@jest/globals';
import { type Batch, isRecord, type PollingInbound, type SourceRecord, writeJson } from '../../../adapters/contract/index.js';
import spec from '../../../adapters/sql/index.js';
import { memoryState } from '../../kit/fakes.js';
import { DRIVERS, type Driver, type Fixture, fixture, never } from './fixture.js';

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});
const start = async (driver: Driver): Promise<Fixture> => {
  open = await fixture(driver);
  return open;
};

type Crash = 'before-durable' | 'before-checkpoint' | 'before-settle' | 'in-settle';

/** A target and the runtime before it: knows which ids came, saves the checkpoint, settles; may crash anywhere. */
class Bus {
  readonly seen = new Set<string>();
  readonly rows = new Map<string, string>();
  readonly all: SourceRecord[] = [];
  checkpoint: string | undefined;

  async poll(inbound: PollingInbound, options: { maxRecords?: number; crash?: Crash; atBatch?: number } = {}): Promise<SourceRecord[]> {
    const fresh: SourceRecord[] = [];
    let at = 0;
    for await (const batch of inbound.poll({ checkpoint: this.checkpoint, maxRecords: options.maxRecords ?? 100, signal: never })) {
      const crash = at++ === (options.atBatch ?? 0) ? options.crash : undefined;
      if (crash === 'before-durable') return fresh;
      for (const record of batch.records) fresh.push(...this.#take(record));
      if (crash === 'before-checkpoint') return fresh;
      this.checkpoint = batch.checkpoint ?? this.checkpoint;
      if (crash === 'before-settle') return fresh;
      await settle(batch);
    }
    return fresh;
  }

  #take(record: SourceRecord): readonly SourceRecord[] {
    if (this.seen.has(record.id)) return [];
    this.seen.add(record.id);
    this.all.push(record);
    const { operation, ...row } = isRecord(record.value) ? record.value : {};
    if (operation === 'delete') this.rows.delete(record.key ?? '');
    else this.rows.set(record.key ?? '', writeJson(row));
    return [record];
  }
}

async function settle(batch: Batch): Promise<void> {
  await batch.settle?.({ accepted: batch.records.length, filtered: 0, dead: 0, reason: undefined }).catch(() => undefined);
}

const shown = (records: readonly SourceRecord[]) => records.map(({ key, value }) => `${isRecord(value) ? String(value['operation']) : ''} ${key}`);

describe.each(DRIVERS)('snapshot of %s', (driver) => {
  const config = { table: 'CUST', key: 'NO', columns: { NO: 'integer', NAME: 'text' }, snapshot: { page: 5 } };
  const create = 'CREATE TABLE CUST (NO INTEGER PRIMARY KEY, NAME VARCHAR(20))';
  const fill = (from: number, to: number) => `INSERT INTO CUST VALUES ${Array.from({ length: to - from + 1 }, (_, i) => `(${from + i}, 'n${from + i}')`).join(',')}`;

  test('D17 a table with only a key: inserts, updates and deletes are seen, each once', async () => {
    const { sql, inbound } = await start(driver);
    await sql(create, fill(1, 23));
    const endpoint = await inbound(config);
    const bus = new Bus();
    expect(shown(await bus.poll(endpoint, { maxRecords: 3 }))).toEqual(Array.from({ length: 23 }, (_, i) => `insert ${i + 1}`));
    expect(await bus.poll(endpoint)).toEqual([]);
    await sql("UPDATE CUST SET NAME = 'x' WHERE NO = 7", 'DELETE FROM CUST WHERE NO IN (3, 12)', "INSERT INTO CUST VALUES (-4, 'm'), (100, 'h')");
    const changes = await bus.poll(endpoint);
    expect(shown(changes).toSorted()).toEqual(['delete 12', 'delete 3', 'insert -4', 'insert 100', 'update 7']);
    expect(changes.find(({ key }) => key === '3')?.value).toEqual({ NO: 3n, operation: 'delete' });
    expect(changes.find(({ key }) => key === '7')?.value).toEqual({ NO: 7n, NAME: 'x', operation: 'update' });
    expect(await bus.poll(endpoint)).toEqual([]);
    await sql("INSERT INTO CUST VALUES (3, 'n3')", "UPDATE CUST SET NAME = 'n7' WHERE NO = 7");
    expect(shown(await bus.poll(endpoint)).toSorted()).toEqual(['insert 3', 'update 7']);
    await sql(fill(200, 240));
    expect(await bus.poll(endpoint)).toHaveLength(41);
    expect(await bus.poll(endpoint)).toEqual([]);
  });

  test('D4, D5 a crash anywhere: the same ids again, nothing twice and nothing missing, whatever changes meanwhile', async () => {
    const { sql, inbound, rows } = await start(driver);
    await sql(create, fill(1, 30));
    const state = memoryState();
    const bus = new Bus();
    const random = chance(driver.length);
    const steps: Crash[] = ['before-durable', 'before-checkpoint', 'before-settle', 'in-settle'];
    for (let round = 0; round < 40; round++) {
      const crash = steps[Math.floor(random() * steps.length)] ?? 'before-settle';
      const broken = crash === 'in-settle' ? { ...state, put: failing(state.put, Math.floor(random() * 4)) } : state;
      const endpoint = await inbound({ ...config, snapshot: { page: 5, guard: 'off' } }, broken);
      await bus.poll(endpoint, { maxRecords: 2, crash, atBatch: Math.floor(random() * 6) }).catch(() => undefined);
      for (let change = 0; change < 4; change++) {
        const no = 1 + Math.floor(random() * 40);
        await sql(random() < 0.4 ? `DELETE FROM CUST WHERE NO = ${no}` : upsert(driver, no, `v${Math.floor(random() * 2)}`));
      }
    }
    await bus.poll(await inbound({ ...config, snapshot: { page: 5, guard: 'off' } }, state));
    const expected = (await rows('SELECT NO, NAME FROM CUST')).map(([no, name]) => [String(no), `{"NO":${String(no)},"NAME":"${String(name)}"}`]);
    expect(Object.fromEntries(bus.rows)).toEqual(Object.fromEntries(expected));
  });

  test('D30 a table emptied or made anew: nothing is handed over until it is allowed, once', async () => {
    const { sql, inbound } = await start(driver);
    await sql(create, fill(1, 100));
    const state = memoryState();
    const bus = new Bus();
    await bus.poll(await inbound({ ...config, snapshot: { guard: '20%' } }, state));
    await sql('DELETE FROM CUST WHERE NO <= 21', 'UPDATE CUST SET NAME = NULL WHERE NO = 50');
    const guarded = bus.poll(await inbound({ ...config, snapshot: { guard: '20%' } }, state));
    await expect(guarded).rejects.toMatchObject({ name: 'Misconfigured', code: 'E435', message: expect.stringContaining('21 of 100 rows are gone') });
    expect(bus.all).toHaveLength(100);
    const allowed = { ...config, snapshot: { guard: { share: '20%', allow: '1.0' } } };
    expect(await bus.poll(await inbound(allowed, state))).toHaveLength(22);
    await sql('DELETE FROM CUST');
    await expect(bus.poll(await inbound(allowed, state))).rejects.toMatchObject({ code: 'E435', message: expect.stringContaining('"1.1"') });
    await sql(fill(22, 40));
    await expect(bus.poll(await inbound(allowed, state))).rejects.toMatchObject({ code: 'E435' });
    await sql(fill(41, 100));
    expect(shown(await bus.poll(await inbound(allowed, state)))).toEqual(['update 50']);
  });

  test('a key of several columns, of text in any case, with child rows: a change of a child alone is seen', async () => {
    const { sql, inbound } = await start(driver);
    await sql(
      'CREATE TABLE ITEM (SITE VARCHAR(10) NOT NULL, NR INTEGER NOT NULL, N INTEGER, PRIMARY KEY (SITE, NR))',
      'CREATE TABLE PART (SITE VARCHAR(10), NR INTEGER, P INTEGER)',
      "INSERT INTO ITEM VALUES ('b', 1, 1), ('A', 2, 1), ('a;', 1, 1), ('Z', 3, 1), ('é', 4, 1), ('b', -2, 1)",
      "INSERT INTO PART VALUES ('b', 1, 5), ('b', 1, 6), ('Z', 3, 7)",
    );
    const endpoint = await inbound({
      table: 'ITEM',
      key: ['SITE', 'NR'],
      columns: { SITE: 'text', NR: 'integer', N: 'integer' },
      include: { parts: { table: 'PART', by: ['SITE', 'NR'], order: 'P', columns: { P: 'integer' } } },
      snapshot: { page: 2 },
    });
    const bus = new Bus();
    expect(await bus.poll(endpoint)).toHaveLength(6);
    expect(await bus.poll(endpoint)).toEqual([]);
    await sql('UPDATE PART SET P = 8 WHERE P = 6', "DELETE FROM ITEM WHERE SITE = 'Z'");
    expect(shown(await bus.poll(endpoint)).toSorted()).toEqual(['delete Z/3', 'update b/1']);
  });

  test('D17 a table without a key: rows are counted by their content', async () => {
    const { sql, inbound } = await start(driver);
    await sql('CREATE TABLE LOG (A VARCHAR(10), B INTEGER)', "INSERT INTO LOG VALUES ('x', 1), ('x', 1), ('x', 1), (NULL, 2), ('007', NULL)");
    const endpoint = await inbound({ table: 'LOG', columns: { A: 'text', B: 'integer' }, snapshot: {} });
    const bus = new Bus();
    expect((await bus.poll(endpoint, { maxRecords: 2 })).map(({ value }) => isRecord(value) && value['operation'])).toEqual(Array.from({ length: 5 }, () => 'insert'));
    expect(await bus.poll(endpoint)).toEqual([]);
    await sql('DELETE FROM LOG WHERE B = 2', "INSERT INTO LOG VALUES ('x', 1), ('y', 3)");
    const values = (await bus.poll(endpoint)).map(({ value }) => writeJson(value)).toSorted();
    expect(values).toEqual(['{"A":"x","B":1,"operation":"insert"}', '{"A":"y","B":3,"operation":"insert"}', '{"A":null,"B":2,"operation":"delete"}']);
    await sql('INSERT INTO LOG VALUES (NULL, 2)');
    expect(await bus.poll(endpoint)).toHaveLength(1);
    await expect(new Bus().poll(await inbound({ table: 'LOG', snapshot: { most: 3 } }))).rejects.toMatchObject({ code: 'E437' });
  });

  test('remember: only what changes after the first run; a reset reads everything anew under new ids', async () => {
    const { sql, inbound } = await start(driver);
    await sql(create, fill(1, 12));
    const state = memoryState();
    const endpoint = await inbound({ ...config, snapshot: { page: 5, initial: 'remember' } }, state);
    const bus = new Bus();
    expect(await bus.poll(endpoint)).toEqual([]);
    expect(bus.checkpoint).toBeDefined();
    await sql('DELETE FROM CUST WHERE NO = 2');
    expect(shown(await bus.poll(endpoint))).toEqual(['delete 2']);
    bus.checkpoint = undefined;
    expect(await bus.poll(await inbound(config, state))).toHaveLength(11);
    expect(await bus.poll(await inbound(config, state))).toEqual([]);
    expect([...state.entries.keys()].every((key) => key === 'snapshot' || key.startsWith('snapshot/2/'))).toBe(true);
    await expect(bus.poll(await inbound(config))).rejects.toMatchObject({ name: 'Misconfigured', code: 'E436' });
    await expect(bus.poll(await inbound({ ...config, key: ['NO', 'NAME'] }, state))).rejects.toMatchObject({ code: 'E436' });
  });
});

test('snapshot: what it cannot see is said', () => {
  const lint = (read: Record<string, unknown>) => spec.read.lint?.(spec.read.config.parse(read), { driver: 'sqlite' }).map(({ message }) => message) ?? [];
  expect(lint({ table: 't', key: 'id', snapshot: {} }).join('\n')).toMatch(/changes back between two polls/);
  expect(lint({ table: 't', snapshot: { guard: 'off' } }).join('\n')).toMatch(/without a key[\s\S]*emptied by mistake/);
});

function upsert(driver: Driver, no: number, name: string): string {
  return driver === 'mariadb'
    ? `INSERT INTO CUST VALUES (${no}, '${name}') ON DUPLICATE KEY UPDATE NAME = '${name}'`
    : `INSERT INTO CUST VALUES (${no}, '${name}') ON CONFLICT (NO) DO UPDATE SET NAME = '${name}'`;
}

/** The n-th call fails. */
function failing<A extends unknown[]>(call: (...given: A) => Promise<void>, nth: number): (...given: A) => Promise<void> {
  let calls = 0;
  return async (...given) => {
    if (calls++ === nth) throw new Error('the store is away');
    await call(...given);
  };
}

function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}
