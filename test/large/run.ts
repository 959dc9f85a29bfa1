// `npm run test:large -- --csv 5GiB --xml 1GiB`: files far larger than the memory, read by the real program, which is killed and started again in the middle.
// Every record must come to exactly one end, and the process must stay small. Not part of `npm test`: it takes as long as the disk and the bus take.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import { remoteService } from '../../cli/client.js';
import { stop } from '../e2e/run.js';
import { record } from '../faults/results.js';

const { values } = parseArgs({
  options: {
    csv: { type: 'string', default: '256MiB' },
    xml: { type: 'string', default: '64MiB' },
    kills: { type: 'string', default: '2' },
    rss: { type: 'string', default: '400' },
  },
});
const LIMIT_MIB = Number(values.rss);
// One record in a hundred is delivered, the others are filtered: each has its own line in the history all the same.
const FILLER = 'lorem ipsum dolor sit amet '.repeat(145);

interface Made {
  readonly records: number;
  readonly bad: number;
}

const bytesOf = (text: string): number => Number.parseFloat(text) * ({ KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }[/[KMG]iB$/.exec(text)?.[0] ?? ''] ?? 1);

const FORMATS: Readonly<Record<'csv' | 'xml', { readonly options: string; readonly write: (path: string, bytes: number) => Promise<Made> }>> = {
  csv: {
    options: `csv: {columns: [kind, n, text], delimiter: ";", header: false, records: {row: {when: {column: 1, is: R}}}, trailer_record: {when: {column: 1, is: T}, columns: [kind, count], count: count}}`,
    async write(path, bytes) {
      let bad = 0;
      // A byte order mark, line ends within quotes, rows with a column too many, a trailer with the number of rows.
      const records = await lines(
        path,
        bytes,
        '\uFEFF',
        (n) => {
          const isBad = n % 50_000 === 49_999;
          if (isBad) bad++;
          return `R;${n};"${FILLER.slice(0, 2000)}\r\n${FILLER.slice(2000)}"${isBad ? ';x;y' : ''}\r\n`;
        },
        (count) => `T;${count}\r\n`,
      );
      return { records, bad };
    },
  },
  xml: {
    options: 'xml: {each: Row}',
    async write(path, bytes) {
      const records = await lines(
        path,
        bytes,
        '<?xml version="1.0" encoding="UTF-8"?>\n<Rows>\n',
        (n) => `<Row><kind>R</kind><n>${n}</n><text>${FILLER} &amp; more</text></Row>\n`,
        () => '</Rows>\n',
      );
      return { records, bad: 0 };
    },
  },
};

for (const format of ['csv', 'xml'] as const) {
  const bytes = bytesOf(values[format]);
  if (bytes > 0) await large(format, bytes);
}

