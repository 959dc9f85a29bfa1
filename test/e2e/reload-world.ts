import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { StoredEvent } from '../../bus/store/contract.js';
import { remoteService } from '../../cli/client.js';
import type { ReloadResult, Service } from '../../console/service.js';
import { type FaultProxy, startProxy } from '../faults/proxy.js';
import { freePort } from '../services/servers.js';
import { services } from '../services/services.js';
import { run, stop, until } from './run.js';

/** What a test changes of the configuration; what is in it can be seen in the effects of what was handled under it. */
export interface Version {
  /** Written by the inbound routes. */
  readonly taken: string;
  /** Written by the outbound route. */
  readonly mark: string;
  /** What the code list says. */
  readonly zone: string;
  /** Messages of which origin go to the notes too. */
  readonly noted: 'all' | 'web' | 'none';
  readonly hasNotes: boolean;
  readonly attempts: number;
  readonly parallel: number;
  readonly timeout: string;
  readonly everyMs: number;
  readonly largest: string;
}

export const FIRST: Version = { taken: 't1', mark: 'm1', zone: 'z1', noted: 'all', hasNotes: true, attempts: 4, parallel: 4, timeout: '20s', everyMs: 200, largest: '1MiB' };

const TARGETS = ['files.orders', 'partner.bookings', 'reports.orders', 'notes.orders'] as const;
export type TargetName = (typeof TARGETS)[number];

interface Effect {
  readonly message: string;
  readonly taken: string;
  readonly mark: string;
  readonly zone: string;
}

interface Node {
  readonly name: string;
  readonly directory: string;
  readonly port: number;
  readonly environment: NodeJS.ProcessEnv;
  readonly service: Service;
  child: ChildProcess | undefined;
}

const TOKEN = 'a-token-of-the-shop-that-is-long-enough';
const BY = { who: 'test' };

/**
 * One or two `signalbox run` between six systems, under steady load: rows of a PostgreSQL table, requests to a webhook and files in a folder become files,
 * requests to a REST partner, rows of a table without a unique key, and notes.
 */
export class ReloadWorld {
  readonly directory = mkdtempSync(join(tmpdir(), 'signalbox-reloads-'));
  readonly nodes: Node[] = [];
  readonly proxies = new Map<'shop' | 'reports', FaultProxy>();
  readonly partner = new Partner();
  /** Every answer of the webhook, by status; 0 is none. */
  readonly answers = new Map<number, number>();
  version: Version = FIRST;
  /** By number of the revision. */
  readonly versions = new Map<number, Version>();
  private readonly name = `r${process.pid}_${Date.now().toString(36)}`;
  private readonly sent: string[] = [];
  private readonly closing: (() => Promise<unknown>)[] = [];
  private readonly over = new AbortController();
  private pool: pg.Pool | undefined;
  private senders: readonly Promise<void>[] = [];
  private settings = '';
  private database = '';

