import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { describe } from '../../bus/errors.js';
import type { Failpoint } from '../../bus/failpoint.js';
import { remoteService } from '../../cli/client.js';
import type { Service } from '../../console/service.js';
import { run, stop, until } from '../e2e/run.js';
import { freePort } from '../services/servers.js';
import { FaultyPartner } from './partner.js';

/** What is done with each generation of inputs, in this order; every step of the product that makes something durable is on the way of one. */
export const PHASES = ['start', 'table', 'files', 'webhook', 'retry', 'dead', 'redeliver', 'discard', 'park', 'release', 'reload'] as const;
export type Phase = (typeof PHASES)[number];

const BY = { who: 'test' };
const TOKEN = 'a-token-of-the-shop-that-is-long-enough';
/** More than goes into a channel: the claim check is on its way. */
const LARGE = 'x'.repeat(300_000);
const TARGETS = ['archive', 'books', 'daily', 'partner'] as const;
const LIMIT_MS = 40_000;

export interface CrashOptions {
  /** The words of the configuration after `bus:`. */
  readonly bus: string;
  /** Where compiled code is kept, for processes that live shortly. */
  readonly cache: string;
  /** Folders on small volumes of their own (megabytes), which only the process sees; we see them through it. They end with it. */
  readonly volumes?: Readonly<Partial<Record<Volume, number>>>;
}

/** `state` has bus and store, `archive` is a target, `inbox` the drop folder. */
export type Volume = 'state' | 'archive' | 'inbox';

/**
 * A `signalbox run` between a table, a drop folder and a webhook on one side, and files, a table and a REST partner on the other. Each generation of
 * inputs brings some that are good, some that a rule filters and some that are broken; it knows what must become of each.
 */
export class CrashWorld {
  readonly directory = mkdtempSync(join(tmpdir(), 'signalbox-crash-'));
  private readonly hub: { readonly directory: string; readonly environment: NodeJS.ProcessEnv };
  private asked: Service | undefined;
  private readonly rest = new FaultyPartner();
  private readonly wanted: string[] = [];
  /** Numbers whose delivery to the partner may fail, with the status it gives. */
  private readonly refusals = new Map<string, { readonly status: number; readonly always: boolean }>();
  /** Inputs that become messages, and those that a rule or a person takes out. */
  private ended = 0;
  private filtered = 0;
  private child: ChildProcess | undefined;
  private source: Database.Database | undefined;
  private port = 0;
  private partnerPort = 0;
  private generation = 0;
  private configured = 0;
  private files = 0;
  /** Another device than the drop folder's: what was read goes there. */
  private readonly elsewhere = `/dev/shm/${basename(this.directory)}`;
  private posting: Promise<unknown> = Promise.resolve();
  /** Dead now, by the partner's will. */
  private refused: string[] = [];
  /** Accounts whose entries are parked now, three each, and entries the partner is to have, in their order. */
  private accounts: string[] = [];
  private readonly entries: string[] = [];
  /** Records that are dead now. */
  private broken = 0;

  constructor(private readonly options: CrashOptions) {
    const hub = join(this.directory, 'hub');
    this.hub = { directory: hub, environment: { ...process.env, NODE_COMPILE_CACHE: options.cache, SIGNALBOX_FAILPOINT: `watch:${this.trigger}` } };
    this.rest.answerTo = (ref) => {
      const refusal = this.refusals.get(ref);
      if (refusal && !refusal.always) this.refusals.delete(ref);
      return refusal?.status;
    };
  }

  async prepare(): Promise<void> {
    for (const folder of ['hub/secrets', 'hub/.signalbox', 'inbox', 'archive', 'daily']) mkdirSync(join(this.directory, folder), { recursive: true, mode: 0o700 });
    writeFileSync(join(this.hub.directory, 'secrets/shop'), TOKEN, { mode: 0o600 });
    this.source = new Database(join(this.directory, 'legacy.db'));
    this.source.exec('PRAGMA journal_mode = WAL; CREATE TABLE orders (num INTEGER PRIMARY KEY, amount TEXT, status TEXT)');
    const books = new Database(join(this.directory, 'books.db'));
    books.exec('PRAGMA journal_mode = WAL; CREATE TABLE bookings (row INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT, amount NUMERIC)'); // takes the same number twice
    books.close();
    this.port = await freePort();
    this.partnerPort = await this.rest.listen();
    this.configure();
  }

