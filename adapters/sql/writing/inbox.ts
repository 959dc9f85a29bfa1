import { Misconfigured, NotConnected, TryAgain } from '../../contract/index.js';
import type { Dialect, Session } from '../dialects/dialect.js';
import type { Link } from '../reading/source.js';

/** Another session has applied one of the deliveries since the inbox was read: the transaction is undone and run again, and finds it. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken';
}

/** Those of `ids` that were applied. */
export async function applied(dialect: Dialect, session: Session, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const done = new Set<string>();
  for (let from = 0; from < ids.length; from += dialect.capabilities.binds) {
    const part = ids.slice(from, from + dialect.capabilities.binds);
    const { rows } = await session.query(`SELECT delivery_id FROM signalbox_inbox WHERE delivery_id IN (${part.map((_, at) => dialect.place(at + 1)).join(', ')})`, part);
    for (const row of rows) done.add(String(row[0]));
  }
  return done;
}

/** Notes that the deliveries are applied, in the transaction that does it. @throws Overtaken */
export async function remember(dialect: Dialect, session: Session, endpoint: string, ids: readonly string[]): Promise<void> {
  const { capabilities, place, skipDuplicates } = dialect;
  const most = Math.min(capabilities.rowsPerInsert, Math.floor(capabilities.binds / 2));
  for (let from = 0; from < ids.length; from += most) {
    const part = ids.slice(from, from + most);
    const rows = part.map((_, at) => `(${place(2 * at + 1)}, ${place(2 * at + 2)})`);
    const insert = `INSERT INTO signalbox_inbox (delivery_id, endpoint) VALUES ${rows.join(', ')}`;
    const binds = part.flatMap((id) => [id, endpoint.slice(0, 200)]);
    try {
      const { changed } = await session.query(skipDuplicates ? skipDuplicates(insert) : insert, binds);
      if (skipDuplicates && changed < part.length) throw new Overtaken();
    } catch (cause) {
      if (cause instanceof Overtaken || dialect.classify(cause)?.code !== 'E331') throw cause;
      throw new Overtaken('a duplicate', { cause });
    }
  }
}

/** Creates the inbox table when it is missing. @throws Misconfigured with the statement to run */
export async function prepareInbox({ dialect, database }: Link, mayCreate: boolean, signal: AbortSignal): Promise<void> {
  const there = async () => !('candidates' in (await database.read((session) => dialect.table(session, 'signalbox_inbox'), signal)));
  if (await there()) return;
  const missing = `the table signalbox_inbox is missing; run: ${dialect.createInbox}`;
  if (!mayCreate) throw new Misconfigured('E425', missing);
  try {
    await database.write((session) => session.query(dialect.createInbox), signal);
  } catch (cause) {
    if (cause instanceof NotConnected || cause instanceof TryAgain) throw cause;
    // Another node may have created it at the same moment.
    if (!(await there())) throw new Misconfigured('E425', missing, { cause });
  }
}
