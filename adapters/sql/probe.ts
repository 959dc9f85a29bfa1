import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect as dial } from 'node:net';
import { type Clock, describe, failureOf, Misconfigured, type ProbeStep } from '../contract/index.js';
import { findTable } from './catalogue.js';
import type { Connect, Read } from './config.js';
import type { Database, Dialect } from './dialects/dialect.js';
import { planTable } from './reading/page.js';
import { tableRead } from './reading/strategy.js';
import { checkTriggers, planTriggers } from './reading/triggers.js';

const MOST = 10_000;

export interface Tables {
  readonly read: ReadonlySet<string>;
  readonly written: ReadonlySet<string>;
  /** The right a way of reading needs, by table. */
  readonly needed: ReadonlyMap<string, string>;
  /** Endpoints that read by triggers. */
  readonly triggers: ReadonlyMap<string, Read>;
}

/** Goes through a connection step by step and stops where going on makes no sense. Never throws. */
export async function probe(
  connect: Connect,
  link: () => Promise<{ readonly dialect: Dialect; readonly database: Database }>,
  tables: Tables,
  clock: Clock,
  signal: AbortSignal,
): Promise<readonly ProbeStep[]> {
  const steps: ProbeStep[] = [];
  const step = async (name: string, work: () => Promise<string>): Promise<boolean> => {
    const start = clock.monotonic();
    try {
      const detail = await work();
      steps.push({ name, ok: true, detail: detail || `${Math.round(clock.monotonic() - start)} ms` });
      return true;
    } catch (error) {
      const fix = failureOf(error)?.hint;
      steps.push({ name, ok: false, detail: describe(error), ...(fix === undefined ? {} : { fix }) });
      return false;
    }
  };
  if ('host' in connect) {
    if (!(await step('dns', async () => (await lookup(connect.host)).address))) return steps;
    if (!(await step('tcp', () => reach(connect.host, connect.port, connect.connect_timeout, signal)))) return steps;
  }
  const opened = await step(connect.driver === 'sqlite' ? 'open' : 'login', async () => {
    const { dialect, database } = await link();
    await database.read((session) => session.query(dialect.ping), signal);
    return '';
  });
  if (!opened) return steps;
  for (const name of new Set([...tables.read, ...tables.written, ...tables.needed.keys()])) {
    await step(`read ${name}`, async () => {
      const { dialect, database } = await link();
      return database.read(async (session) => {
        const table = await findTable(dialect, session, name);
        const { rows } = await session.query(`SELECT count(*) FROM (${dialect.page({ columns: '1 AS one', from: table.sql, limit: MOST + 1 })}) counted`);
        const count = Number(rows[0]?.[0]);
        return count > MOST ? `more than ${MOST} rows` : `${count} ${count === 1 ? 'row' : 'rows'}`;
      }, signal);
    });
    await step(`write right ${name}`, async () => {
      const { dialect, database } = await link();
      const rights = await database.read(async (session) => dialect.writeRights(session, await findTable(dialect, session, name)), signal);
      if (rights === undefined) return 'the driver does not tell';
      const list = rights.length === 0 ? 'none' : rights.join(', ');
      const needed = tables.needed.get(name);
      // Where rights are not told one by one (a file), any is enough.
      if (needed !== undefined && (list === 'none' || (/INSERT|UPDATE|DELETE/.test(list) && !list.includes(needed)))) {
        throw new Misconfigured('E423', `${list === 'none' ? 'no right to write is seen' : list}; this way of reading needs ${needed}`);
      }
      return tables.written.has(name) || needed !== undefined ? list : list === 'none' ? 'none (good)' : `${list} (more than reading needs)`;
    });
  }
  for (const [endpoint, config] of tables.triggers) {
    await step(`triggers ${endpoint}`, async () => {
      const { dialect, database } = await link();
      const read = tableRead(config);
      return database.read(async (session) => {
        const { table, keyColumns } = await planTable(dialect, session, { ...read, include: {} });
        let seen = 'installed';
        await checkTriggers(dialect, session, planTriggers(dialect, table, keyColumns, read), read, endpoint, () => {
          seen = 'this account may not see triggers';
        });
        return seen;
      }, signal);
    });
  }
  return steps;
}

async function reach(host: string, port: number, timeout: number, signal: AbortSignal): Promise<string> {
  const socket = dial({ host, port, signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]) });
  try {
    await once(socket, 'connect');
    return '';
  } finally {
    socket.destroy();
  }
}
