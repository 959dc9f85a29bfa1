import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { remoteService } from '../../cli/client.js';
import type { Service } from '../../console/service.js';
import { run, stop, until } from '../e2e/run.js';
import { FaultyPartner } from '../faults/partner.js';
import type { RabbitmqCluster } from '../services/rabbitmq-cluster.js';
import type { DatabaseAccess } from '../services/servers.js';

/** Messages that a target has, and how often each. */
export interface Effects {
  readonly messages: number;
  readonly effects: number;
  readonly duplicated: number;
}

/**
 * `signalbox run` between a PostgreSQL table, a RabbitMQ cluster, a table without a unique key and a REST partner that counts. Nothing but the
 * cluster is disturbed here.
 */
export class ClusterWorld {
  private readonly directory = mkdtempSync(join(tmpdir(), 'signalbox-cluster-world-'));
  readonly partner = new FaultyPartner();
  readonly prefix = `c${process.pid}${Date.now().toString(36)}`;
  private readonly closing: (() => Promise<unknown>)[] = [];
  private readonly service: Service = remoteService(join(this.directory, 'node1/.signalbox/signalbox.sock'));
  private added = 0;

  private constructor(
    private readonly cluster: RabbitmqCluster,
    private readonly database: pg.Pool,
  ) {}

  /** @param processes of Signalbox; several share a store in PostgreSQL */
  static async start(cluster: RabbitmqCluster, postgres: DatabaseAccess, processes = 1): Promise<ClusterWorld> {
    const world = new ClusterWorld(cluster, new pg.Pool({ ...postgres, max: 2 }));
    world.closing.push(() => world.database.end());
    try {
      await world.build(postgres, processes);
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  get inserted(): number {
    return this.added;
  }

  async insert(count: number): Promise<void> {
    const last = this.added + count;
    await this.database.query(`INSERT INTO ${this.prefix}.ord SELECT n, 'row ' || n FROM generate_series($1::bigint, $2::bigint) AS n`, [this.added + 1, last]);
    this.added = last;
  }

  /** Effects so far at each target. */
  async progress(): Promise<{ readonly partner: number; readonly reports: number }> {
    const { rows } = await this.database.query<{ n: string }>(`SELECT count(*) AS n FROM ${this.prefix}.reports`);
    return { partner: this.partner.effects.size, reports: Number(rows[0]?.n) };
  }

  async outcome(): Promise<{ readonly partner: Effects; readonly reports: Effects }> {
    const { rows } = await this.database.query<{ messages: string; effects: string; duplicated: string }>(
      `SELECT count(*) AS messages, sum(n) AS effects, count(*) FILTER (WHERE n > 1) AS duplicated
       FROM (SELECT count(*) AS n FROM ${this.prefix}.reports WHERE number BETWEEN 1 AND ${this.added} GROUP BY number) AS each`,
    );
    const counts = [...this.partner.effects.values()];
    return {
      reports: { messages: Number(rows[0]?.messages), effects: Number(rows[0]?.effects), duplicated: Number(rows[0]?.duplicated) },
      partner: { messages: counts.length, effects: counts.reduce((sum, count) => sum + count, 0), duplicated: counts.filter((count) => count > 1).length },
    };
  }

  status(): ReturnType<Service['status']> {
    return this.service.status();
  }

  /** Nothing waits, nothing is under way, and the bus is there. */
  async isIdle(): Promise<boolean> {
    const { bus, messages, systems } = await this.status();
    return bus.health.connected && messages.active === 0 && systems.flatMap(({ endpoints }) => endpoints).every(({ waiting }) => (waiting ?? 0) === 0);
  }

  /** Lines of the logs with an error, and those that are none of ours. */
  errors(): readonly string[] {
    const lines = readdirSync(this.directory).flatMap((node) =>
      readFileSync(join(this.directory, node, 'run.log'), 'utf8')
        .split('\n')
        .filter(Boolean),
    );
    return lines.filter((line) => !line.startsWith('{') || line.includes('"level":"error"'));
  }

  async close(): Promise<void> {
    for (const close of this.closing.reverse()) await close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async build(postgres: DatabaseAccess, processes: number): Promise<void> {
    const partner = await this.partner.listen();
    this.closing.push(() => this.partner.close());
    await this.database.query(`CREATE SCHEMA ${this.prefix}; CREATE TABLE ${this.prefix}.ord (number bigint PRIMARY KEY, name text);
      CREATE TABLE ${this.prefix}.reports (id bigserial PRIMARY KEY, number bigint NOT NULL, name text)`); // no unique key: a second effect would be a second row
    this.closing.push(() => this.database.query(`DROP SCHEMA IF EXISTS ${this.prefix}, ${this.prefix}_store CASCADE`));
    // One after the other: the first makes the schema of the store.
    for (let node = 1; node <= processes; node++) await this.launch(`node${node}`, this.configuration(postgres, partner, processes > 1), postgres.password);
  }

  private async launch(node: string, configuration: string, password: string): Promise<void> {
    const directory = join(this.directory, node);
    mkdirSync(join(directory, 'secrets'), { recursive: true, mode: 0o700 });
    const values = { bus: 'guest', database: password };
    for (const [name, value] of Object.entries(values)) writeFileSync(join(directory, 'secrets', name), value, { mode: 0o600 });
    writeFileSync(join(directory, 'signalbox.yaml'), configuration);
    writeFileSync(join(directory, 'run.log'), '');
    const child = run({ directory, environment: { ...process.env, SIGNALBOX_NODE: node } });
    this.closing.push(() => stop(child, 'SIGKILL'));
    const log = (): string => readFileSync(join(directory, 'run.log'), 'utf8');
    await until(
      () => child.exitCode !== null || log().includes('"started"'),
      'signalbox runs',
      90_000,
      async () => log().slice(-1000),
    );
    if (child.exitCode !== null) throw new Error(log());
  }

  private configuration({ host, port, database, user }: DatabaseAccess, partner: number, isShared: boolean): string {
    const urls = this.cluster.urls.map((url) => `"${url.replace(':guest@', ':${secret:bus}@')}?heartbeat=5"`);
    const server = `host: ${host}, port: ${port}, database: ${database}, user: ${user}, password: "\${secret:database}", tls: "off"`;
    const connect = `{driver: postgres, ${server}}`;
    return `version: 1
bus: {urls: [${urls.join(', ')}], prefix: ${this.prefix}}
${isShared ? `store: {postgres: {${server}, schema: ${this.prefix}_store}}\n` : ''}types:
  Order: {number: required text, name: required text}
systems:
  source:
    adapter: sql
    connect: ${connect}
    read:
      orders: {table: ${this.prefix}.ord, key: number, columns: {number: integer, name: text}, schedule: {every: 200ms}}
  partner:
    adapter: rest
    connect: {base: "http://127.0.0.1:${partner}"}
    write:
      bookings: {method: POST, path: /bookings, parallel: 16}
  reports:
    adapter: sql
    connect: ${connect}
    write:
      orders: {table: ${this.prefix}.reports, mode: insert, columns: {number: integer, name: text}, parallel: 8}
routes:
  orders-in:
    from: source.orders
    publish: Order
    key: order.number
    map: {number: text(record.number), name: record.name}
  orders-out:
    subscribe: Order
    deliver:
      - {name: partner, to: partner.bookings, map: {ref: order.number, name: order.name}}
      - {name: reports, to: reports.orders, map: {number: integer(order.number), name: order.name}}
`;
  }
}
