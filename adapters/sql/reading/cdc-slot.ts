// What the server has to have for `cdc`, and what it says about it.
import { Misconfigured } from '../../contract/index.js';
import type { Database, Session } from '../dialects/dialect.js';
import { quoted } from '../dialects/shared.js';
import type { CdcOptions } from './cdc-options.js';
import { type Lsn, lsnOf } from './lsn.js';

export interface SlotStatus {
  readonly confirmed: Lsn;
  /** End of the log of the server. */
  readonly current: Lsn;
  /** Bytes of the log the server keeps for it. */
  readonly held: bigint;
  /** `reserved`, `extended`, `unreserved`. */
  readonly status: string;
}

/** @throws Misconfigured with the SQL an administrator has to run */
export async function checkPublication(database: Database, { publication, create }: CdcOptions, table: string | undefined, signal: AbortSignal): Promise<void> {
  const [level, found] = await database.read(async (session) => {
    const { rows } = await session.query("SELECT current_setting('wal_level'), EXISTS (SELECT 1 FROM pg_publication WHERE pubname = $1)", [publication]);
    return rows[0] ?? [];
  }, signal);
  if (level !== 'logical') {
    throw new Misconfigured('E438', `the server runs with wal_level = ${String(level)}; run as administrator: ALTER SYSTEM SET wal_level = 'logical'; and restart the server`);
  }
  if (found === true) return;
  const of = table?.split('.').map(quoted).join('.');
  const sql = `CREATE PUBLICATION ${quoted(publication)} FOR ${of === undefined ? 'ALL TABLES' : `TABLE ${of}`}`;
  if (!create) throw new Misconfigured('E438', `there is no publication ${publication}; run as owner of the table: ${sql};`);
  await database.write((session) => session.query(sql), signal);
}

/**
 * @param started the endpoint has read from the slot before: one that is gone took changes with it
 * @throws Misconfigured
 */
export async function checkSlot(database: Database, { slot, create }: CdcOptions, started: boolean, signal: AbortSignal): Promise<SlotStatus> {
  const found = await database.read((session) => status(session, slot), signal);
  if (found) return found;
  if (started) {
    throw new Misconfigured(
      'E436',
      `the slot ${slot} is gone, and with it the changes since it was read last; reset the endpoint (signalbox systems reset) to begin with a new slot, and load the tables anew`,
    );
  }
  const sql = `SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`;
  if (!create) throw new Misconfigured('E438', `there is no replication slot ${slot}; run in this database, with an account that has the attribute REPLICATION: ${sql};`);
  await database.write((session) => session.query(sql), signal);
  const made = await database.read((session) => status(session, slot), signal);
  if (!made) throw new Misconfigured('E438', `the replication slot ${slot} was created and is not there`);
  return made;
}

const STATUS = `SELECT s.plugin, s.slot_type, s.database = current_database(), s.confirmed_flush_lsn::text, w.lsn::text,
    coalesce(pg_wal_lsn_diff(w.lsn, s.restart_lsn), 0)::bigint, coalesce(s.wal_status, '')
  FROM pg_replication_slots s, (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn) w
  WHERE s.slot_name = $1`;

async function status(session: Session, slot: string): Promise<SlotStatus | undefined> {
  const { rows } = await session.query(STATUS, [slot]);
  const [row] = rows;
  if (!row) return undefined;
  const [plugin, type, here, confirmed, current, held, state] = row;
  if (type !== 'logical' || plugin !== 'pgoutput')
    throw new Misconfigured('E438', `the slot ${slot} is ${String(type)} with the plugin ${String(plugin ?? 'none')}; cdc needs one of its own with pgoutput`);
  if (here !== true) throw new Misconfigured('E438', `the slot ${slot} belongs to another database of the server`);
  if (state === 'lost' || confirmed === null) {
    throw new Misconfigured(
      'E436',
      `the slot ${slot} is lost: it was behind by more than max_slot_wal_keep_size, and the server has removed its log. Drop it (SELECT pg_drop_replication_slot('${slot}');), reset the endpoint (signalbox systems reset), and load the tables anew`,
    );
  }
  return { confirmed: lsnOf(String(confirmed)), current: lsnOf(String(current)), held: BigInt(String(held)), status: String(state) };
}
