import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { type Partner, startPartner } from '../../examples/orders/partners.js';
import { services } from '../services/services.js';

export interface Expected {
  readonly files: number;
  readonly invoices: number;
  readonly shipments: number;
  readonly rows: number;
  readonly deadLetters: number;
}

/** The systems around `examples/orders` as real servers: a legacy PostgreSQL, OpenSSH, MariaDB and two REST partners; the bus is up to the test. */
export class OrdersWorld {
  readonly directory = mkdtempSync(join(tmpdir(), 'signalbox-orders-'));
  private readonly schema = `orders_${process.pid}_${Date.now()}`;
  private next = 1;
  private invoices = 0;
  private files = 0;
  private shipments = 0;
  private rows = 0;
  private deadLetters = 0;

  private constructor(
    readonly accounting: Partner,
    readonly shipping: Partner,
    private readonly legacy: pg.Client,
    private readonly reporting: mysql.Connection,
    private readonly folder: string,
  ) {}

  static async start(bus: string): Promise<OrdersWorld> {
    const [postgres, mariadb, sshd] = await Promise.all([services.postgres(), services.mariadb(), services.sshd()]);
    const [accounting, shipping] = await Promise.all([startPartner('token-of-accounting', 'INV'), startPartner('token-of-shipping', 'SHP')]);
    const legacy = new pg.Client(postgres);
    await legacy.connect();
    const reporting = await mysql.createConnection(mariadb);
    const folder = `erp-${process.pid}-${Date.now()}`;
    mkdirSync(join(sshd.directory, folder));
    const world = new OrdersWorld(accounting, shipping, legacy, reporting, join(sshd.directory, folder));
    await legacy.query(`CREATE SCHEMA ${world.schema};
      CREATE TABLE ${world.schema}.ord_head (ord_no bigint PRIMARY KEY, cust text, ctry text, cur text, due_dt text, amt text, status text);
      CREATE TABLE ${world.schema}.ord_line (ord_no bigint, line_no int, art text, knd text, qty int, price numeric(12,2), PRIMARY KEY (ord_no, line_no));`);
    await reporting.query(`CREATE TABLE ${world.schema} (number varchar(40) PRIMARY KEY, source text, customer text, country text, due date, total decimal(14,2), line_count int)`);
    world.configure(bus, postgres, mariadb, sshd, folder);
    return world;
  }

  /** Adds `count` orders with their lines in transactions of 100, and notes what has to come of them. */
  async addOrders(count: number): Promise<void> {
    for (let done = 0; done < count; done += 100) {
      const heads: string[] = [];
      const lines: string[] = [];
      for (let i = 0; i < Math.min(100, count - done); i++) this.makeOrder(heads, lines);
      await this.legacy.query(`BEGIN; INSERT INTO ${this.schema}.ord_head VALUES ${heads.join(',')}; INSERT INTO ${this.schema}.ord_line VALUES ${lines.join(',')}; COMMIT`);
    }
  }

  private makeOrder(heads: string[], lines: string[]): void {
    const number = this.next++;
    const isDraft = number % 50 === 0;
    const isUnknown = number % 500 === 7;
    const country = isUnknown ? '999' : (['276', '040', '756', '840'][number % 4] ?? '276');
    const cents = (number * 7919) % 250_000;
    heads.push(
      `(${number}, '${number % 1000}', '${country}', 'EUR', '20260301', '${Math.floor(cents / 100)},${String(cents % 100).padStart(2, '0')}', '${isDraft ? 'DRAFT' : 'OPEN'}')`,
    );
    const goods = number % 3;
    for (let line = 1; line <= goods + 1; line++)
      lines.push(`(${number}, ${line}, '${line <= goods ? 'A' : 'S'}-${line}', '${line <= goods ? 'GOODS' : 'SERVICE'}', ${line}, 19.90)`);
    if (isDraft) return;
    if (isUnknown) {
      this.deadLetters++;
      return;
    }
    this.rows++;
    if (country !== '840') this.files++;
    if (cents >= 100_000) this.invoices++;
    this.shipments += goods;
  }

  get expected(): Expected {
    const { files, invoices, shipments, rows, deadLetters } = this;
    return { files, invoices, shipments, rows, deadLetters };
  }

  /** What the systems outside have now. */
  async arrived(): Promise<Omit<Expected, 'deadLetters'>> {
    const [result] = await this.reporting.query<mysql.RowDataPacket[]>(`SELECT count(*) AS n FROM ${this.schema}`);
    return { files: this.fileNames().length, invoices: this.accounting.effects.size, shipments: this.shipping.effects.size, rows: Number(result[0]?.['n']) };
  }

