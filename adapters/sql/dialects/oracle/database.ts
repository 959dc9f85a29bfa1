import type { OracleConnect } from '../../config.js';
import { CommitUnknown, type Database, type Session } from '../dialect.js';
import { OracleClient, type OracleSession } from './client.js';
import { classifyOracle } from './failures.js';

export const READ_ONLY = 'SET TRANSACTION READ ONLY';

export function connectOracle(connect: OracleConnect, system: string): Database {
  const client = new OracleClient(connect, system);

  async function run<T>(begin: string | undefined, work: (session: Session) => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    let held: OracleSession | undefined;
    let committing = false;
    let broken = true;
    try {
      const session = await client.session(signal);
      held = session;
      if (begin !== undefined) await session.query(begin, [], signal);
      const result = await work({ query: (sql, binds) => session.query(sql, binds ?? [], signal) });
      committing = true;
      await session.commit();
      broken = false;
      return result;
    } catch (error) {
      const failure = classifyOracle(error);
      broken = signal.aborted || failure?.name === 'NotConnected' || (held !== undefined && !(await rolledBack(held)));
      if (signal.aborted) throw signal.reason;
      if (committing && failure?.name === 'NotConnected') throw new CommitUnknown(`${system}: the connection was lost while committing`, { cause: error });
      throw failure ?? error;
    } finally {
      await held?.end(broken);
    }
  }

  return {
    read: (work, signal) => run(READ_ONLY, work, signal),
    write: (work, signal) => run(undefined, work, signal),
    close: () => client.close(),
  };
}

async function rolledBack(session: OracleSession): Promise<boolean> {
  try {
    await session.rollback();
    return true;
  } catch {
    return false;
  }
}
