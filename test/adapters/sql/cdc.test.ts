import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { isRecord, type PollingInbound, type SourceRecord, type Value } from '../../../adapters/contract/index.js';
import spec from '../../../adapters/sql/index.js';
import { textOf } from '../../../adapters/sql/values.js';
import { startProxy } from '../../faults/proxy.js';
import { type DatabaseAccess, type Server, startPostgres } from '../../services/servers.js';
import { type Fixture, fixture, never } from './fixture.js';

let server: Server<DatabaseAccess>;
beforeAll(async () => {
  server = await startPostgres(['wal_level=logical', 'wal_sender_timeout=4s', 'fsync=off']);
}, 60_000);
afterAll(() => server.stop());

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

/** The slots go with the test: a database with one cannot be dropped. */
async function start(...ddl: readonly string[]): Promise<Fixture> {
  const made = await fixture('postgres', {}, '', server.access);
  open = {
    ...made,
    close: async () => {
      await made.rows('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active');
      while ((await made.rows('SELECT 1 FROM pg_replication_slots WHERE active')).length > 0) await sleep(10);
      await made.rows('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
      await made.close();
    },
  };
  await made.sql(...ddl);
  return open;
}

const options = { publication: 'p', slot: 's', create: true, wait: '150ms' };
const config = { table: 'ord', key: 'id', cdc: options };
const ORD = 'CREATE TABLE ord (id int PRIMARY KEY, n int)';

/** A runtime in short: remembers ids and the checkpoint. `stop`: dies after so many batches, at this point of the last one. */
class Bus {
  readonly seen = new Set<string>();
  readonly all: SourceRecord[] = [];
  checkpoint: string | undefined;

  async poll(inbound: PollingInbound, given: { maxRecords?: number; stop?: number; at?: 'yielded' | 'durable' | 'saved' } = {}): Promise<SourceRecord[]> {
    const fresh: SourceRecord[] = [];
    let count = 0;
    for await (const batch of inbound.poll({ checkpoint: this.checkpoint, maxRecords: given.maxRecords ?? 100, signal: never })) {
      const last = ++count === given.stop;
      if (last && given.at === 'yielded') return fresh;
      for (const record of batch.records) {
        if (this.seen.has(record.id)) continue;
        this.seen.add(record.id);
        this.all.push(record);
        fresh.push(record);
      }
      if (last && given.at === 'durable') return fresh;
      this.checkpoint = batch.checkpoint ?? this.checkpoint;
      if (last && given.at === 'saved') return fresh;
      await batch.settle?.({ accepted: batch.records.length, filtered: 0, dead: 0, reason: undefined });
      if (last) return fresh;
    }
    return fresh;
  }
}

const field = (record: SourceRecord | undefined, name: string): Value | undefined => (isRecord(record?.value) ? record.value[name] : undefined);
const shown = (records: readonly SourceRecord[]) => records.map((record) => `${textOf(field(record, 'operation') ?? null)} ${record.key ?? ''}`.trim());
const confirmed = async (fix: Fixture) => String((await fix.rows("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 's'"))[0]?.[0]);
/** The server lets go of a slot a moment after its reader has left. */
const free = async (fix: Fixture): Promise<void> => {
  while ((await fix.rows('SELECT 1 FROM pg_replication_slots WHERE active')).length > 0) await sleep(10);
};

describe('cdc of postgres', () => {
  test('D11, D15, D17 inserts, updates, deletes and truncation with all digits, before and after as far as the server tells', async () => {
    const { sql, inbound } = await start(
      'CREATE TABLE ord (id bigint PRIMARY KEY, amt numeric, code text, at timestamp, z timestamptz, raw bytea, ok boolean, j jsonb, note text)',
    );
    const endpoint = await inbound(config);
    const bus = new Bus();
    expect(await bus.poll(endpoint)).toEqual([]);
    await sql(
      "INSERT INTO ord VALUES (9007199254740993, 0.1000, '00123', '2026-03-01 08:00:00.123456', '2026-03-01 08:00:00+02', '\\x00ff', true, '{\"a\": 1.10}', NULL)",
      "INSERT INTO ord (id, at) VALUES (-1, 'infinity')",
      "UPDATE ord SET amt = 'NaN' WHERE id = -1",
      'UPDATE ord SET id = 5, amt = 1 WHERE id = -1',
      'ALTER TABLE ord REPLICA IDENTITY FULL',
      'UPDATE ord SET amt = 2 WHERE id = 5',
      'DELETE FROM ord WHERE id = 5',
      'ALTER TABLE ord ADD COLUMN extra int DEFAULT 7',
      "UPDATE ord SET code = 'x'",
      'TRUNCATE ord',
    );
    const records = await bus.poll(endpoint);
    expect(shown(records)).toEqual(['insert 9007199254740993', 'insert -1', 'update -1', 'update 5', 'update 5', 'delete 5', 'update 9007199254740993', 'truncate']);
    const [first, second, bad, moved, full, gone, altered, emptied] = records;
    expect(['amt', 'code', 'at', 'z', 'ok', 'note'].map((name) => textOf(field(first, name) ?? null))).toEqual([
      '0.1000',
      '00123',
      '2026-03-01T08:00:00.123456',
      '2026-03-01T06:00:00Z',
      'true',
      'null',
    ]);
    expect(field(first, 'raw')).toEqual(new Uint8Array([0, 255]));
    expect(field(second, 'at')).toBe('infinity');
    expect(bad?.failure?.code).toBe('E330');
    expect(field(moved, 'before')).toEqual({ id: -1n });
    expect(isRecord(field(full, 'before'))).toBe(true);
    expect(textOf(field(gone, 'amt') ?? null)).toBe('2');
    expect(field(altered, 'extra')).toBe(7n);
    expect(emptied?.value).toEqual({ operation: 'truncate' });
    expect(first?.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  test('a large value that did not change is absent, not null', async () => {
    const { sql, inbound } = await start('CREATE TABLE ord (id int PRIMARY KEY, n int, big text)', 'ALTER TABLE ord ALTER COLUMN big SET STORAGE EXTERNAL');
    const endpoint = await inbound(config);
    const bus = new Bus();
    await bus.poll(endpoint);
    await sql("INSERT INTO ord VALUES (1, 1, repeat('x', 9000))", 'UPDATE ord SET n = 2');
    const [inserted, updated] = await bus.poll(endpoint);
    expect(field(inserted, 'big')).toHaveLength(9000);
    expect(updated?.value).toEqual({ id: 1n, n: 2n, operation: 'update' });
  });

  test('D29 killed and restarted anywhere: every change once, in the order of the commits', async () => {
    const fix = await start(ORD);
    const clients = await Promise.all(
      [1, 2, 3].map(async () => {
        const client = new pg.Client({ ...server.access, database: String(fix.connect['database']) });
        await client.connect();
        return client;
      }),
    );
    const bus = new Bus();
    const first = await fix.inbound(config);
    await bus.poll(first);
    await first.close();
    const points = ['yielded', 'durable', 'saved', undefined] as const;
    let id = 0;
    for (let round = 0; round < 12; round++) {
      // Open at the same time, with commit records side by side in the log.
      await Promise.all(clients.map((client) => client.query('BEGIN')));
      for (const client of clients) for (let n = 0; n < 1 + (round % 4); n++) await client.query(`INSERT INTO ord VALUES (${++id}, ${round})`);
      await Promise.all(clients.map((client) => client.query('COMMIT')));
      const endpoint = await fix.inbound(config);
      const at = points[round % points.length];
      await bus.poll(endpoint, { maxRecords: 2, stop: 1 + (round % 3), ...(at ? { at } : {}) });
      await endpoint.close();
    }
    await bus.poll(await fix.inbound(config));
    const committed = await fix.rows('SELECT id FROM ord');
    expect(bus.all.map(({ key }) => key).toSorted()).toEqual(committed.map(([no]) => String(no)).toSorted());
    const lsns = bus.all.map((record) => /^lsn=([^;]+)/.exec(record.id)?.[1] ?? '');
    expect(lsns.map(number)).toEqual(lsns.map(number).toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
    for (const client of clients) await client.end();
  });

  test('D4 nothing is confirmed to the server before its records are durable', async () => {
    const fix = await start(ORD);
    const endpoint = await fix.inbound(config);
    const bus = new Bus();
    await bus.poll(endpoint);
    await sleep(0);
    const before = await confirmed(fix);
    await fix.sql('INSERT INTO ord SELECT g, g FROM generate_series(1, 50) g');
    await bus.poll(endpoint, { maxRecords: 20, stop: 1, at: 'durable' });
    await endpoint.close();
    expect(number(await confirmed(fix)) <= number(before) + 0x1000n).toBe(true);
    const again = await fix.inbound(config);
    expect(await bus.poll(again, { maxRecords: 20 })).toHaveLength(30);
    await fix.sql('INSERT INTO ord VALUES (100, 1)');
    expect(await bus.poll(again)).toHaveLength(1);
    const after = number(/"after":"([^"]+)"/.exec(bus.checkpoint ?? '')?.[1] ?? '0/0');
    for (let tries = 0; tries < 300 && number(await confirmed(fix)) < after; tries++) await sleep(20);
    expect(number(await confirmed(fix)) >= after).toBe(true);
  });

  test('D28 an idle table: the slot moves on with what other tables write; too much lag is said', async () => {
    const fix = await start(ORD, 'CREATE TABLE other (t text)');
    const endpoint = await fix.inbound({ ...config, cdc: { ...options, heartbeat: '1s', max_lag: '1MiB' } });
    const bus = new Bus();
    await bus.poll(endpoint);
    const before = number(await confirmed(fix));
    await fix.sql('INSERT INTO other SELECT repeat(md5(g::text), 30) FROM generate_series(1, 40000) g', 'CHECKPOINT');
    const wanted = before + 30n * 1024n ** 2n;
    for (let tries = 0; tries < 100 && number(await confirmed(fix)) < wanted; tries++) expect(await bus.poll(endpoint)).toEqual([]);
    expect(number(await confirmed(fix)) >= wanted).toBe(true);
    await endpoint.close();
    await free(fix);
    await fix.sql('INSERT INTO other SELECT repeat(md5(g::text), 30) FROM generate_series(1, 4000) g');
    expect(await bus.poll(await fix.inbound({ ...config, cdc: { ...options, max_lag: '1MiB' } }))).toEqual([]);
    expect(fix.warnings.join()).toMatch(/the slot s holds back \d+ MiB/);
  });

  test('D28, D29 a slot that is lost, gone, made anew, or of a restored server stops the endpoint at once, and says what to do', async () => {
    const fix = await start(ORD);
    const bus = new Bus();
    const endpoint = await fix.inbound(config);
    await bus.poll(endpoint);
    await endpoint.close();
    const poll = async (checkpoint = bus.checkpoint) => {
      const other = new Bus();
      other.checkpoint = checkpoint;
      await other.poll(await fix.inbound({ ...config, cdc: { ...options, create: false } }));
    };
    await expect(poll('{"v":1,"by":"cdc","after":"FF/0"}')).rejects.toMatchObject({ code: 'E436', message: expect.stringContaining('was restored') });
    await expect(poll('{"v":1,"by":"cursor"}')).rejects.toMatchObject({ code: 'E426' });
    await free(fix);
    await fix.sql("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'", 'SELECT pg_reload_conf()');
    for (let tries = 0; tries < 20 && (await fix.rows("SELECT 1 FROM pg_replication_slots WHERE wal_status = 'lost'")).length === 0; tries++) {
      await fix.sql('INSERT INTO ord SELECT g, g FROM generate_series(1, 10) g', 'DELETE FROM ord', 'SELECT pg_switch_wal()', 'CHECKPOINT');
    }
    await expect(poll()).rejects.toMatchObject({ name: 'Misconfigured', code: 'E436', message: expect.stringContaining('is lost') });
    await fix.sql('ALTER SYSTEM RESET max_slot_wal_keep_size', 'SELECT pg_reload_conf()', "SELECT pg_drop_replication_slot('s')");
    await expect(poll()).rejects.toMatchObject({ code: 'E436', message: expect.stringContaining('is gone') });
    await fix.rows("SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
    await expect(poll()).rejects.toMatchObject({ code: 'E436', message: expect.stringContaining('made anew or another reader') });
    await fix.rows("SELECT pg_drop_replication_slot('s')");
    await fix.rows("SELECT pg_create_logical_replication_slot('s', 'test_decoding')");
    await expect(new Bus().poll(await fix.inbound(config))).rejects.toMatchObject({ code: 'E438', message: expect.stringContaining('test_decoding') });
  });

  test('what is missing is said with the SQL that makes it', async () => {
    const fix = await start(ORD);
    const without = { ...config, cdc: { ...options, create: false } };
    await expect(fix.inbound(without)).rejects.toMatchObject({ name: 'Misconfigured', code: 'E438', message: expect.stringContaining('CREATE PUBLICATION "p" FOR TABLE "ord";') });
    await fix.sql('CREATE PUBLICATION p FOR TABLE ord');
    await expect(new Bus().poll(await fix.inbound(without))).rejects.toMatchObject({
      code: 'E438',
      message: expect.stringContaining("pg_create_logical_replication_slot('s', 'pgoutput')"),
    });
    const shared = await fixture('postgres');
    try {
      await shared.sql(ORD);
      await expect(shared.inbound(config)).rejects.toMatchObject({ code: 'E438', message: expect.stringContaining('ALTER SYSTEM SET wal_level') });
    } finally {
      await shared.close();
    }
  });

  test('D23 a link that breaks, and one that says nothing: NotConnected, and the next poll goes on', async () => {
    const proxy = await startProxy(server.access.port);
    try {
      const fix = await start(ORD);
      const { SqlAdapter } = await import('../../../adapters/sql/adapter.js');
      const { context } = await import('./fixture.js');
      const { recordingLog, realClock } = await import('../../kit/fakes.js');
      const system = new SqlAdapter(recordingLog(), realClock).system('legacy', spec.connect.parse({ ...fix.connect, port: proxy.port }));
      const endpoint = system.inbound?.(context('legacy.orders', spec.read.config.parse({ ...config, cdc: { ...options, wait: '10s' } }))) as PollingInbound;
      const bus = new Bus();
      await endpoint.open(never);
      await bus.poll(endpoint, { stop: 1 });
      const polling = bus.poll(endpoint);
      while ((await fix.rows('SELECT 1 FROM pg_replication_slots WHERE active')).length === 0) await sleep(10);
      proxy.cut();
      await expect(polling).rejects.toMatchObject({ name: 'NotConnected' });
      await endpoint.close();
      await fix.sql('INSERT INTO ord VALUES (1, 1)');
      await endpoint.open(never);
      expect(await bus.poll(endpoint, { stop: 1 })).toHaveLength(1);
      await endpoint.close();
      await system.close();
    } finally {
      await proxy.close();
    }
  });
});

function number(lsn: string): bigint {
  const [high = '0', low = '0'] = lsn.split('/');
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}