  /** @param options.store in PostgreSQL, as two nodes need it */
  static async start(options: { readonly bus: 'embedded' | 'rabbitmq'; readonly store: 'sqlite' | 'postgres'; readonly nodes: 1 | 2 }): Promise<ReloadWorld> {
    const world = new ReloadWorld();
    try {
      await world.build(options);
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  node(at: 0 | 1): Node {
    const node = this.nodes[at];
    if (!node) throw new Error(`no node ${at}`);
    return node;
  }

  /** Lets inputs come without a pause until `quiet`. */
  load(): void {
    const again = async (everyMs: number, send: (at: number) => Promise<void>): Promise<void> => {
      for (let at = 1; !this.over.signal.aborted; at++) {
        await send(at);
        await sleep(everyMs, undefined, { signal: this.over.signal }).catch(() => undefined); // it is over
      }
    };
    this.senders = [
      again(100, async (at) => {
        await this.pool?.query(`INSERT INTO ord VALUES ($1)`, [at]);
        this.sent.push(`shop${at}`);
      }),
      again(300, async (at) => {
        const rows = [1, 2, 3].map((line) => `${at}-${line}`);
        const inbox = join(this.directory, 'inbox');
        writeFileSync(join(inbox, `.${at}.csv`), `number\n${rows.join('\n')}\n`);
        renameSync(join(inbox, `.${at}.csv`), join(inbox, `${at}.csv`));
        this.sent.push(...rows.map((row) => `drop${row}`));
      }),
      again(60, (at) => this.post(at)),
    ];
  }

  /** Ends the load. Everything that was sent has been taken, or waits in its source. */
  async quiet(): Promise<void> {
    this.over.abort(new Error('quiet'));
    await Promise.all(this.senders);
  }

  /** Lets a changed configuration lie on the disk of a node. */
  write(change: Partial<Version>, at: 0 | 1 = 0): void {
    this.version = { ...this.version, ...change };
    this.writeText(this.text(), at);
  }

  writeText(text: string, at: 0 | 1 = 0): void {
    const path = join(this.node(at).directory, 'signalbox.yaml');
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }

  async reload(at: 0 | 1 = 0): Promise<ReloadResult> {
    const result = await this.node(at).service.reload(BY);
    if (result.applied) this.versions.set(result.revision, this.version);
    return result;
  }

  change(change: Partial<Version>): Promise<ReloadResult> {
    this.write(change);
    return this.reload();
  }

  /** Deliveries made, or records read, by each endpoint since it was started. */
  async counts(at: 0 | 1 = 0): Promise<ReadonlyMap<string, number>> {
    const systems = await this.node(at).service.systems();
    return new Map(systems.flatMap(({ endpoints }) => endpoints.map(({ name, count }) => [name, count] as const)));
  }

  async waiting(endpoint: string): Promise<number> {
    const systems = await this.node(0).service.systems();
    return systems.flatMap(({ endpoints }) => endpoints).find(({ name }) => name === endpoint)?.waiting ?? 0;
  }

  /** Everything that came in has gone everywhere it should. */
  async settled(limitMs: number): Promise<void> {
    const rest = async (): Promise<readonly string[]> => {
      const { messages, systems } = await this.node(0).service.status();
      const waiting = systems.flatMap(({ endpoints }) => endpoints).filter((endpoint) => (endpoint.waiting ?? 0) > 0);
      const taken = messages.active + messages.delivered + messages.dead + messages.filtered;
      return [
        ...(taken < this.sent.length ? [`${this.sent.length - taken} to come`] : []),
        ...(messages.active > 0 ? [`${messages.active} active`] : []),
        ...waiting.map(({ name }) => name),
      ];
    };
    await until(async () => (await rest()).length === 0, 'everything was delivered', limitMs, rest);
  }

  /** What is not as it has to be: inputs lost or doubled, effects missing, doubled, or not as the revision says that handled them. */
  async problems(): Promise<readonly string[]> {
    const events = await this.events();
    const received = events.filter(({ kind }) => kind === 'received');
    const keys = new Map(received.map(({ messageId, message }) => [messageId, message?.key ?? '']));
    const counted = counts(received.map(({ message }) => message?.key ?? ''));
    const queued = Map.groupBy(
      events.filter(({ kind }) => kind === 'queued'),
      ({ endpoint }) => endpoint ?? '',
    );
    const problems = [
      ...this.sent.filter((number) => counted.get(number) !== 1).map((number) => `${number} came in ${counted.get(number) ?? 0} times`),
      ...received.filter(({ message }) => !this.sent.includes(message?.key ?? '')).map(({ message }) => `${message?.key} was never sent`),
      ...events.filter(({ kind }) => kind === 'dead' || kind === 'parked').map(({ messageId, kind, detail }) => `${keys.get(messageId)} is ${kind}: ${detail}`),
    ];
    for (const target of TARGETS) {
      const effects = Map.groupBy(await this.effects(target), ({ message }) => message);
      const wanted = new Map(received.map(({ messageId, revision, message }) => [messageId, target !== 'notes.orders' || this.isNoted(revision, message?.key ?? '')]));
      const asked = new Map((queued.get(target) ?? []).map((event) => [event.messageId, event]));
      for (const [message, isWanted] of wanted) {
        const [effect, ...more] = effects.get(message) ?? [];
        const event = asked.get(message);
        const who = `${keys.get(message)} at ${target}`;
        if (isWanted !== (effect !== undefined)) problems.push(`${who}: ${isWanted ? 'no effect' : 'an effect that nobody wanted'}`);
        if (more.length > 0) problems.push(`${who}: ${more.length + 1} effects`);
        if (!effect) continue;
        const version = this.versions.get(event?.revision ?? -1);
        const seen = `${effect.taken} ${effect.mark} ${effect.zone}`;
        const right = `${version?.taken} ${version?.mark} ${version?.zone}`;
        if (seen !== right) problems.push(`${who}: revision ${event?.revision} gives ${right}, it has ${seen}`);
      }
      for (const message of effects.keys()) if (!wanted.has(message)) problems.push(`${target} has ${message}, which nobody sent`);
    }
    return problems;
  }

  /** All history, oldest first. */
  async events(): Promise<readonly StoredEvent[]> {
    const all: StoredEvent[] = [];
    for (;;) {
      const next = await this.node(0).service.tail(all.at(-1)?.seq ?? 0, 1_000);
      if (next.length === 0) return all;
      all.push(...next);
    }
  }

  async effects(target: TargetName): Promise<readonly Effect[]> {
    if (target === 'partner.bookings') return this.partner.effects;
    if (target === 'reports.orders') return (await this.pool?.query<Effect & pg.QueryResultRow>(`SELECT message, taken, mark, zone FROM orders`))?.rows ?? [];
    const folder = join(this.directory, target === 'files.orders' ? 'files' : 'notes');
    const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
    return names.map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Effect);
  }

  async query(sql: string): Promise<void> {
    await this.pool?.query(sql);
  }

  get sentCount(): number {
    return this.sent.length;
  }

  log(at: 0 | 1 = 0): string {
    return readFileSync(join(this.node(at).directory, 'run.log'), 'utf8');
  }

  /** `signalbox` with these words, while this process goes on. */
  async command(...args: string[]): Promise<{ readonly code: number | null; readonly out: string; readonly talk: string }> {
    const { directory, environment } = this.node(0);
    const child = spawn(process.execPath, [join(import.meta.dirname, '../../cli/main.js'), ...args, '-c', directory], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    const text = { out: '', talk: '' };
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text.out += part));
    child.stderr.setEncoding('utf8').on('data', (part: string) => (text.talk += part));
    const code = await new Promise<number | null>((done) => child.once('close', done));
    return { code, ...text };
  }

