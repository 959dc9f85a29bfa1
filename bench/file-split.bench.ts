// One CSV file to the bus, a message for each row, beside `csv-parse` with confirmed publishing.
import { copyFileSync, createReadStream, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'csv-parse';
import { ingest } from './ingest.js';

const { values } = parseArgs({ options: { rows: { type: 'string', default: '50000' }, runs: { type: 'string', default: '3' }, bus: { type: 'string', default: 'all' } } });
const rows = Number(values.rows);
const directory = mkdtempSync(join(tmpdir(), 'signalbox-bench-'));
const file = join(directory, 'things.csv');
const NAMES = ['id', 'customer', 'country', 'amount', 'note', 'due', 'a', 'b', 'c', 'd'];
try {
  const lines = Array.from({ length: rows }, (_, n) => `${n},C${n % 5000},DE,${n}.50,"a note, with a comma ${'x'.repeat(30)}",2026-03-01,a${n},b,c,d`);
  writeFileSync(file, `${NAMES.join(',')}\n${lines.join('\n')}\n`);
  await ingest({
    title: 'CSV file of 10 columns',
    records: rows,
    bytes: statSync(file).size,
    runs: Number(values.runs),
    bus: values.bus,
    prepare(home) {
      mkdirSync(join(home, 'in'));
      copyFileSync(file, join(home, 'in', 'things.csv'));
    },
    system: (home) =>
      `adapter: file
connect: {root: ${JSON.stringify(home)}}
read:
  things:
    path: in
    pattern: "*.csv"
    stable: {polls: 1, for: 0s}
    max_records: 1000
    csv: {columns: [${NAMES.join(', ')}]}
    schedule: {every: 1s}`,
    fields: Object.fromEntries(NAMES.map((name) => [name, [name === 'id' ? 'required text' : 'text', `record.${name}`] as const])),
    async *read() {
      let page: string[] = [];
      for await (const row of createReadStream(file).pipe(parse({ columns: true }))) {
        page.push(JSON.stringify(row));
        if (page.length === 1000) {
          yield page;
          page = [];
        }
      }
      if (page.length > 0) yield page;
    },
  });
} finally {
  rmSync(directory, { recursive: true, force: true });
}
