import { codes } from '../../codes/index.js';
import { type Diagnosis, fine, problem, warning } from '../../diagnosis.js';
import { describe, failureOf } from '../../errors.js';
import type { PostgresOptions } from './options.js';
import { MIGRATIONS } from './schema.js';
import { type Connection, Server } from './server.js';

interface Facts {
  readonly version: number;
  readonly name: string;
  readonly fsync: string;
  readonly pages: string;
  readonly commits: string;
  readonly isolation: string;
  readonly readOnly: string;
  readonly most: number;
  readonly reserved: number;
  readonly used: number;
  readonly roleMost: number;
  readonly roleUsed: number;
  /** Null when there is no such schema. */
  readonly usage: boolean | null;
  readonly create: boolean | null;
  readonly createSchema: boolean;
  readonly tables: boolean;
}

/** A standby, `fsync = off` and another encoding are refused by every connection of ours, so here they are failures to connect. */
const FACTS = `SELECT current_setting('server_version_num')::integer AS version, current_setting('server_version') AS name,
  current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages, current_setting('synchronous_commit') AS commits,
  current_setting('transaction_isolation') AS isolation, current_setting('default_transaction_read_only') AS "readOnly",
  current_setting('max_connections')::integer AS most, current_setting('superuser_reserved_connections')::integer AS reserved,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::integer AS used,
  (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS "roleMost",
  (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND backend_type = 'client backend')::integer AS "roleUsed",
  (SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = $1) AS usage,
  (SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1) AS create,
  has_database_privilege(current_database(), 'CREATE') AS "createSchema", to_regclass('migration') IS NOT NULL AS tables`;

/** Above this our leases and times in the history do not fit together. */
const MOST_SKEW_MS = 1_000;
const LEAST_VERSION = 130_000;

/** On a connection of its own, which changes nothing. */
export async function diagnosePostgres(options: PostgresOptions, now: () => number): Promise<readonly Diagnosis[]> {
  const server = new Server({ ...options, connections: 1 });
  let connection: Connection | undefined;
  try {
    connection = await server.connect();
    const [facts] = await connection.query<Facts>(FACTS, [options.schema]);
    if (!facts) return [];
    return [...settings(facts), room(facts, options.connections ?? 8), await schema(facts, connection, options.schema), await clock(connection, now)];
  } catch (error) {
    const failure = server.failure(error);
    return [problem('store.connection', describe(failure), 'nothing can be recorded, so nothing is read and delivered', codes[failureOf(failure)?.code ?? 'E540'].fix)];
  } finally {
    await connection?.release();
    await server.close();
  }
}

function settings({ version, name, fsync, pages, commits, isolation, readOnly }: Facts): readonly Diagnosis[] {
  return [
    version < LEAST_VERSION
      ? warning('store.version', `PostgreSQL ${name}`, 'it gets no repairs any more, and nobody tested Signalbox with it', 'upgrade to a version that is maintained')
      : fine('store.version', `PostgreSQL ${name}`),
    // `off` is raised to `on` in our sessions.
    commits === 'local' || commits === 'on' || commits === 'remote_write' || commits === 'remote_apply'
      ? fine('store.durability', `fsync = ${fsync}, synchronous_commit = ${commits}`)
      : problem('store.durability', `synchronous_commit = ${commits}`, 'what was committed a moment ago is gone when the power fails', 'ALTER ROLE ... RESET synchronous_commit'),
    pages === 'on'
      ? fine('store.full-page-writes', 'on')
      : problem(
          'store.full-page-writes',
          pages,
          'a page that was half written when the power failed cannot be repaired',
          'set `full_page_writes = on` in postgresql.conf, unless the file system writes pages whole',
        ),
    ...(readOnly === 'on'
      ? [problem('store.read-only', 'default_transaction_read_only = on', 'nothing can be written', 'ALTER ROLE ... RESET default_transaction_read_only')]
      : []),
    isolation === 'read committed'
      ? fine('store.isolation', isolation)
      : warning(
          'store.isolation',
          isolation,
          'transactions of several nodes collide more often, and are run again',
          "ALTER ROLE ... SET default_transaction_isolation = 'read committed'",
        ),
  ];
}

function room({ most, reserved, used, roleMost, roleUsed }: Facts, wanted: number): Diagnosis {
  const free = Math.min(most - reserved - used, roleMost < 0 ? Number.POSITIVE_INFINITY : roleMost - roleUsed);
  const found = `${free} of ${roleMost < 0 ? most : roleMost} are free; a node takes up to ${wanted}`;
  if (free >= wanted) return fine('store.connections', found);
  return warning(
    'store.connections',
    found,
    'a node that gets no connection waits, and so do its messages',
    'raise `max_connections` in postgresql.conf (or the CONNECTION LIMIT of the role), or lower `store.postgres.connections`',
  );
}

async function schema({ usage, create, createSchema, tables }: Facts, connection: Connection, name: string): Promise<Diagnosis> {
  const check = 'store.schema';
  const why = 'the tables of Signalbox cannot be made or used';
  if (usage === null) {
    if (createSchema) return fine(check, `${name} is not there yet; it is made at the first start`);
    return problem(check, `there is no schema ${name}, and no right to make it`, why, `CREATE SCHEMA "${name}" AUTHORIZATION <user of the store>`);
  }
  if (!usage || !create)
    return problem(check, `no right to ${usage ? 'CREATE' : 'USAGE'} in schema ${name}`, why, `GRANT USAGE, CREATE ON SCHEMA "${name}" TO <user of the store>`);
  if (!tables) return fine(check, `${name} is empty; the tables are made at the first start`);
  const [last] = await connection.query<{ readonly number: number }>('SELECT coalesce(max(number), 0) AS number FROM migration');
  const number = last?.number ?? 0;
  if (number > MIGRATIONS.length)
    return problem(check, `${name} has number ${number}, this version knows ${MIGRATIONS.length}`, 'an older version could damage it', codes.E532.fix);
  return fine(check, `${name}, number ${number}${number < MIGRATIONS.length ? `; brought to ${MIGRATIONS.length} at the next start` : ''}`);
}

async function clock(connection: Connection, now: () => number): Promise<Diagnosis> {
  let best = { trip: Number.POSITIVE_INFINITY, skew: 0 };
  for (let attempt = 0; attempt < 3; attempt++) {
    const before = now();
    const [row] = await connection.query<{ readonly ms: number }>('SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms');
    const trip = now() - before;
    if (row && trip < best.trip) best = { trip, skew: row.ms - (before + trip / 2) };
  }
  const seconds = `${Math.abs(best.skew / 1000).toFixed(1)} s`;
  const found = Math.abs(best.skew) < 100 ? 'the same as ours' : `${seconds} ${best.skew > 0 ? 'ahead of' : 'behind'} ours`;
  if (Math.abs(best.skew) - best.trip / 2 <= MOST_SKEW_MS) return fine('store.clock', found);
  return warning(
    'store.clock',
    found,
    'times in the history are of both clocks, and do not fit together',
    'let both machines follow the same time server (`timedatectl`, `chronyc tracking`)',
  );
}
