import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { remoteService } from '../../cli/client.js';
import type { Service, Status } from '../../console/service.js';
import { run, stop, until } from '../e2e/run.js';
import { FaultyPartner } from '../faults/partner.js';
import type { DatabaseAccess } from '../services/servers.js';

export interface Servers {
  readonly rabbitmq: { readonly url: string };
  readonly postgres: DatabaseAccess;
  readonly mariadb: DatabaseAccess;
}

export interface WorldOptions {
  /** Time to live of a lease; the usual one when absent. */
  readonly leaseMs?: number;
  /** Concurrent transactions, each of which stays open for 0 to 50 ms. */
  readonly writers: number;
  readonly rowsPerSecond: number;
}

export const TARGETS = ['partner', 'reports', 'ledger', 'files'] as const;
export type TargetName = (typeof TARGETS)[number];

/** What one target has, compared with what was put in. */
export interface Figures {
  readonly input: number;
  readonly effects: number;
  readonly lost: number;
  readonly duplicated: number;
}

/** Who was given a source after its holder was gone, and how long that took. */
export interface Takeover {
  readonly source: string;
  readonly ms: number;
}

interface Held {
  readonly name: string;
  readonly holder: string | null;
  readonly epoch: number;
}

const RECORDS_PER_FILE = 4;
/** Of the names of leases of sources. */
const PREFIX = 'source:';
export type SourceName = 'table.orders' | 'drop.orders';

/**
 * Two `signalbox run` processes with one configuration on one RabbitMQ and one PostgreSQL. A table with many writers and a folder that is filled all
 * the time go to a REST partner, two tables without a unique key and a folder; every effect is counted there.
 */
