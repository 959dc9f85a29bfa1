import {
  type Adapter,
  CLOCK,
  type Clock,
  type ConnectedSystem,
  type EndpointContext,
  inject,
  injectable,
  LOGGER,
  type Logger,
  Misconfigured,
  type PollingInbound,
  type Provision,
  type ProvisionRequest,
} from '../contract/index.js';
import { SqlCallable } from './callable.js';
import type { Call, Connect, Read, Write } from './config.js';
import { describeTable, listTables, sampleTable } from './describe.js';
import type { Database, Dialect } from './dialects/dialect.js';
import { zoned } from './dialects/zoned.js';
import { SqlOutbound } from './outbound.js';
import { probe } from './probe.js';
import { provision } from './provision.js';
import { reading } from './reading/index.js';
import { STRATEGIES, strategyOf } from './reading/strategies.js';
import { type Strategy, tableRead } from './reading/strategy.js';

// A driver is loaded when a system needs it.
const DIALECTS: Readonly<Record<Connect['driver'], (connect: Connect) => Promise<Dialect>>> = {
  sqlite: async () => (await import('./dialects/sqlite/dialect.js')).dialect,
  postgres: async () => (await import('./dialects/postgres/dialect.js')).dialect,
  sqlserver: async () => (await import('./dialects/sqlserver/dialect.js')).dialect,
  oracle: async () => (await import('./dialects/oracle/dialect.js')).dialect,
  odbc: async (connect) => {
    if (connect.driver !== 'odbc') throw new TypeError('not an ODBC connection');
    return (await import('./dialects/odbc/dialect.js')).odbcDialect(connect);
  },
  mariadb: async () => (await import('./dialects/mariadb/dialect.js')).dialect,
};

@injectable()
export class SqlAdapter implements Adapter {
  constructor(
    @inject(LOGGER) private readonly log: Logger,
    @inject(CLOCK) private readonly clock: Clock,
  ) {}

  system(name: string, connect: unknown): ConnectedSystem {
    return new SqlSystem(name, connect as Connect, this.log, this.clock);
  }
}

/** One database; its endpoints share the connections. */
class SqlSystem implements ConnectedSystem {
  readonly #read = new Set<string>();
  readonly #written = new Set<string>();
  /** What a way of reading changes, by table. */
  readonly #triggers = new Map<string, Read>();
  readonly #needed = new Map<string, string>();
  #link: Promise<{ readonly dialect: Dialect; readonly database: Database }> | undefined;

  constructor(
    private readonly name: string,
    private readonly connect: Connect,
    private readonly log: Logger,
    private readonly clock: Clock,
  ) {}

  inbound(endpoint: EndpointContext): PollingInbound {
    const config = endpoint.config as Read;
    const strategy: Strategy = STRATEGIES[strategyOf(config)];
    if (config.table !== undefined) this.#read.add(config.table);
    for (const { table, right } of strategy.rights?.(config) ?? []) this.#needed.set(table, right);
    for (const child of Object.values(config.include)) this.#read.add(child.table);
    if (config.triggers) this.#triggers.set(endpoint.name, config);
    return reading({ endpoint, system: this.name, connect: this.connect, link: this.#connected, log: this.log, clock: this.clock }, config);
  }

  outbound(endpoint: EndpointContext): SqlOutbound {
    const config = endpoint.config as Write;
    for (const { table } of [config, ...Object.values(config.include)]) if (table !== undefined) this.#written.add(table);
    return new SqlOutbound(endpoint, config, this.#connected);
  }

  callable(endpoint: EndpointContext): SqlCallable {
    return new SqlCallable(endpoint.config as Call, this.connect, this.#connected, this.clock);
  }

  probe(signal: AbortSignal) {
    return probe(this.connect, this.#connected, { read: this.#read, written: this.#written, needed: this.#needed, triggers: this.#triggers }, this.clock, signal);
  }

  async provision(endpoint: string, request: ProvisionRequest, signal: AbortSignal): Promise<Provision> {
    const read = this.#triggers.get(endpoint);
    if (!read) throw new Misconfigured('E434', `${endpoint} is no endpoint that reads by triggers: it has no \`read: {triggers: {}}\``);
    return provision(await this.#connected(), tableRead(read), request, signal);
  }

  async list(signal: AbortSignal) {
    return listTables(await this.#connected(), signal);
  }

  async describe(name: string, signal: AbortSignal) {
    return describeTable(await this.#connected(), name, signal);
  }

  async sample(name: string, count: number, signal: AbortSignal) {
    return sampleTable(await this.#connected(), name, count, signal);
  }

  async close(): Promise<void> {
    const link = this.#link;
    this.#link = undefined;
    if (link) await (await link).database.close();
  }

  readonly #connected = () => {
    this.#link ??= this.#open();
    return this.#link;
  };

  async #open() {
    try {
      const dialect = await DIALECTS[this.connect.driver](this.connect);
      return { dialect: zoned(dialect, this.connect), database: dialect.connect(this.connect, this.name) };
    } catch (error) {
      this.#link = undefined;
      throw error;
    }
  }
}