async function large(format: 'csv' | 'xml', bytes: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-large-'));
  try {
    mkdirSync(join(directory, 'in'));
    const database = new Database(join(directory, 'out.db'));
    database.exec('CREATE TABLE things (n INTEGER NOT NULL)');
    configure(directory, format);
    say(`${format}: writing ${values[format]}`);
    const file = join(directory, 'in', `.things.${format}`);
    const { records, bad } = await FORMATS[format].write(file, bytes);
    const size = statSync(file).size;
    renameSync(file, join(directory, 'in', `things.${format}`));
    say(`${format}: ${records} records, ${(size / 1024 ** 2).toFixed(0)} MiB`);
    const began = performance.now();
    let peak = 0;
    let ended = { delivered: 0, filtered: 0, dead: 0 };
    const kills = Number(values.kills);
    for (let life = 0; life <= kills; life++) {
      const child = launch(directory);
      const service = remoteService(join(directory, '.signalbox', 'signalbox.sock'));
      const until = life === kills ? records : Math.floor((records * (life + 1)) / (kills + 1));
      for (;;) {
        await sleep(500);
        if (child.exitCode !== null) throw new Error(`the process ended by itself with ${child.exitCode}: ${readFileSync(join(directory, 'run.log'), 'utf8').slice(-2000)}`);
        peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024);
        const messages = await service.status().then(
          (status) => status.messages,
          () => undefined,
        );
        if (!messages) continue;
        ended = messages;
        const done = messages.delivered + messages.filtered + messages.dead;
        if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${records}, peak ${peak.toFixed(0)} MiB `);
        if (done >= until && (life < kills || messages.active === 0)) break;
      }
      await stop(child, life === kills ? 'SIGTERM' : 'SIGKILL');
    }
    const seconds = (performance.now() - began) / 1000;
    check(database, format, { records, bad, size, peak, seconds, kills }, ended);
    database.close();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function check(
  database: Database.Database,
  format: string,
  { records, bad, size, peak, seconds, kills }: Made & { readonly size: number; readonly peak: number; readonly seconds: number; readonly kills: number },
  states: { readonly delivered: number; readonly filtered: number; readonly dead: number },
): void {
  const rows = database.prepare('SELECT n, count(*) AS times FROM things GROUP BY n').all() as readonly { readonly n: number; readonly times: number }[];
  // Numbers that end in 00; the number 0 does not.
  const wanted = Math.floor((records - 1) / 100);
  const ended = states.delivered + states.filtered + states.dead;
  const doubled = rows.filter(({ times }) => times !== 1).length;
  const lost = wanted - rows.length + (records - ended);
  const problems = [
    ...(lost !== 0 ? [`${lost} records are missing`] : []),
    ...(doubled > 0 ? [`${doubled} rows were delivered more than once`] : []),
    ...(states.dead !== bad ? [`${states.dead} dead letters, ${bad} rows are bad`] : []),
    ...(peak > LIMIT_MIB ? [`the process had ${peak.toFixed(0)} MiB, allowed are ${LIMIT_MIB}`] : []),
  ];
  record({
    kind: 'run',
    section: 'large files',
    name: `${format}, ${(size / 1024 ** 3).toFixed(2)} GiB`,
    command: 'npm run test:large',
    times: kills,
    messages: records,
    deliveries: rows.length,
    lost,
    duplicated: doubled,
    unknown: 0,
    seconds,
    detail: `peak ${peak.toFixed(0)} MiB, ${(size / 1024 ** 2 / seconds).toFixed(1)} MiB/s, ${bad} bad rows set aside`,
  });
  say(
    `${format}: ${records} records in ${seconds.toFixed(0)} s (${(records / seconds).toFixed(0)}/s, ${(size / 1024 ** 2 / seconds).toFixed(1)} MiB/s), killed ${kills} times, ${lost} lost, ${doubled} doubled, ${bad} bad rows set aside, peak ${peak.toFixed(0)} MiB`,
  );
  if (problems.length > 0) {
    say(problems.join('\n'));
    process.exitCode = 1;
  }
}

function configure(directory: string, format: 'csv' | 'xml'): void {
  writeFileSync(
    join(directory, 'signalbox.yaml'),
    `version: 1
bus: embedded
systems:
  drop:
    adapter: file
    connect: {root: ${JSON.stringify(directory)}}
    read:
      things: {path: in, pattern: "*.${format}", stable: {polls: 1, for: 0s}, max_records: 1000, schedule: {every: 1s}, poll_timeout: 30m, ${FORMATS[format].options}}
  sink:
    adapter: sql
    connect: {driver: sqlite, file: ${JSON.stringify(join(directory, 'out.db'))}}
    write:
      things: {table: things, mode: insert}
types:
  Thing: {n: required integer}
routes:
  in:
    from: drop.things
    filter: record.n.endsWith("00")
    publish: Thing
    map: {n: {from: record.n, decimal: point}}
  out:
    subscribe: Thing
    deliver: [{name: all, to: sink.things, map: {n: thing.n}}]
`,
  );
}

async function lines(path: string, bytes: number, head: string, line: (n: number) => string, tail: (count: number) => string): Promise<number> {
  const out = createWriteStream(path);
  let size = Buffer.byteLength(head);
  out.write(head);
  let count = 0;
  for (; size < bytes; count++) {
    const text = line(count);
    size += text.length;
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end(tail(count));
  await once(out, 'close');
  return count;
}

/** As it is run at a site: with the launcher and its limits. */
function launch(directory: string): ChildProcess {
  const child = spawn(join(import.meta.dirname, '../../../cli/signalbox.sh'), ['run', '-c', directory], { stdio: ['ignore', 'pipe', 'pipe'] });
  const out = createWriteStream(join(directory, 'run.log'), { flags: 'a' });
  child.stdout.pipe(out);
  child.stderr.pipe(out);
  return child;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
