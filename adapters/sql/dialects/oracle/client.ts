// oracledb in thin mode (no client installation), every value as exact as it came over the wire. The one file that knows the client.
import oracledb from 'oracledb';
import { Misconfigured } from '../../../contract/index.js';
import { abortable, within } from '../../abortable.js';
import type { OracleConnect } from '../../config.js';
import type { Kind, Raw } from '../../values.js';
import type { Bind, Result } from '../dialect.js';
import { tlsOptions } from '../shared.js';

/** What the session reads dates and numbers from text by, whatever the server is set to. */
export const SESSION = `ALTER SESSION SET NLS_DATE_FORMAT = 'YYYY-MM-DD HH24:MI:SS' NLS_TIMESTAMP_FORMAT = 'YYYY-MM-DD HH24:MI:SS.FF9' NLS_TIMESTAMP_TZ_FORMAT = 'YYYY-MM-DD HH24:MI:SS.FF9 TZH:TZM' NLS_NUMERIC_CHARACTERS = '.,' NLS_COMP = BINARY NLS_SORT = BINARY TIME_ZONE = '+00:00'`;

export function attributesOf(connect: OracleConnect, system: string): oracledb.PoolAttributes {
  const tls = tlsOptions(connect, system);
  if (tls?.ca !== undefined && !/PRIVATE KEY/.test(tls.ca)) {
    throw new Misconfigured(
      'E421',
      `${system}: the client of Oracle takes a PEM wallet with certificate and key only; give an authority without a key to the whole process (NODE_EXTRA_CA_CERTS) and leave tls.ca out`,
    );
  }
  return {
    user: connect.user,
    password: connect.password.reveal(),
    connectString: `${tls ? 'tcps' : 'tcp'}://${connect.host}:${connect.port}/${connect.service}`,
    ...(tls ? { sslServerDNMatch: true } : {}),
    ...(tls?.ca === undefined ? {} : { walletContent: tls.ca }),
    connectTimeout: seconds(connect.connect_timeout),
    transportConnectTimeout: seconds(connect.connect_timeout),
    queueTimeout: connect.connect_timeout,
    poolMin: 0,
    poolMax: connect.connections,
    poolIncrement: 1,
    poolTimeout: 60,
    poolPingInterval: 30,
    maxLifetimeSession: 1800,
    stmtCacheSize: 50,
    program: 'signalbox',
    expireTime: 1,
  };
}

export class OracleClient {
  #pool: Promise<oracledb.Pool> | undefined;

  constructor(
    private readonly connect: OracleConnect,
    private readonly system: string,
  ) {}

  async session(signal: AbortSignal): Promise<OracleSession> {
    this.#pool ??= oracledb.createPool(attributesOf(this.connect, this.system)).catch((error: unknown) => {
      this.#pool = undefined;
      throw error;
    });
    const connecting = (await abortable(this.#pool, signal)).getConnection();
    const connection = await abortable(connecting, signal, () => {
      connecting.then((late) => late.close({ drop: true })).catch(() => undefined);
    });
    connection.callTimeout = this.connect.statement_timeout;
    const session = new OracleSession(connection);
    try {
      await session.query(SESSION, [], signal);
      return session;
    } catch (error) {
      await session.end(true);
      throw error;
    }
  }

  async close(): Promise<void> {
    const pool = this.#pool;
    this.#pool = undefined;
    if (pool) await within(3_000, (await pool).close(1));
  }
}

export class OracleSession {
  constructor(private readonly connection: oracledb.Connection) {}

  /** Binds have names, so that one may be used twice. */
  async query(sql: string, binds: readonly Bind[], signal: AbortSignal): Promise<Result> {
    const named = Object.fromEntries(binds.map((bind, at) => [`p${at + 1}`, bind instanceof Uint8Array ? Buffer.from(bind) : typeof bind === 'bigint' ? bind.toString() : bind]));
    const running = this.connection.execute<unknown[]>(sql, named, { outFormat: oracledb.OUT_FORMAT_ARRAY, autoCommit: false, fetchTypeHandler: asText, maxRows: 0 });
    const result = await abortable(running, signal, () => {
      this.connection.break().catch(() => undefined);
    });
    const fields = (result.metaData ?? []).map(({ name, dbTypeName }) => ({ name, kind: kindOf(dbTypeName ?? '') }));
    const rows = (result.rows ?? []).map((row) => row.map((cell, at) => exact(cell, fields[at]?.name ?? '', fields[at]?.kind ?? 'text')));
    return { fields, rows, changed: result.rowsAffected ?? 0 };
  }

  commit(): Promise<void> {
    return this.connection.commit();
  }

  rollback(): Promise<void> {
    return this.connection.rollback();
  }

  /** `broken`: the connection is not used again. */
  async end(broken: boolean): Promise<void> {
    try {
      await within(3_000, this.connection.close({ drop: broken }));
    } catch {
      // It is gone already, which is what was wanted.
    }
  }
}

/** Numbers as the digits of the server, large texts whole. */
function asText({ dbType }: oracledb.Metadata<unknown>): oracledb.FetchTypeResponse | undefined {
  if (dbType === oracledb.DB_TYPE_NUMBER || dbType === oracledb.DB_TYPE_CLOB || dbType === oracledb.DB_TYPE_NCLOB || dbType === oracledb.DB_TYPE_LONG)
    return { type: oracledb.STRING };
  return dbType === oracledb.DB_TYPE_BLOB || dbType === oracledb.DB_TYPE_LONG_RAW ? { type: oracledb.BUFFER } : undefined;
}

export function kindOf(type: string): Kind {
  if (type === 'NUMBER' || /^BINARY_(FLOAT|DOUBLE)$/.test(type)) return 'decimal';
  if (type === 'BINARY_INTEGER') return 'integer';
  return /^(BLOB|RAW|LONG RAW)$/.test(type) ? 'bytes' : type === 'BOOLEAN' ? 'boolean' : 'text';
}

/** @throws Misconfigured for a time: the client has cut it to milliseconds in the zone of this process; columns of a table are read as text */
export function exact(cell: unknown, name: string, kind: Kind): Raw {
  if (cell === null || cell === undefined) return null;
  if (cell instanceof Date) throw new Misconfigured('E427', `${name}: a time comes exactly only as text; write TO_CHAR(${name}, 'YYYY-MM-DD"T"HH24:MI:SS.FF9') in the statement`);
  if (cell instanceof Uint8Array) return new Uint8Array(cell);
  // The client leaves out the zero before the point.
  if (typeof cell === 'string') return kind === 'decimal' ? cell.replace(/^(-?)\./, '$10.') : cell;
  return typeof cell === 'number' || typeof cell === 'boolean' || typeof cell === 'bigint' ? cell : JSON.stringify(cell);
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1000));
}
