// Rows of a PostgreSQL table to the bus: commit-safe polling in pages of 1,000, beside `pg` with keyset pages and confirmed publishing.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { startPostgres } from '../test/services/servers.js';
import { ingest } from './ingest.js';

const { values } = parseArgs({ options: { rows: { type: 'string', default: '50000' }, runs: { type: 'string', default: '3' }, bus: { type: 'string', default: 'all' } } });
const rows = Number(values.rows);
const postgres = await startPostgres();
const { host, port, user, password, database } = postgres.access;
const client = new pg.Client({ host, port, user, password, database });
await client.connect();
try {
  await client.query('CREATE TABLE things (id bigint PRIMARY KEY, customer text, country text, amount numeric(12,2), note text, due date, changed timestamptz, flag boolean)');
  await client.query(
    `INSERT INTO things SELECT n, 'C' || n % 5000, 'DE', n * 0.01, repeat('x', 60), date '2026-01-01' + (n % 300)::int, now(), n % 2 = 0 FROM generate_series(1, ${rows}) AS n`,
  );
  await client.query('VACUUM ANALYZE things');
  const { rows: sizes } = await client.query<{ size: string }>('SELECT sum(length(t::text)) AS size FROM things t');
  await ingest({
    title: 'PostgreSQL table of 8 columns, pages of 1,000',
    records: rows,
    bytes: Number(sizes[0]?.size),
    runs: Number(values.runs),
    bus: values.bus,
    prepare(directory) {
      writeFileSync(join(directory, 'secrets', 'database'), password, { mode: 0o600 });
    },
    system: () =>
      `adapter: sql
connect: {driver: postgres, host: ${host}, port: ${port}, user: ${user}, password: "\${secret:database}", database: ${database}, tls: "off"}
read:
  things:
    table: things
    key: id
    max_records: 1000
    columns: {id: integer, customer: text, country: text, amount: decimal, note: text, due: date, changed: timestamp, flag: boolean}
    schedule: {every: 1s}`,
    fields: {
      id: ['required text', 'text(record.id)'],
      customer: ['text', 'record.customer'],
      country: ['text', 'record.country'],
      amount: ['decimal 12.2', 'record.amount'],
      note: ['text', 'record.note'],
      due: ['date', 'record.due'],
      changed: ['timestamp', 'record.changed'],
      flag: ['boolean', 'record.flag'],
    },
    async *read() {
      for (let last = '0'; ; ) {
        const page = await client.query<{ id: string }>('SELECT * FROM things WHERE id > $1 ORDER BY id LIMIT 1000', [last]);
        const end = page.rows.at(-1);
        if (!end) return;
        last = end.id;
        yield page.rows.map((row) => JSON.stringify(row));
      }
    },
  });
} finally {
  await client.end();
  await postgres.stop();
}