  async start(): Promise<void> {
    const lines = this.log.length;
    const child = this.options.volumes ? runWithVolumes(this.hub, this.volumePaths()) : run(this.hub);
    this.child = child;
    await until(
      () => this.hasEnded || this.log.slice(lines).some((line) => line.includes('"started"')),
      'it starts',
      LIMIT_MS,
      async () => this.log.slice(-5),
      30,
    );
    if (this.hasEnded && child.signalCode === null) throw new Error(this.log.slice(-5).join('\n'));
    this.asked = remoteService(this.seen(join(this.hub.directory, '.signalbox/signalbox.sock')));
  }

  get service(): Service {
    if (!this.asked) throw new Error('it was not started');
    return this.asked;
  }

  get log(): readonly string[] {
    const file = join(this.hub.directory, 'run.log');
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  }

  get isRunning(): boolean {
    return !this.hasEnded;
  }

  get partner(): FaultyPartner {
    return this.rest;
  }

  /** What senders were told since the start, by status. */
  readonly answers = new Map<number, number>();

  /** Writes until nothing more fits. @returns bytes */
  fill(volume: Volume): number {
    const file = openSync(join(this.volumePath(volume), 'filler'), 'a');
    const block = randomBytes(4096);
    let bytes = 0;
    try {
      for (;;) bytes += writeSync(file, block);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      return bytes;
    } finally {
      closeSync(file);
    }
  }

  free(volume: Volume): void {
    rmSync(join(this.volumePath(volume), 'filler'), { force: true });
  }

  hasFile(volume: Volume, name: string): boolean {
    return existsSync(join(this.volumePath(volume), name));
  }

  /** How often each moment was reached since the last call. */
  reachedMoments(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    if (!existsSync(`${this.trigger}.log`)) return counts;
    for (const name of readFileSync(`${this.trigger}.log`, 'utf8').split('\n').filter(Boolean)) counts.set(name, (counts.get(name) ?? 0) + 1);
    rmSync(`${this.trigger}.log`);
    return counts;
  }

  /** From now on the process dies at its `hit`-th coming to this moment. */
  arm(point: Failpoint, hit: number): void {
    writeFileSync(`${this.trigger}.new`, `${point}:${hit}`);
    renameSync(`${this.trigger}.new`, this.trigger);
  }

  disarm(): void {
    rmSync(this.trigger, { force: true });
  }

  /** Does these steps until the process is killed. @returns false when all are done and it lives */
  async dies(steps: readonly (() => Promise<void>)[]): Promise<boolean> {
    const { child } = this;
    if (!child) throw new Error('it does not run');
    let isOver = false;
    const work = (async () => {
      for (const step of steps) if (!isOver) await step();
    })();
    const exit = this.hasEnded ? Promise.resolve() : once(child, 'exit').then(() => undefined);
    // What the process does not answer any more fails; it is asked for again later.
    await Promise.race([exit, work.catch(() => exit), sleep(LIMIT_MS, undefined, { ref: false })]);
    // What is done after an effect is seen may come a moment later.
    if (!this.hasEnded) await Promise.race([exit, sleep(1_500, undefined, { ref: false })]);
    isOver = true;
    if (child.exitCode !== null) throw new Error(`it ended by itself with ${child.exitCode}: ${this.log.slice(-3).join('\n')}`);
    return child.signalCode === 'SIGKILL';
  }

  /** Ends it in peace. */
  async stop(): Promise<void> {
    if (this.child) await stop(this.child, 'SIGTERM');
  }

  /** Nothing is asked of it until it dies. */
  async idle(): Promise<void> {
    await sleep(20_000);
  }

  /** Everything that was sent has its answer. */
  async taken(): Promise<void> {
    await this.posting;
  }