  async close(): Promise<void> {
    this.over.abort(new Error('closing'));
    await Promise.allSettled(this.senders);
    for (const close of this.closing.reverse()) await close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private isNoted(revision: number, number: string): boolean {
    const { noted, hasNotes } = this.versions.get(revision) ?? FIRST;
    return hasNotes && (noted === 'all' || (noted === 'web' && number.startsWith('web')));
  }

  /** As a sender does: until it has an answer that says it was taken. */
  private async post(at: number): Promise<void> {
    const number = `web${at}`;
    for (let round = at; ; round++) {
      const { port } = this.nodes[round % this.nodes.length] ?? this.node(0);
      const status = await fetch(`http://127.0.0.1:${port}/hooks/orders`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}`, 'idempotency-key': number },
        body: JSON.stringify({ number: String(at) }),
        signal: AbortSignal.timeout(30_000),
      }).then(
        (response) => response.arrayBuffer().then(() => response.status),
        () => 0,
      );
      this.answers.set(status, (this.answers.get(status) ?? 0) + 1);
      if (status >= 200 && status < 300) break;
      if (round > at + 500) throw new Error(`${number} was not taken`);
      await sleep(100);
    }
    this.sent.push(number);
  }

  private async build({ bus, store, nodes }: Parameters<typeof ReloadWorld.start>[0]): Promise<void> {
    const [postgres, rabbitmq] = await Promise.all([services.postgres(), bus === 'rabbitmq' ? services.rabbitmq() : undefined]);
    for (const place of ['shop', 'reports'] as const) {
      const proxy = await startProxy(postgres.port);
      this.proxies.set(place, proxy);
      this.closing.push(() => proxy.close());
    }
    const partner = await this.partner.listen();
    this.closing.push(() => this.partner.close());
    // A database of its own: worlds have the same names of endpoints and so the same ids, which must not meet in one inbox.
    const server = new pg.Pool({ ...postgres, max: 1 });
    await server.query(`CREATE DATABASE ${this.name}`);
    this.closing.push(async () => {
      await server.query(`DROP DATABASE ${this.name} WITH (FORCE)`);
      await server.end();
    });
    const pool = new pg.Pool({ ...postgres, database: this.name, max: 2 });
    pool.on('error', () => undefined);
    this.pool = pool;
    this.closing.push(() => pool.end());
    // No unique key: a second effect would be a second row.
    await pool.query('CREATE TABLE ord (number bigint PRIMARY KEY); CREATE TABLE orders (message text, taken text, mark text, zone text)');
    for (const folder of ['inbox', 'files', 'notes']) mkdirSync(join(this.directory, folder));
    const url = rabbitmq && new URL(rabbitmq.url);
    const values = { postgres: postgres.password, shop: TOKEN, bus: url?.password ?? '' };
    const access = (port: number | undefined): string =>
      `host: 127.0.0.1, port: ${port}, database: ${this.name}, user: ${postgres.user}, password: "\${secret:postgres}", tls: "off"`;
    this.database = `{driver: postgres, ${access(this.proxies.get('shop')?.port)}}|{driver: postgres, ${access(this.proxies.get('reports')?.port)}}|${partner}`;
    this.settings = `bus: ${url ? `{urls: ["amqp://${url.username}:\${secret:bus}@127.0.0.1:${url.port}/"], prefix: ${this.name.replace('_', '-')}}` : 'embedded'}
${store === 'postgres' ? `store: {directory: .signalbox, postgres: {${access(postgres.port)}, schema: store}}\n` : ''}`;
    for (let at = 0; at < nodes; at++) {
      const directory = join(this.directory, `node${at + 1}`);
      mkdirSync(join(directory, 'secrets'), { recursive: true, mode: 0o700 });
      for (const [name, value] of Object.entries(values)) writeFileSync(join(directory, 'secrets', name), value, { mode: 0o600 });
      const port = await freePort();
      const environment = { ...process.env, HOOK_PORT: String(port), SIGNALBOX_NODE: `node${at + 1}` };
      this.nodes.push({ name: `node${at + 1}`, directory, port, environment, service: remoteService(join(directory, '.signalbox/signalbox.sock')), child: undefined });
      this.writeText(this.text(), at === 0 ? 0 : 1);
    }
    for (const node of this.nodes) await this.launch(node);
    this.versions.set((await this.node(0).service.status()).revision.number, this.version);
  }

  private async launch(node: Node): Promise<void> {
    writeFileSync(join(node.directory, 'run.log'), '');
    const child = run(node);
    node.child = child;
    this.closing.push(() => stop(child, 'SIGKILL'));
    const log = (): string => readFileSync(join(node.directory, 'run.log'), 'utf8');
    await until(
      () => child.exitCode !== null || log().includes('"started"'),
      'signalbox runs',
      60_000,
      async () => log().slice(-2_000),
    );
    if (child.exitCode !== null) throw new Error(log());
  }

  /** The configuration on disk. */
  text(): string {
    const { taken, mark, zone, noted, hasNotes, attempts, parallel, timeout, everyMs, largest } = this.version;
    const [shop = '', reports = '', partner = ''] = this.database.split('|');
    const map = `message: msg.id, taken: order.taken, mark: '"${mark}"', zone: {from: order.origin, table: zone}`;
    const inbound = (origin: string, from: string, number: string): string => `  ${origin}-in:
    from: ${from}
    publish: Order
    key: order.number
    map: {number: '"${origin}" + ${number}', origin: '"${origin}"', taken: '"${taken}"'}
`;
    return `version: 1
${this.settings}listen: "127.0.0.1:\${HOOK_PORT}"
drain: 20s
defaults:
  retry: {attempts: ${attempts}, wait: 1s..2s, factor: 1, jitter: 0%}
types:
  Order: {number: required text, origin: required text, taken: required text}
tables:
  zone:
    rows: {shop: ${zone}, drop: ${zone}, web: ${zone}}
systems:
  shop:
    adapter: sql
    connect: ${shop}
    read:
      orders: {table: ord, key: number, columns: {number: integer}, schedule: {every: ${everyMs}ms}}
  drop:
    adapter: file
    connect: {root: ${this.directory}}
    read:
      orders: {path: inbox, pattern: "*.csv", csv: {columns: [number]}, stable: {polls: 1, for: 0s}, schedule: {every: 200ms}}
  web:
    adapter: rest
    read:
      orders: {path: /hooks/orders, auth: {bearer: "\${secret:shop}"}, max_body: ${largest}}
  files:
    adapter: file
    connect: {root: ${this.directory}/files}
    write:
      orders: {path: "{key}_{id}.json", json: {}, parallel: ${parallel}}
  partner:
    adapter: rest
    connect: {base: "http://127.0.0.1:${partner}", timeout: ${timeout}}
    write:
      bookings: {method: POST, path: /bookings, parallel: 4}
  reports:
    adapter: sql
    connect: ${reports}
    write:
      orders: {table: orders, mode: insert, columns: {message: text, taken: text, mark: text, zone: text}}
${
  hasNotes
    ? `  notes:
    adapter: file
    connect: {root: ${this.directory}/notes}
    write:
      orders: {path: "{key}_{id}.json", json: {}}
`
    : ''
}routes:
${inbound('shop', 'shop.orders', 'text(record.number)')}${inbound('drop', 'drop.orders', 'record.number')}${inbound('web', 'web.orders', 'record.number')}  orders-out:
    subscribe: Order
    deliver:
      - {name: files, to: files.orders, map: {${map}}}
      - {name: partner, to: partner.bookings, map: {${map}}}
      - {name: reports, to: reports.orders, map: {${map}}}
${hasNotes && noted !== 'none' ? `      - {name: notes, ${noted === 'web' ? `when: 'order.origin == "web"', ` : ''}to: notes.orders, map: {${map}}}\n` : ''}`;
  }
}

/** A REST partner that honours `Idempotency-Key` and can be slow to answer. */
class Partner {
  readonly effects: Effect[] = [];
  /** Requests that wait for `release`. */
  held = 0;
  private readonly keys = new Set<string>();
  private gate: PromiseWithResolvers<void> | undefined;
  private port = 0;
  private server = this.make();

  async listen(): Promise<number> {
    await new Promise<void>((done) => this.server.listen(this.port, '127.0.0.1', done));
    this.port = (this.server.address() as AddressInfo).port;
    return this.port;
  }

  close(): Promise<void> {
    this.release();
    const { server } = this;
    this.server = this.make();
    return new Promise((done) => {
      server.close(() => done());
      server.closeAllConnections();
    });
  }

  /** Takes every request from now on, and answers none. */
  hold(): void {
    this.gate ??= Promise.withResolvers<void>();
  }

  release(): void {
    this.gate?.resolve();
    this.gate = undefined;
  }

  private make() {
    return createServer((request, response) => {
      this.serve(request, response).catch(() => response.destroy()); // the request ended early
    });
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    if (this.gate) {
      this.held++;
      await this.gate.promise;
      this.held--;
    }
    const key = String(request.headers['idempotency-key']);
    if (!this.keys.has(key)) this.effects.push(JSON.parse(Buffer.concat(parts).toString('utf8')) as Effect);
    this.keys.add(key);
    response.writeHead(201, { 'content-type': 'application/json' }).end('{}');
  }
}

function counts(values: readonly string[]): ReadonlyMap<string, number> {
  const all = new Map<string, number>();
  for (const value of values) all.set(value, (all.get(value) ?? 0) + 1);
  return all;
}