export class NodesWorld {
  readonly partner = new FaultyPartner();
  readonly takeovers: Takeover[] = [];
  private readonly directory = mkdtempSync(join(tmpdir(), 'signalbox-nodes-'));
  private readonly id = `n${process.pid}_${Date.now().toString(36)}`;
  private readonly nodes: Member[] = [];
  private readonly inputs: string[] = [];
  private readonly closing: (() => Promise<unknown>)[] = [];
  private readonly filling = new AbortController();
  private readonly store: pg.Pool;
  private readonly reports: mysql.Pool;
  private filled: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly servers: Servers,
    private readonly options: WorldOptions,
  ) {
    this.store = new pg.Pool({ ...servers.postgres, max: options.writers + 2 });
    this.reports = mysql.createPool({ ...servers.mariadb, connectionLimit: 1 });
    this.closing.push(
      () => this.store.end(),
      () => this.reports.end(),
    );
  }

  static async start(servers: Servers, options: WorldOptions): Promise<NodesWorld> {
    const world = new NodesWorld(servers, options);
    try {
      await world.build();
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  node(at: number): Member {
    const node = this.nodes[at];
    if (!node) throw new Error(`no node ${at}`);
    return node;
  }

  get all(): readonly Member[] {
    return this.nodes;
  }

  /** Fills the table and the folder until `stopFilling`. */
  fill(): void {
    const { writers } = this.options;
    this.filled = Promise.all([...Array.from({ length: writers }, (_, writer) => this.write(writer)), this.drop()]);
  }

  async stopFilling(): Promise<void> {
    this.filling.abort();
    await this.filled;
  }

  /** The node that holds the source. */
  async holder(source: SourceName): Promise<Member> {
    let found: Member | undefined;
    await until(
      async () => {
        const held = (await this.leases()).find(({ name }) => name === `${PREFIX}${source}`);
        found = this.nodes.find((node) => node.isUp && held?.holder?.startsWith(`${node.name}/`));
        return found !== undefined;
      },
      `somebody reads ${source}`,
      60_000,
      () => this.leases(),
    );
    if (!found) throw new Error('unreachable');
    return found;
  }

  /** Sources that the node holds. */
  async reads(node: Member): Promise<readonly string[]> {
    return (await this.heldBy(node)).map(({ name }) => name.slice(PREFIX.length));
  }

  /** Notes when another process has what the node held; call right before the node is ended. */
  async watchTakeover(node: Member): Promise<{ readonly over: Promise<void> }> {
    const held = await this.heldBy(node);
    const begun = performance.now();
    const over = this.noteTakeovers(held, begun);
    over.catch(() => undefined); // whoever waits for it gets the error
    return { over };
  }

  /** Something more has come in from both sources and gone out to all targets since the call. */
  async flows(limitMs: number): Promise<void> {
    const before = await this.arrived();
    const more = async (): Promise<boolean> => {
      const now = await this.arrived();
      const grown = TARGETS.every((target) => now[target].size > before[target].size);
      return grown && (['r', 'f'] as const).every((kind) => countOf(now.reports, kind) > countOf(before.reports, kind));
    };
    await until(more, 'it flows', limitMs, () => this.view());
  }

  /** All that was put in has arrived and nothing is under way. */
  async settled(limitMs: number): Promise<void> {
    const isComplete = async (): Promise<boolean> => {
      const arrived = await this.arrived();
      return TARGETS.every((target) => arrived[target].size >= this.inputs.length);
    };
    await until(isComplete, 'everything arrived', limitMs, () => this.view());
    const isIdle = async (): Promise<boolean> => {
      const { systems, messages } = await this.status();
      return messages.active === 0 && systems.flatMap(({ endpoints }) => endpoints).every(({ waiting }) => (waiting ?? 0) === 0);
    };
    await until(isIdle, 'nothing is under way', limitMs, () => this.view());
  }

  async figures(): Promise<Readonly<Record<TargetName, Figures>>> {
    const arrived = await this.arrived();
    const of = (target: TargetName): Figures => {
      const effects = [...arrived[target].values()].reduce((sum, count) => sum + count, 0);
      const lost = this.inputs.filter((input) => !arrived[target].has(input)).length;
      return { input: this.inputs.length, effects, lost, duplicated: effects - arrived[target].size };
    };
    return { partner: of('partner'), reports: of('reports'), ledger: of('ledger'), files: of('files') };
  }

  async status(): Promise<Status> {
    const node = this.nodes.find(({ isUp }) => isUp);
    if (!node) throw new Error('no node is up');
    return node.service.status();
  }

  async close(): Promise<void> {
    this.filling.abort();
    await this.filled.catch(() => undefined);
    await Promise.all(this.nodes.map((node) => node.kill()));
    await this.store.query(`DROP SCHEMA IF EXISTS ${this.id} CASCADE; DROP SCHEMA IF EXISTS ${this.id}_store CASCADE`).catch(() => undefined);
    await this.reports.query(`DROP DATABASE IF EXISTS ${this.id}`).catch(() => undefined);
    for (const close of this.closing.reverse()) await close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async heldBy(node: Member): Promise<readonly Held[]> {
    return (await this.leases()).filter(({ name, holder }) => name.startsWith(PREFIX) && holder?.startsWith(`${node.name}/`));
  }

  private async leases(): Promise<readonly Held[]> {
    const { rows } = await this.store.query<Held>(`SELECT name, holder, epoch FROM ${this.id}_store.lease WHERE expires > now() AND holder IS NOT NULL`);
    return rows;
  }

  private async noteTakeovers(held: readonly Held[], begun: number): Promise<void> {
    const waiting = new Map(held.map((lease) => [lease.name, lease]));
    await until(
      async () => {
        for (const now of await this.leases()) {
          const before = waiting.get(now.name);
          if (!before || now.holder === before.holder) continue;
          waiting.delete(now.name);
          this.takeovers.push({ source: now.name.slice(PREFIX.length), ms: performance.now() - begun });
        }
        return waiting.size === 0;
      },
      'another node takes over',
      60_000,
      () => this.view(),
    );
  }

  private async view(): Promise<unknown> {
    const arrived = await this.arrived();
    const status = await this.status().catch(String);
    const endpoints =
      typeof status === 'string' ? status : status.systems.flatMap((system) => system.endpoints.map(({ name, state, detail, waiting }) => ({ name, state, detail, waiting })));
    return {
      inputs: this.inputs.length,
      arrived: TARGETS.map((target) => arrived[target].size),
      leases: await this.leases(),
      endpoints,
      messages: typeof status === 'string' ? undefined : status.messages,
    };
  }

  /** One transaction after the other, each open for a random time: rows become visible in another order than that of their numbers. */
  private async write(writer: number): Promise<void> {
    const { signal } = this.filling;
    const pauseMs = (1_000 * this.options.writers) / this.options.rowsPerSecond;
    for (let n = 0; !signal.aborted; n += 1) {
      const number = `r${writer}-${n}`;
      const client = await this.store.connect();
      try {
        await client.query('BEGIN');
        await client.query(`INSERT INTO ${this.id}.ord (number) VALUES ($1)`, [number]);
        await sleep(Math.random() * 50);
        const isRolledBack = Math.random() < 0.05;
        await client.query(isRolledBack ? 'ROLLBACK' : 'COMMIT');
        if (!isRolledBack) this.inputs.push(number);
      } finally {
        client.release();
      }
      await sleep(Math.random() * 2 * pauseMs, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
    }
  }

  /** A file a second, renamed when it is complete. */
  private async drop(): Promise<void> {
    const { signal } = this.filling;
    const folder = join(this.directory, 'drop/in');
    for (let n = 0; !signal.aborted; n += 1) {
      const numbers = Array.from({ length: RECORDS_PER_FILE }, (_, at) => `f${n}-${at}`);
      writeFileSync(join(folder, `.${n}`), numbers.map((number) => `${JSON.stringify({ number })}\n`).join(''));
      renameSync(join(folder, `.${n}`), join(folder, `orders-${n}.jsonl`));
      this.inputs.push(...numbers);
      await sleep(1_000, undefined, { signal }).catch(() => undefined); // aborted: the loop ends
    }
  }

  private async arrived(): Promise<Readonly<Record<TargetName, ReadonlyMap<string, number>>>> {
    const files = new Map<string, number>();
    for (const name of readdirSync(join(this.directory, 'out'))) {
      if (!name.endsWith('.json') || name.startsWith('.')) continue;
      const number = name.slice(0, name.indexOf('_'));
      files.set(number, (files.get(number) ?? 0) + 1);
    }
    const { rows } = await this.store.query<{ number: string; n: number }>(`SELECT number, count(*)::int AS n FROM ${this.id}.ledger GROUP BY number`);
    const [reports] = await this.reports.query<mysql.RowDataPacket[]>(`SELECT number, count(*) AS n FROM ${this.id}.orders GROUP BY number`);
    return {
      partner: new Map(this.partner.effects),
      files,
      ledger: new Map(rows.map(({ number, n }) => [number, n])),
      reports: new Map(reports.map((row) => [String(row['number']), Number(row['n'])])),
    };
  }

  private async build(): Promise<void> {
    const port = await this.partner.listen();
    this.closing.push(() => this.partner.close());
    for (const folder of ['drop', 'drop/in', 'out']) mkdirSync(join(this.directory, folder));
    await this.store.query(`CREATE SCHEMA ${this.id};
      CREATE TABLE ${this.id}.ord (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number text NOT NULL, tx xid8 NOT NULL DEFAULT pg_current_xact_id());
      CREATE INDEX ON ${this.id}.ord (tx);
      CREATE TABLE ${this.id}.ledger (row bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, number text NOT NULL)`);
    await this.reports.query(`CREATE DATABASE ${this.id}`);
    await this.reports.query(`CREATE TABLE ${this.id}.orders (row bigint AUTO_INCREMENT PRIMARY KEY, number varchar(50) NOT NULL, KEY (number))`);
    const files = this.files(port);
    for (const name of ['anna', 'bert']) {
      const node = new Member(name, join(this.directory, name), files, this.options.leaseMs);
      this.nodes.push(node);
      node.start();
    }
    for (const node of this.nodes) await node.up();
  }

  private files(partner: number): Readonly<Record<string, string>> {
    const { postgres, mariadb, rabbitmq } = this.servers;
    const bus = new URL(rabbitmq.url);
    const database = (driver: string, secret: string, { port, user, database: name }: DatabaseAccess): string =>
      `{driver: ${driver}, host: 127.0.0.1, port: ${port}, database: ${name}, user: ${user}, password: "\${secret:${secret}}", tls: "off"}`;
    const settings = `version: 1
bus: {urls: ["amqp://${bus.username}:\${secret:bus}@127.0.0.1:${bus.port}/"], prefix: ${this.id.replace('_', '-')}}
store: {postgres: {host: 127.0.0.1, port: ${postgres.port}, database: ${postgres.database}, user: ${postgres.user}, password: "\${secret:postgres}", schema: ${this.id}_store, tls: "off"}}
drain: 10s
defaults:
  retry: {attempts: 5, wait: 1s..3s, factor: 2, jitter: 20%}
types:
  Order: {number: required text}
systems:
  table:
    adapter: sql
    connect: ${database('postgres', 'postgres', postgres)}
    read:
      orders: {table: ${this.id}.ord, key: id, cursor: {transaction: tx}, columns: {id: integer, number: text}, max_records: 50, schedule: {every: 200ms}}
  drop:
    adapter: file
    connect: {root: ${this.directory}/drop}
    read:
      orders: {path: in, pattern: "*.jsonl", json: {as: lines}, stable: {polls: 1, for: 0ms}, max_records: 3, schedule: {every: 200ms}}
  files:
    adapter: file
    connect: {root: ${this.directory}/out}
    write:
      orders: {path: "{key}_{id}.json", json: {}, parallel: 4}
  partner:
    adapter: rest
    connect: {base: "http://127.0.0.1:${partner}", timeout: 10s}
    write:
      orders: {method: POST, path: /orders, parallel: 4}
  reports:
    adapter: sql
    connect: ${database('mariadb', 'mariadb', { ...mariadb, database: this.id })}
    write:
      orders: {table: orders, mode: insert, columns: {number: text}, parallel: 4}
  ledger:
    adapter: sql
    connect: ${database('postgres', 'postgres', postgres)}
    write:
      orders: {table: ${this.id}.ledger, mode: insert, columns: {number: text}, parallel: 4}
`;
    const routes = `routes:
  table-in: {from: table.orders, publish: Order, key: order.number, map: {number: record.number}}
  drop-in: {from: drop.orders, publish: Order, key: order.number, map: {number: text(record.number)}}
  out:
    subscribe: Order
    deliver:
      - {name: partner, to: partner.orders, map: {ref: order.number}}
      - {name: reports, to: reports.orders, map: {number: order.number}}
      - {name: ledger, to: ledger.orders, map: {number: order.number}}
      - {name: files, to: files.orders, map: {number: order.number}}
`;
    return { 'settings.yaml': settings, 'routes.yaml': routes, 'secrets/bus': bus.password, 'secrets/postgres': postgres.password, 'secrets/mariadb': mariadb.password };
  }
}

/** One of the processes, over all its lives. */
export class Member {
  readonly service: Service;
  private child: ChildProcess | undefined;
  private begun = 0;

  constructor(
    readonly name: string,
    private readonly directory: string,
    files: Readonly<Record<string, string>>,
    private readonly leaseMs: number | undefined,
  ) {
    mkdirSync(directory);
    mkdirSync(join(directory, 'secrets'), { mode: 0o700 });
    for (const [path, text] of Object.entries(files)) writeFileSync(join(directory, path), text, { mode: 0o600 });
    writeFileSync(join(directory, 'run.log'), '');
    this.service = remoteService(join(directory, '.signalbox/signalbox.sock'));
  }

  get isUp(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  start(): void {
    this.begun = this.log().length;
    const environment = { ...process.env, SIGNALBOX_NODE: this.name, ...(this.leaseMs === undefined ? {} : { SIGNALBOX_LEASE_MS: String(this.leaseMs) }) };
    this.child = run({ directory: this.directory, environment });
  }

  /** Another revision, for its next life. */
  change(path: string, text: (now: string) => string): void {
    const file = join(this.directory, path);
    writeFileSync(file, text(readFileSync(file, 'utf8')));
  }

  /** Everything of this life has been started. */
  async up(): Promise<void> {
    await until(
      () => !this.isUp || this.lines('started').length > 0,
      `${this.name} runs`,
      90_000,
      async () => this.log().slice(-5),
    );
    if (!this.isUp) throw new Error(`${this.name} ended: ${this.log().slice(-10).join('\n')}`);
  }

  /** Lines of this life with this event. */
  lines(event: string): readonly string[] {
    return this.log()
      .slice(this.begun)
      .filter((line) => line.includes(`"event":"${event}"`));
  }

  /** What it says itself on a signal is none. */
  errors(): readonly string[] {
    return this.log().filter((line) => !/^(\{|SIG)/.test(line) || line.includes('"level":"error"'));
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.child?.kill(signal);
  }

  async kill(): Promise<void> {
    if (this.child) await stop(this.child, 'SIGKILL');
  }

  /** @returns its exit code */
  async terminate(): Promise<number | null> {
    return this.child ? stop(this.child, 'SIGTERM') : null;
  }

  private log(): readonly string[] {
    return readFileSync(join(this.directory, 'run.log'), 'utf8').split('\n').filter(Boolean);
  }
}

function countOf(arrived: ReadonlyMap<string, number>, kind: 'r' | 'f'): number {
  return [...arrived.keys()].filter((number) => number.startsWith(kind)).length;
}