  /** New inputs; what was not accepted when the process died is sent again until it is. */
  async put(phase: Phase | 'flow'): Promise<void> {
    this.generation += 1;
    const no = this.generation * 10;
    if (['flow', 'start', 'table', 'discard', 'reload'].includes(phase)) this.putRows(no);
    if (['flow', 'files', 'discard'].includes(phase)) this.putFiles(no);
    const posts = ['flow', 'webhook', 'reload'].includes(phase) ? [`R${no}`] : [];
    if (phase === 'retry') {
      posts.push(`Y${no}`);
      this.refusals.set(`Y${no}`, { status: 503, always: false });
    }
    if (phase === 'dead' || phase === 'redeliver') {
      posts.push(`D${no}`);
      this.refusals.set(`D${no}`, { status: 400, always: true });
      this.refused.push(`D${no}`);
    }
    this.wanted.push(...posts);
    this.ended += posts.length;
    this.posting = Promise.all(phase === 'park' || phase === 'release' ? [this.postEntries(no)] : posts.map((number) => this.post(number)));
    await this.posting;
  }

  /** Everything that was put is durable on the bus, or has ended. */
  async accepted(): Promise<void> {
    await this.posting;
    const count = async (): Promise<number> => {
      const { active, delivered, filtered, dead, parked } = (await this.service.status()).messages;
      return active + delivered + filtered + dead + parked;
    };
    await until(
      async () => (await count()) === this.inputs,
      'every input is accepted',
      LIMIT_MS,
      async () => [this.inputs, await count()],
    );
  }

  /** Everything that was put has ended, nothing is under way. */
  async settled(): Promise<void> {
    await this.posting;
    await until(
      () => this.isSettled(),
      'everything has ended',
      LIMIT_MS,
      async () => [this.expected, (await this.service.status()).messages, this.problems().slice(0, 10)],
      30,
    );
  }

  /** What an operator does after the inputs of this phase; again when the process died meanwhile. */
  async operate(phase: Phase): Promise<void> {
    if (phase === 'redeliver') {
      for (const number of this.refused.splice(0)) this.refusals.delete(number);
      const ids = await this.letters('partner.bookings');
      const failed = ids.length > 0 ? (await this.service.redeliver(ids, BY)).failed : [];
      // What was on the bus already when the process died is delivered meanwhile, and closes its letter.
      const refused = failed.find(({ reason }) => reason !== 'it is redelivered already');
      if (refused) throw new Error(refused.reason);
    }
    if (phase === 'discard') {
      this.filtered += this.broken;
      this.broken = 0;
      const ids = [...(await this.letters('legacy.orders')), ...(await this.letters('drop.orders'))];
      if (ids.length > 0) await this.service.discard(ids, BY);
    }
    if (phase === 'release') {
      for (const account of this.accounts) this.refusals.delete(`E${account}1`);
      const parked = await this.service.parkedLanes({ endpoint: 'partner.entries', limit: 100 });
      for (const { lane } of parked) {
        await this.service.releaseParked('partner.entries', lane, BY).catch((error: unknown) => {
          // Released before the process died, it was delivered between the look and the word.
          if (!describe(error).includes('is parked for')) throw error;
        });
      }
      this.accounts = [];
    }
    if (phase === 'reload') {
      this.configure();
      const { applied, report } = await this.service.reload(BY);
      if (!applied) throw new Error(report);
    }
  }

