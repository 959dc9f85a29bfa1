import { EventEmitter } from 'node:events';
import mysql, { type FieldPacket, type PoolConnection, type QueryOptions, type ResultSetHeader } from 'mysql2/promise';
import { abortable, answered, within } from '../../abortable.js';
import type { ServerConnect } from '../../config.js';
import type { Kind, Raw } from '../../values.js';
import { type Bind, CommitUnknown, type Database, type Most, type Result, type Session } from '../dialect.js';
import { RowLimit } from '../row-limit.js';
import { stoodStillMs, tlsOptions } from '../shared.js';
import { classifyMariadb } from './failures.js';

// From the default export: Node, unlike jest, finds no named `Types` in this CommonJS package.
const { createPool, Types } = mysql;

export function connectMariadb(connect: ServerConnect, system: string): Database {
  const tls = tlsOptions(connect, system);
  /** When a connection was made ready. */
  const prepared = new WeakMap<object, number>();
  // The pool has no such limit of its own.
  const giveFree = (connection: PoolConnection): void => {
    const since = prepared.get(connection.connection) ?? performance.now();
    if (performance.now() - since > connect.max_age) connection.destroy();
    else connection.release();
  };
  // The server's own timeout comes first. Ours instead of the driver's, which leaves its timer behind when the link breaks.
  const patience = connect.statement_timeout + 5_000;
  const pool = createPool({
    host: connect.host,
    port: connect.port,
    database: connect.database,
    user: connect.user,
    password: connect.password.reveal(),
    ...(tls ? { ssl: { ...tls, verifyIdentity: true } } : {}),
    connectionLimit: connect.connections,
    maxIdle: connect.connections,
    idleTimeout: 60_000,
    connectTimeout: connect.connect_timeout,
    enableKeepAlive: true,
    charset: 'utf8mb4',
    timezone: 'Z',
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    jsonStrings: true,
    rowsAsArray: true,
    maxPreparedStatements: 200,
    multipleStatements: false,
    connectAttributes: { program_name: 'signalbox' },
    // A server must not be able to ask for a file of ours.
    flags: ['-LOCAL_FILES'],
  });

  const run = async <T>(begin: readonly string[], work: (session: Session) => Promise<T>, signal: AbortSignal): Promise<T> => {
    signal.throwIfAborted();
    let connection: PoolConnection | undefined;
    let committing = false;
    try {
      const connecting = pool.getConnection();
      connection = await abortable(connecting, signal, () => {
        connecting.then(
          (late) => late.destroy(),
          () => undefined,
        );
      });
      const held = connection;
      if (!prepared.has(held.connection)) {
        for (const setting of await settings(held, connect)) await answered(held.query(setting), patience, signal);
        prepared.set(held.connection, performance.now());
      }
      for (const step of begin) await answered(held.query(step), patience, signal);
      const result = await work({ query: (sql, binds, most) => query(held, { sql, binds, most }, patience, signal) });
      committing = true;
      await answered(held.query('COMMIT'), patience, signal);
      connection = undefined;
      giveFree(held);
      return result;
    } catch (error) {
      const failure = classifyMariadb(error);
      if (connection) await giveBack(connection, signal.aborted || failure?.name === 'NotConnected');
      if (signal.aborted) throw signal.reason;
      if (committing && failure?.name === 'NotConnected') throw new CommitUnknown(`${system}: the connection was lost while committing`, { cause: error });
      throw failure ?? error;
    }
  };

  return {
    read: (work, signal) => run(['SET TRANSACTION ISOLATION LEVEL REPEATABLE READ', 'START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY'], work, signal),
    write: (work, signal) => run(['SET TRANSACTION ISOLATION LEVEL READ COMMITTED', 'START TRANSACTION READ WRITE'], work, signal),
    close: () => within(3_000, pool.end()),
  };
}