  fileNames(): readonly string[] {
    return readdirSync(this.folder).filter((name) => name.endsWith('.dat'));
  }

  file(name: string): string {
    return readFileSync(join(this.folder, name), 'latin1');
  }

  async close(): Promise<void> {
    await Promise.all([this.accounting.close(), this.shipping.close(), this.legacy.end(), this.reporting.end()]);
    rmSync(this.directory, { recursive: true, force: true });
  }

  private configure(
    bus: string,
    postgres: Awaited<ReturnType<typeof services.postgres>>,
    mariadb: Awaited<ReturnType<typeof services.mariadb>>,
    sshd: Awaited<ReturnType<typeof services.sshd>>,
    folder: string,
  ): void {
    const { directory, schema } = this;
    cpSync(new URL('../../../examples/orders', import.meta.url), directory, { recursive: true, filter: (path) => !path.endsWith('.ts') });
    const write = (path: string, text: string): void => writeFileSync(join(directory, path), text);
    const url = new URL(bus);
    write(
      'signalbox.yaml',
      `version: 1\nbus: "${bus.replace(`:${url.password}@`, ':${secret:rabbitmq}@')}"\nlisten: "127.0.0.1:0"\ndefaults:\n  retry: {attempts: 20, wait: 1s..10s, factor: 2, jitter: 20%}\n`,
    );
    const secrets = join(directory, 'secrets');
    mkdirSync(secrets, { mode: 0o700 });
    const values = {
      rabbitmq: url.password,
      accounting: 'token-of-accounting',
      shipping: 'token-of-shipping',
      legacy: postgres.password,
      reporting: mariadb.password,
      erp_key: sshd.privateKey,
    };
    for (const [name, value] of Object.entries(values)) writeFileSync(join(secrets, name), value, { mode: 0o600 });
    const legacy = readFileSync(join(directory, 'systems/legacy.yaml'), 'utf8')
      .replace(
        /connect: .*/,
        `connect: {driver: postgres, host: ${postgres.host}, port: ${postgres.port}, database: ${postgres.database}, user: ${postgres.user}, password: "\${secret:legacy}", tls: "off"}`,
      )
      .replace('ORD_HEAD', `${schema}.ord_head`)
      .replace('ORD_LINE', `${schema}.ord_line`)
      .replace(/[A-Z]+(_[A-Z]+)?(?=: (text|integer|decimal))/g, (name) => name.toLowerCase())
      .replace('key: ORD_NO', 'key: ord_no')
      .replace('by: ORD_NO', 'by: ord_no');
    write('systems/legacy.yaml', legacy);
    const routes = readFileSync(join(directory, 'routes/orders-in.yaml'), 'utf8').replace(
      /\b(record|it)\.([A-Z_]+)/g,
      (_, scope: string, name: string) => `${scope}.${name.toLowerCase()}`,
    );
    write('routes/orders-in.yaml', routes);
    const erp = readFileSync(join(directory, 'systems/erp.yaml'), 'utf8')
      .replace('adapter: file', 'adapter: sftp')
      .replace(/connect: .*/, `connect: {host: ${sshd.host}, port: ${sshd.port}, user: ${sshd.username}, key: "\${secret:erp_key}", host_key: "${sshd.hostKey}"}`)
      .replace('path: "ORD_', `path: "${folder}/ORD_`);
    write('systems/erp.yaml', erp);
    const reporting = readFileSync(join(directory, 'systems/reporting.yaml'), 'utf8')
      .replace(
        /connect: .*/,
        `connect: {driver: mariadb, host: ${mariadb.host}, port: ${mariadb.port}, database: ${mariadb.database}, user: ${mariadb.user}, password: "\${secret:reporting}", tls: "off"}`,
      )
      .replace('table: orders', `table: ${schema}`)
      .replace('lines: integer', 'line_count: integer');
    write('systems/reporting.yaml', reporting);
    write('routes/orders-out.yaml', readFileSync(join(directory, 'routes/orders-out.yaml'), 'utf8').replace('lines: size(order.lines)', 'line_count: size(order.lines)'));
    rmSync(join(directory, 'systems/webshop.yaml'));
    rmSync(join(directory, 'routes/webshop-in.yaml'));
    rmSync(join(directory, 'tests'), { recursive: true });
  }

  /** Environment for the process that runs this configuration. */
  get environment(): NodeJS.ProcessEnv {
    return { ...process.env, DEMO_DIR: this.directory, DEMO_ACCOUNTING: this.accounting.url, DEMO_SHIPPING: this.shipping.url };
  }
}