  /** Effects that are not there, or there more than once, and leftovers. */
  problems(): readonly string[] {
    const doubled = TARGETS.flatMap((target) => [...this.effects(target)].filter(([, count]) => count > 1).map(([number, count]) => `${number} has ${count} effects at ${target}`));
    const strangers = TARGETS.flatMap((target) =>
      [...this.effects(target).keys()]
        .filter((number) => !this.wanted.includes(number) && !(target === 'partner' && this.entries.includes(number)))
        .map((number) => `${target} has ${number}, which nobody wanted`),
    );
    const archived = readdirSync(this.volumePath('archive'));
    const parts = [...archived, ...readdirSync(join(this.directory, 'daily'))].filter((name) => name.endsWith('.part'));
    const unmarked = archived.filter((name) => /^[^.].*\.json$/.test(name) && !archived.includes(`${name}.done`));
    const short = archived.filter((name) => /^R.*\.json$/.test(name) && statSync(join(this.volumePath('archive'), name)).size < LARGE.length);
    const inbox = readdirSync(this.volumePath('inbox'), { recursive: true, encoding: 'utf8' });
    const left = inbox.filter((name) => /\.csv(\.done)?$/.test(name) && !/^failed\//.test(name));
    const unexplained = inbox.filter((name) => name.startsWith('failed/') && name.endsWith('.csv') && !inbox.includes(`${name}.reason.json`));
    return [
      ...this.lacking(),
      ...this.disorder(),
      ...doubled,
      ...strangers,
      ...parts.map((name) => `${name} lies in the archive`),
      ...unmarked.map((name) => `${name} has no marker`),
      ...short.map((name) => `${name} is not complete`),
      ...left.map((name) => `${name} lies in the inbox`),
      ...unexplained.map((name) => `${name} has no reason beside it`),
    ];
  }

  get inputs(): number {
    return this.ended + this.filtered + this.broken;
  }

  get deliveries(): number {
    return this.wanted.length * TARGETS.length + this.entries.length;
  }

  async close(): Promise<void> {
    if (this.child) await stop(this.child, 'SIGKILL');
    await this.posting.catch(() => undefined);
    await this.rest.close();
    this.source?.close();
    rmSync(this.directory, { recursive: true, force: true });
    rmSync(this.elsewhere, { recursive: true, force: true });
  }

  private get expected(): { readonly delivered: number; readonly filtered: number; readonly dead: number } {
    return { delivered: this.ended - this.refused.length - 3 * this.accounts.length, filtered: this.filtered, dead: this.broken + this.refused.length };
  }

  /** A path as the process sees it. */
  private seen(path: string): string {
    return this.options.volumes ? `/proc/${this.child?.pid}/root${path}` : path;
  }

  private volumePath(volume: Volume): string {
    return this.seen(volume === 'state' ? join(this.hub.directory, '.signalbox') : join(this.directory, volume));
  }

  private volumePaths(): ReadonlyMap<string, number> {
    const { volumes = {} } = this.options;
    return new Map(Object.entries(volumes).map(([volume, megabytes]) => [volume === 'state' ? join(this.hub.directory, '.signalbox') : join(this.directory, volume), megabytes]));
  }

  private get trigger(): string {
    return join(this.directory, 'failpoint');
  }

  private get hasEnded(): boolean {
    return this.child?.exitCode !== null || this.child.signalCode !== null;
  }

  private putRows(no: number): void {
    const rows = this.source?.prepare('INSERT INTO orders (num, amount, status) VALUES (?, ?, ?)');
    const good = [no + 1, no + 2, no + 5];
    this.source?.transaction(() => {
      for (const number of good) rows?.run(number, '7.50', 'OPEN');
      rows?.run(no + 3, '7.50', 'DRAFT');
      rows?.run(no + 4, 'twelve', 'OPEN');
    })();
    this.wanted.push(...good.map(String));
    this.ended += good.length;
    this.filtered += 1;
    this.broken += 1;
  }

  /** One account, three entries, the first of which the partner does not take. */
  private async postEntries(no: number): Promise<void> {
    const account = String(no);
    const numbers = [1, 2, 3].map((each) => `E${account}${each}`);
    this.refusals.set(`E${account}1`, { status: 400, always: true });
    this.accounts.push(account);
    this.entries.push(...numbers);
    this.ended += numbers.length;
    for (const number of numbers) await this.post(number, 'entries', { number, account });
  }

  /** Entries that are not there though their account is not parked, and those that came before an earlier one. */
  private disorder(): readonly string[] {
    const arrived = [...this.rest.effects.keys()].filter((number) => this.entries.includes(number));
    const accountOf = (number: string): string => number.slice(1, -1);
    const missing = this.entries.filter((number) => !arrived.includes(number) && !this.accounts.includes(accountOf(number)));
    const early = arrived.filter((number, at) => arrived.slice(at + 1).some((later) => accountOf(later) === accountOf(number) && later < number));
    return [...missing.map((number) => `${number} has no effect at partner`), ...early.map((number) => `${number} came before an earlier one`)];
  }

  private putFiles(no: number): void {
    this.drop(`${++this.files}-a.csv`, [`F${no}1,8.50`]);
    this.drop(`${++this.files}-b.csv`, [`F${no}2,8.50`, `F${no}3,eleven`]);
    this.wanted.push(`F${no}1`, `F${no}2`);
    this.ended += 2;
    this.broken += 1;
  }

  private async isSettled(): Promise<boolean> {
    const { messages, deadLetters, systems } = await this.service.status();
    const { delivered, filtered, dead } = this.expected;
    const isEmpty = systems.flatMap(({ endpoints }) => endpoints).every(({ waiting }) => (waiting ?? 0) === 0);
    const isRight =
      messages.active === 0 && messages.parked === 3 * this.accounts.length && messages.delivered === delivered && messages.filtered === filtered && messages.dead === dead;
    return isRight && isEmpty && deadLetters === dead && this.problems().length === 0;
  }

  private lacking(): readonly string[] {
    return TARGETS.flatMap((target) => {
      const effects = this.effects(target);
      return this.wanted
        .filter((number) => !effects.has(number) && !(target === 'partner' && this.refused.includes(number)))
        .map((number) => `${number} has no effect at ${target}`);
    });
  }

  private effects(target: (typeof TARGETS)[number]): ReadonlyMap<string, number> {
    if (target === 'partner') return this.rest.effects;
    const counts = new Map<string, number>();
    for (const number of target === 'books' ? this.booked() : target === 'daily' ? this.collected() : this.filed()) counts.set(number, (counts.get(number) ?? 0) + 1);
    return counts;
  }

  private booked(): readonly string[] {
    const books = new Database(join(this.directory, 'books.db'), { readonly: true });
    try {
      return books.prepare<[], string>('SELECT number FROM bookings').pluck().all();
    } finally {
      books.close();
    }
  }

  /** Rows of the files that hold many messages. */
  private collected(): readonly string[] {
    const folder = join(this.directory, 'daily');
    const files = readdirSync(folder).filter((name) => name.endsWith('.csv') && !name.startsWith('.'));
    return files.flatMap((name) => readFileSync(join(folder, name), 'utf8').trim().split('\n').slice(1));
  }

  private filed(): readonly string[] {
    return readdirSync(this.volumePath('archive'))
      .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
      .map((name) => name.slice(0, name.indexOf('_')));
  }

  private async letters(endpoint: string): Promise<readonly string[]> {
    const groups = (await this.service.deadLetterGroups()).filter((group) => group.endpoint === endpoint);
    return (await Promise.all(groups.map(({ group }) => this.service.deadLetters(group, 1_000)))).flat().map(({ id }) => id);
  }

  /** As a sender does: until it has an answer that says it was taken. */
  private async post(number: string, hook = 'orders', body: object = { number, amount: '9.50', text: LARGE }): Promise<void> {
    for (const until = Date.now() + LIMIT_MS; Date.now() < until; await sleep(50)) {
      const status = await fetch(`http://127.0.0.1:${this.port}/hooks/${hook}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}`, 'idempotency-key': number },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(5_000),
      }).then(
        (response) => response.arrayBuffer().then(() => response.status),
        () => 0, // it is not there now
      );
      this.answers.set(status, (this.answers.get(status) ?? 0) + 1);
      if (status >= 200 && status < 300) return;
    }
    throw new Error(`${number} was not taken`);
  }

  /** As a careful sender does: seen only when it is complete. */
  private drop(name: string, rows: readonly string[]): void {
    const inbox = this.volumePath('inbox');
    writeFileSync(join(inbox, `.${name}`), `number,amount\n${rows.join('\n')}\n`);
    renameSync(join(inbox, `.${name}`), join(inbox, name));
    writeFileSync(join(inbox, `${name}.done`), '');
  }

  /** Each time a little different from the last, so that a reload restarts sources and targets. */
  private configure(): void {
    const changing = 100 + (this.configured++ % 2);
    writeFileSync(
      join(this.hub.directory, 'signalbox.yaml'),
      `version: 1
bus: ${this.options.bus}
listen: "127.0.0.1:${this.port}"
drain: 5s
defaults:
  retry: {attempts: 5, wait: 1s..2s, factor: 1, jitter: 0%}
types:
  Order: {number: required text, amount: required decimal 12.2, text: required text}
  Entry: {number: required text, account: required text}
systems:
  legacy:
    adapter: sql
    connect: {driver: sqlite, file: ${this.directory}/legacy.db}
    read:
      orders: {table: orders, key: num, columns: {num: integer, amount: text, status: text}, max_records: 3, schedule: {every: ${changing}ms}}
  drop:
    adapter: file
    connect: {root: /}
    read:
      orders:
        path: ${this.directory}/inbox
        pattern: "*.csv"
        marker: {name: "{name}.done"}
        sequence: {pattern: '(\\d+)-[ab]\\.csv', start: 1}
        archive: ${this.elsewhere}
        max_records: 1
        csv: {columns: [number, amount]}
        stable: {polls: 1, for: 0s}
        schedule: {every: 100ms}
  shop:
    adapter: rest
    read:
      orders: {path: /hooks/orders, auth: {bearer: "\${secret:shop}"}}
      entries: {path: /hooks/entries, auth: {bearer: "\${secret:shop}"}}
  archive:
    adapter: file
    connect: {root: ${this.directory}/archive}
    write:
      orders: {path: "{key}_{id}.json", json: {}, marker: "{name}.done"}
  daily:
    adapter: file
    connect: {root: ${this.directory}/daily}
    write:
      orders: {path: "{batch.number}.csv", collect: {for: 200ms, messages: 4}, csv: {columns: [number]}}
  books:
    adapter: sql
    connect: {driver: sqlite, file: ${this.directory}/books.db, lock_timeout: ${changing + 3_000}ms}
    write:
      bookings: {table: bookings, mode: insert, columns: {number: text, amount: decimal}}
  partner:
    adapter: rest
    connect: {base: "http://127.0.0.1:${this.partnerPort}", timeout: 5s}
    write:
      bookings: {method: POST, path: /bookings}
      entries: {method: POST, path: /bookings}
routes:
  from-table:
    from: legacy.orders
    filter: record.status != "DRAFT"
    publish: Order
    key: order.number
    map: {number: text(record.num), amount: {from: record.amount, decimal: point}, text: '"-"'}
  from-file:
    from: drop.orders
    publish: Order
    key: order.number
    map: {number: record.number, amount: {from: record.amount, decimal: point}, text: '"-"'}
  from-shop:
    from: shop.orders
    publish: Order
    key: order.number
    map: {number: record.number, amount: {from: record.amount, decimal: point}, text: record.text}
  from-entries:
    from: shop.entries
    publish: Entry
    key: entry.account
    map: {number: record.number, account: record.account}
  ordered:
    subscribe: Entry
    order_by: {key: entry.account, on_failure: park}
    deliver:
      - {name: entries, to: partner.entries, map: {ref: entry.number}}
  out:
    subscribe: Order
    deliver:
      - {name: file, to: archive.orders, map: {number: order.number, amount: order.amount, text: order.text}}
      - {name: day, to: daily.orders, map: {number: order.number}}
      - {name: book, to: books.bookings, map: {number: order.number, amount: order.amount}}
      - {name: partner, to: partner.bookings, map: {ref: order.number, amount: order.amount}}
`,
    );
  }
}

/** `signalbox run` in a mount namespace of its own: a user needs no rights for that, and nothing is left when it ends. */
function runWithVolumes({ directory, environment }: { readonly directory: string; readonly environment: NodeJS.ProcessEnv }, volumes: ReadonlyMap<string, number>): ChildProcess {
  const mounts = [...volumes].map(([path, megabytes]) => `mount -t tmpfs -o size=${megabytes}m,mode=0700 tmpfs '${path}'`);
  const cli = join(import.meta.dirname, '../../cli/main.js');
  const script = [...mounts, `exec '${process.execPath}' --enable-source-maps '${cli}' run -c '${directory}'`].join(' && ');
  const child = spawn('unshare', ['-Urm', 'sh', '-c', script], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
  const out = createWriteStream(join(directory, 'run.log'), { flags: 'a' });
  child.stdout.pipe(out);
  child.stderr.pipe(out);
  return child;
}

/** Why small volumes cannot be had on this machine; undefined when they can. */
export function withoutVolumes(): string | undefined {
  const { status, stderr, error } = spawnSync('unshare', ['-Urm', 'sh', '-c', 'mount -t tmpfs -o size=1m tmpfs /mnt'], { encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}
