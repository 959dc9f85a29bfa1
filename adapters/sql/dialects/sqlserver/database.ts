import type { SqlServerConnect } from '../../config.js';
import { CommitUnknown, type Database, type Session } from '../dialect.js';
import { Pool } from '../pool.js';
import { stoodStillMs } from '../shared.js';
import { configurationOf, SqlServerConnection } from './client.js';
import { classifySqlServer } from './failures.js';

const SNAPSHOTS = 'SELECT snapshot_isolation_state FROM sys.databases WHERE name = DB_NAME()';
export const ROLLBACK = 'IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION';

/** A transaction of one snapshot where the database allows it (ALLOW_SNAPSHOT_ISOLATION), else of committed rows. */
export function beginning(readOnly: boolean, snapshots: boolean, lockTimeout: number): string {
  return `SET LOCK_TIMEOUT ${lockTimeout}; SET TRANSACTION ISOLATION LEVEL ${readOnly && snapshots ? 'SNAPSHOT' : 'READ COMMITTED'}; BEGIN TRANSACTION`;
}

export function connectSqlServer(connect: SqlServerConnect, system: string): Database {
  const configuration = configurationOf(connect, system);
  const lockTimeout = Math.min(connect.lock_timeout, stoodStillMs({ ...connect, lock_timeout: connect.lock_timeout * 2 }));
  let snapshots: boolean | undefined;
  const pool = new Pool<SqlServerConnection>({
    system,
    most: connect.connections,
    open: (signal) => SqlServerConnection.open(configuration, signal),
    drop: (connection) => connection.close(),
  });

  async function run<T>(readOnly: boolean, work: (session: Session) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    let connection: SqlServerConnection | undefined;
    let committing = false;
    let broken = true;
    try {
      const held = await pool.take(signal);
      connection = held;
      snapshots ??= Number((await held.query(SNAPSHOTS, [], signal)).rows[0]?.[0]) === 1;
      await held.query(beginning(readOnly, snapshots, lockTimeout), [], signal);
      const result = await work({ query: (sql, binds) => held.query(sql, binds ?? [], signal) });
      committing = true;
      await held.query('COMMIT TRANSACTION', [], signal);
      broken = held.isBroken;
      return result;
    } catch (error) {
      const failure = classifySqlServer(error);
      broken = signal.aborted || !connection || connection.isBroken || failure?.name === 'NotConnected' || !(await rolledBack(connection));
      if (signal.aborted) throw signal.reason;
      if (committing && failure?.name === 'NotConnected') throw new CommitUnknown(`${system}: the connection was lost while committing`, { cause: error });
      throw failure ?? error;
    } finally {
      if (connection) pool.give(connection, broken);
    }
  }

  return {
    read: (work, signal) => run(true, work, signal),
    write: (work, signal) => run(false, work, signal),
    close: async () => pool.close(),
  };
}

async function rolledBack(connection: SqlServerConnection): Promise<boolean> {
  try {
    await connection.query(ROLLBACK, [], AbortSignal.timeout(5_000));
    return true;
  } catch {
    return false;
  }
}
