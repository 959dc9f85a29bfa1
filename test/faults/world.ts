import { type ChildProcess, spawnSync } from 'node:child_process';
import { globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { remoteService } from '../../cli/client.js';
import type { Service, Status } from '../../console/service.js';
import { run, stop, until } from '../e2e/run.js';
import { type DatabaseAccess, type RabbitmqServer, type Server, type SshdAccess, startMariadb, startPostgres, startRabbitmq, startSshd } from '../services/servers.js';
import { services } from '../services/services.js';
import { FaultyPartner } from './partner.js';
import { type FaultProxy, startProxy } from './proxy.js';

export const PLACES = ['bus', 'source', 'files', 'partner', 'reports', 'store'] as const;
/** RabbitMQ, the PostgreSQL source, the SFTP target, the REST target, the MariaDB target, the PostgreSQL store. */
export type Place = (typeof PLACES)[number];

export interface WorldOptions {
  /** Default RabbitMQ. */
  readonly bus?: 'embedded' | 'rabbitmq';
  /** Default SQLite. */
  readonly store?: 'sqlite' | 'postgres';
  /** Address for metrics, `127.0.0.1:8080`. */
  readonly listen?: string;
  /** Attempts of a delivery; 3 when absent. */
  readonly attempts?: number;
  /** The route keeps the order of each customer, who is the last digit of the number. */
  readonly isOrdered?: boolean;
}

/** What the systems outside have: rows of one round by target, each with the number of its effects. */
export interface Arrived {
  readonly files: ReadonlyMap<string, number>;
  readonly partner: ReadonlyMap<string, number>;
  readonly reports: ReadonlyMap<string, number>;
}

/**
 * A `signalbox run` in a process of its own between five systems, each behind a proxy: rows of a PostgreSQL table become a file over SFTP, a
 * request to a REST partner and a row in MariaDB. The system under test is a private server that may be killed.
 */
export class FaultWorld {
  readonly directory = mkdtempSync(join(tmpdir(), 'signalbox-faults-'));
  readonly environment = process.env;
  readonly partner = new FaultyPartner();
  readonly proxies = new Map<Place, FaultProxy>();
  readonly name = `f${process.pid}_${Date.now().toString(36)}`;
  rabbitmq: RabbitmqServer | undefined;
  victim: Server<unknown> | undefined;
  child: ChildProcess | undefined;
  /** Largest resident size of the process that was seen, in MB. */
  peakMegabytes = 0;
  private serverVersions: Readonly<Record<string, string>> = {};
  private readonly closing: (() => Promise<unknown>)[] = [];
  private readonly service: Service = remoteService(join(this.directory, '.signalbox/signalbox.sock'));
  private source: pg.Pool | undefined;
  private reports: mysql.Pool | undefined;
  private folder = '';
  private next = 1;
  private rows: string[] = [];

  private constructor(private readonly options: WorldOptions) {}

  /** @param victim the place whose server is private; absent when all servers belong to the caller */
  static async start(victim: Place | undefined, options: WorldOptions = {}): Promise<FaultWorld> {
    const world = new FaultWorld(options);
    try {
      await world.build(victim);
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  /** Effects of this round that came after a later one of the same customer, at the targets that can tell; undefined when no order was asked for. */
  async inverted(): Promise<number | undefined> {
    if (!this.options.isOrdered) return undefined;
    const [rows] = (await this.reports?.query<mysql.RowDataPacket[]>(`SELECT number FROM ${this.name}.orders ORDER BY id`)) ?? [[]];
    const wanted = new Set(this.rows);
    const booked = rows.map(({ number }) => String(number));
    return [[...this.partner.effects.keys()], booked].reduce((sum, arrivals) => sum + inversions(arrivals.filter((row) => wanted.has(row))), 0);
  }

  get bus(): 'embedded' | 'rabbitmq' {
    return this.options.bus ?? 'rabbitmq';
  }

  proxy(place: Place): FaultProxy {
    const proxy = this.proxies.get(place);
    if (!proxy) throw new Error(`no proxy for ${place}`);
    return proxy;
  }

  /** Forgets the rows of the rounds before. */
  newRound(): void {
    this.rows = [];
    this.partner.repeats = 0;
    this.partner.refused = 0;
  }

  /** Also while the server of the source is away; then when it is back. */
  async addRows(count: number): Promise<void> {
    const numbers = Array.from({ length: count }, () => this.next++);
    const sql = `INSERT INTO ${this.name}.ord SELECT n, 'row ' || n FROM unnest($1::bigint[]) AS n ON CONFLICT DO NOTHING`;
    for (let failures = 0; ; failures++) {
      try {
        await this.source?.query(sql, [numbers]);
        break;
      } catch (error) {
        if (failures > 300) throw error;
        await sleep(200);
      }
    }
    this.rows.push(...numbers.map(String));
  }

  /** Rows of all rounds. */
  get added(): number {
    return this.next - 1;
  }

  async arrived(): Promise<Arrived> {
    const wanted = new Set(this.rows);
    const { files, partner, reports } = await this.everything();
    const only = (effects: ReadonlyMap<string, number>): ReadonlyMap<string, number> => new Map([...effects].filter(([row]) => wanted.has(row)));
    return { files: only(files), partner: only(partner), reports: only(reports) };
  }

  /** What the targets have of all rows, but those that were forgotten; of the partner and the reports in the order in which it came. */
  async everything(): Promise<Arrived> {
    const files = new Map<string, number>();
    for (const name of readdirSync(this.folder).filter((each) => each.endsWith('.json'))) count(files, name.split('_')[0] ?? '');
    const reports = new Map<string, number>();
    const [rows] = (await this.reports?.query<mysql.RowDataPacket[]>(`SELECT number, count(*) AS n FROM ${this.name}.orders GROUP BY number ORDER BY min(id)`)) ?? [[]];
    for (const row of rows) count(reports, String(row['number']), Number(row['n']));
    return { files, partner: new Map(this.partner.effects), reports };
  }

  /** Rows up to this number are taken away everywhere, so that a long run does not fill the disk. What is there later is there twice. */
  async forget(upTo: number): Promise<void> {
    await this.source?.query(`DELETE FROM ${this.name}.ord WHERE number <= $1`, [upTo]);
    await this.reports?.query(`DELETE FROM ${this.name}.orders WHERE number <= ?`, [upTo]);
    for (const row of [...this.partner.effects.keys()]) if (Number(row) <= upTo) this.partner.effects.delete(row);
    for (const name of readdirSync(this.folder)) if (name.endsWith('.json') && Number(name.split('_')[0]) <= upTo) rmSync(join(this.folder, name));
    this.rows = this.rows.filter((row) => Number(row) > upTo);
  }

  /** How many rows of this round each target has. */
  async counts(): Promise<{ readonly files: number; readonly partner: number; readonly reports: number }> {
    const { files, partner, reports } = await this.arrived();
    return { files: files.size, partner: partner.size, reports: reports.size };
  }

  get expected(): number {
    return this.rows.length;
  }

  /** The rows of this round. */
  get wanted(): readonly string[] {
    return this.rows;
  }

  /** Of the servers that take part, for the record. */
  get versions(): Readonly<Record<string, string>> {
    return this.serverVersions;
  }

  status(): Promise<Status> {
    this.peakMegabytes = Math.max(this.peakMegabytes, this.residentMegabytes());
    return this.service.status();
  }

  /** Everything arrived and nothing is under way. */
  async settled(limitMs: number): Promise<void> {
    const all = async (): Promise<boolean> => Object.values(await this.counts()).every((each) => each === this.rows.length);
    const view = async (): Promise<unknown> => [await this.counts(), this.rows.length, summary(await this.status())];
    await until(all, 'everything arrived', limitMs, view);
    await until(async () => isIdle(await this.status()), 'the channels are empty', limitMs, view);
  }

  /** Lines of the log at this level or worse, or all. */
  log(level?: 'error'): readonly string[] {
    const lines = readFileSync(join(this.directory, 'run.log'), 'utf8').split('\n').filter(Boolean);
    return level === undefined ? lines : lines.filter((line) => !line.startsWith('{') || line.includes('"level":"error"'));
  }

  async close(): Promise<void> {
    for (const close of this.closing.reverse()) await close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private residentMegabytes(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.child?.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  }

  /** SIGKILL to Signalbox itself; then `launch`. */
  async killChild(): Promise<void> {
    if (this.child) await stop(this.child, 'SIGKILL');
  }

  /** Starts the process, at first and after it was killed. */
  async launch(): Promise<void> {
    const lines = this.log().length;
    const child = run(this);
    this.child = child;
    await until(
      () =>
        child.exitCode !== null ||
        this.log()
          .slice(lines)
          .some((line) => line.includes('"started"')),
      'signalbox runs',
      60_000,
      async () => this.log().slice(-5),
    );
    if (child.exitCode !== null) throw new Error(this.log().join('\n'));
  }

  private async build(victim: Place | undefined): Promise<void> {
    const own = async <T>(place: Place, start: () => Promise<Server<T>>, shared: () => Promise<T>): Promise<T> => {
      if (place !== victim) return shared();
      const server = await start();
      this.victim = server;
      this.closing.push(() => server.stop());
      return server.access;
    };
    const rabbitmq = async (): Promise<RabbitmqServer> => {
      this.rabbitmq = await startRabbitmq();
      return this.rabbitmq;
    };
    const [bus, postgres, mariadb, sshd, store] = await Promise.all([
      this.bus === 'rabbitmq' ? own('bus', rabbitmq, services.rabbitmq) : undefined,
      own('source', startPostgres, services.postgres),
      own('reports', startMariadb, services.mariadb),
      own('files', startSshd, services.sshd),
      this.options.store === 'postgres' ? own('store', startPostgres, services.postgres) : undefined,
    ]);
    const partner = await this.partner.listen();
    this.closing.push(() => this.partner.close());
    const ports: Readonly<Partial<Record<Place, number>>> = {
      ...(bus ? { bus: Number(new URL(bus.url).port) } : {}),
      source: postgres.port,
      files: sshd.port,
      partner,
      reports: mariadb.port,
      ...(store ? { store: store.port } : {}),
    };
    for (const place of PLACES) {
      const port = ports[place];
      if (port === undefined) continue;
      const proxy = await startProxy(port);
      this.proxies.set(place, proxy);
      this.closing.push(() => proxy.close());
    }
    await this.prepare(postgres, mariadb, sshd);
    this.configure({ bus: bus && new URL(bus.url), postgres, mariadb: { ...mariadb, database: this.name }, sshd, store });
    writeFileSync(join(this.directory, 'run.log'), '');
    this.closing.push(async () => {
      if (this.child) await stop(this.child, 'SIGKILL');
    });
    await this.launch();
  }

  private async prepare(postgres: DatabaseAccess, mariadb: DatabaseAccess, sshd: SshdAccess): Promise<void> {
    // Not through the proxies: what we add and count is not part of the fault. The pools connect again after a kill.
    const source = new pg.Pool({ ...postgres, max: 1 });
    source.on('error', () => undefined);
    this.source = source;
    this.closing.push(() => source.end());
    const reports = mysql.createPool({ ...mariadb, connectionLimit: 1 });
    this.reports = reports;
    this.closing.push(() => reports.end());
    // A database of its own: worlds have the same names of endpoints and so the same ids, which must not meet in one inbox.
    await reports.query(`CREATE DATABASE ${this.name}`);
    await source.query(`CREATE SCHEMA ${this.name}; CREATE TABLE ${this.name}.ord (number bigint PRIMARY KEY, name text)`);
    // No unique key: a second effect would be a second row.
    await reports.query(`CREATE TABLE ${this.name}.orders (id bigint AUTO_INCREMENT PRIMARY KEY, number bigint NOT NULL, name varchar(100), KEY (number))`);
    const [[mariadbVersion]] = await reports.query<mysql.RowDataPacket[]>('SELECT version() AS version');
    const { rows } = await source.query<{ server_version: string }>('SHOW server_version');
    this.serverVersions = {
      RabbitMQ: /server-([0-9.]+)/.exec(globSync('/usr/lib/rabbitmq/lib/rabbitmq_server-*')[0] ?? '')?.[1] ?? 'of unknown version',
      PostgreSQL: rows[0]?.server_version.split(' ')[0] ?? '',
      MariaDB: String(mariadbVersion?.['version']).split('-')[0] ?? '',
      OpenSSH: /OpenSSH_([^ ,]+)/.exec(spawnSync('ssh', ['-V'], { encoding: 'utf8' }).stderr)?.[1] ?? '',
    };
    this.folder = join(sshd.directory, this.name);
    mkdirSync(this.folder);
  }

  private configure({ bus, postgres, mariadb, sshd, store }: Access): void {
    const secrets = join(this.directory, 'secrets');
    mkdirSync(secrets, { mode: 0o700 });
    const values = { bus: bus?.password ?? '', source: postgres.password, reports: mariadb.password, files: sshd.privateKey, store: store?.password ?? '' };
    for (const [name, value] of Object.entries(values)) writeFileSync(join(secrets, name), value, { mode: 0o600 });
    const port = (place: Place): number => this.proxy(place).port;
    const database = (driver: string, place: Place, { user, database: name }: DatabaseAccess): string =>
      `{driver: ${driver}, host: 127.0.0.1, port: ${port(place)}, database: ${name}, user: ${user}, password: "\${secret:${place}}", tls: "off", connect_timeout: 2s, statement_timeout: 3s, lock_timeout: 2s}`;
    const busText = bus ? `{urls: ["amqp://${bus.username}:\${secret:bus}@127.0.0.1:${port('bus')}/?heartbeat=2"], prefix: ${this.name.replace('_', '-')}}` : 'embedded';
    const storeText =
      store &&
      `{directory: .signalbox, postgres: {host: 127.0.0.1, port: ${port('store')}, database: ${store.database}, user: ${store.user}, password: "\${secret:store}", schema: ${this.name}_store, tls: "off"}}`;
    writeFileSync(
      join(this.directory, 'signalbox.yaml'),
      `version: 1
bus: ${busText}
${storeText === undefined ? '' : `store: ${storeText}`}
${this.options.listen === undefined ? '' : `listen: "${this.options.listen}"`}
defaults:
  retry: {attempts: ${this.options.attempts ?? 3}, wait: 1s..2s, factor: 1, jitter: 20%}
types:
  Order: {number: required text, name: required text, customer: required text}
systems:
  source:
    adapter: sql
    connect: ${database('postgres', 'source', postgres)}
    read:
      orders: {table: ${this.name}.ord, key: number, columns: {number: integer, name: text}, schedule: {every: 500ms}}
  files:
    adapter: sftp
    connect: {host: 127.0.0.1, port: ${port('files')}, user: ${sshd.username}, key: "\${secret:files}", host_key: "${sshd.hostKey}", timeout: 2s, connect_timeout: 2s, keepalive: 1s}
    write:
      orders: {path: "${this.name}/{key}_{id}.json", json: {}}
  partner:
    adapter: rest
    connect: {base: "http://127.0.0.1:${port('partner')}", timeout: 2s}
    write:
      bookings: {method: POST, path: /bookings}
  reports:
    adapter: sql
    connect: ${database('mariadb', 'reports', mariadb)}
    write:
      orders: {table: orders, mode: insert, columns: {number: integer, name: text}}
routes:
  orders-in:
    from: source.orders
    publish: Order
    key: order.number
    map: {number: text(record.number), name: record.name, customer: text(record.number % 10)}
  orders-out:
    subscribe: Order
${this.options.isOrdered ? '    order_by: {key: order.customer, on_failure: park, hold: 20m}\n' : ''}    deliver:
      - {name: files, to: files.orders, map: {number: order.number, name: order.name}}
      - {name: partner, to: partner.bookings, map: {ref: order.number, name: order.name}}
      - {name: reports, to: reports.orders, map: {number: integer(order.number), name: order.name}}
`,
    );
  }
}

interface Access {
  readonly bus: URL | undefined;
  readonly postgres: DatabaseAccess;
  readonly mariadb: DatabaseAccess;
  readonly sshd: SshdAccess;
  readonly store: DatabaseAccess | undefined;
}

/** Numbers that came after a higher one with the same last digit. */
function inversions(arrivals: readonly string[]): number {
  const last = new Map<string, number>();
  return arrivals.filter((row) => {
    const [customer, number] = [row.slice(-1), Number(row)];
    const isLate = number < (last.get(customer) ?? 0);
    if (!isLate) last.set(customer, number);
    return isLate;
  }).length;
}

function count(into: Map<string, number>, row: string, effects = 1): void {
  into.set(row, (into.get(row) ?? 0) + effects);
}

/** Nothing is under way and the bus is there again: what closed its connection last may have done so after the last message. */
function isIdle({ bus, systems, messages }: Status): boolean {
  return bus.health.connected && messages.active === 0 && systems.flatMap(({ endpoints }) => endpoints).every(({ waiting }) => (waiting ?? 0) === 0);
}

function summary({ messages, deadLetters, systems, bus }: Status): unknown {
  return {
    messages,
    deadLetters,
    bus: bus.health,
    endpoints: systems.flatMap(({ endpoints }) => endpoints.map(({ name, state, detail, waiting }) => ({ name, state, detail, waiting }))),
  };
}