/** Strict: a value that does not fit is an error and never cut. MariaDB and MySQL name the statement limit differently. */
async function settings(connection: PoolConnection, connect: ServerConnect): Promise<readonly string[]> {
  const [rows] = await connection.query('SELECT VERSION()');
  const mariadb = JSON.stringify(rows).includes('MariaDB');
  const seconds = (ms: number) => Math.max(1, Math.ceil(ms / 1000));
  return [
    "SET SESSION time_zone = '+00:00'",
    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
    `SET SESSION innodb_lock_wait_timeout = ${seconds(connect.lock_timeout)}`,
    `SET SESSION lock_wait_timeout = ${seconds(connect.lock_timeout)}`,
    ...(mariadb ? [`SET SESSION idle_transaction_timeout = ${seconds(stoodStillMs(connect))}`] : []),
    mariadb ? `SET SESSION max_statement_time = ${connect.statement_timeout / 1000}` : `SET SESSION max_execution_time = ${connect.statement_timeout}`,
  ];
}

async function giveBack(connection: PoolConnection, broken: boolean): Promise<void> {
  if (broken) return connection.destroy();
  try {
    await connection.query('ROLLBACK');
    connection.release();
  } catch {
    connection.destroy();
  }
}

interface Asked {
  readonly sql: string;
  readonly binds?: readonly Bind[] | undefined;
  readonly most?: Most | undefined;
}

/** What is beyond the limit is dropped as it arrives. */
function limited({ connection }: PoolConnection, asked: QueryOptions, limit: RowLimit): Promise<[Raw[][], FieldPacket[]]> {
  const { promise, resolve, reject } = Promise.withResolvers<[Raw[][], FieldPacket[]]>();
  const rows: Raw[][] = [];
  let fields: FieldPacket[] = [];
  // What is behind the promises gives rows one by one.
  const command: unknown = connection.execute(asked);
  if (!(command instanceof EventEmitter)) throw new TypeError('the driver gives no rows one by one');
  command.on('fields', (packets: FieldPacket[]) => {
    fields = packets;
  });
  command.on('result', (row: Raw[]) => {
    if (limit.takes(row)) rows.push(row);
  });
  command.on('error', reject);
  command.on('end', () => resolve([rows, fields]));
  return promise;
}

async function query(connection: PoolConnection, { sql, binds = [], most }: Asked, patience: number, signal: AbortSignal): Promise<Result> {
  const values = binds.map((bind) => (bind instanceof Uint8Array ? Buffer.from(bind) : typeof bind === 'bigint' ? bind.toString() : bind));
  const limit = new RowLimit(most);
  const asked = { sql, rowsAsArray: true, values };
  const sent = most ? limited(connection, asked, limit) : connection.execute<Raw[][] & ResultSetHeader>(asked);
  const [result, packets] = (await answered(sent, patience, signal)) as [unknown, FieldPacket[] | undefined];
  if (!Array.isArray(result)) return { fields: [], rows: [], changed: (result as ResultSetHeader).affectedRows };
  // CALL answers the result sets of the procedure; nobody asked for them.
  if (/^\s*CALL\b/i.test(sql)) return { fields: [], rows: [], changed: 0 };
  const fields = (packets ?? []).map((packet) => ({ name: packet.name, kind: KINDS[packet.columnType ?? -1] ?? ('any' satisfies Kind) }));
  const rows = (result as Raw[][]).map((row) => row.map((cell) => (cell instanceof Uint8Array ? new Uint8Array(cell) : cell)));
  return { fields, rows, changed: 0, cut: limit.isCut };
}

const KINDS: Readonly<Record<number, Kind>> = {
  [Types.TINY]: 'integer',
  [Types.SHORT]: 'integer',
  [Types.INT24]: 'integer',
  [Types.LONG]: 'integer',
  [Types.LONGLONG]: 'integer',
  [Types.YEAR]: 'integer',
  [Types.DECIMAL]: 'decimal',
  [Types.NEWDECIMAL]: 'decimal',
  [Types.DATE]: 'date',
  [Types.DATETIME]: 'timestamp',
  [Types.TIMESTAMP]: 'instant',
  [Types.JSON]: 'json',
};
