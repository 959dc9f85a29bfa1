// tedious (TDS) as promises, every value as exact as it came over the wire. The one file that knows the client.
import tedious, { type ConnectionConfiguration } from 'tedious';
import { Misconfigured } from '../../../contract/index.js';
import { abortable } from '../../abortable.js';
import type { SqlServerConnect } from '../../config.js';
import type { Bind, Result } from '../dialect.js';
import { tlsOptions } from '../shared.js';
import { exact, kindOf } from './cells.js';

/** NULL for a column of bytes: the server converts no text to bytes, not even NULL. */
export const NULL_BYTES = new Uint8Array(0);

const CANCEL_MS = 5_000;

export function configurationOf(connect: SqlServerConnect, system: string): ConnectionConfiguration {
  const tls = tlsOptions(connect, system);
  return {
    server: connect.host,
    authentication: { type: 'default', options: { userName: connect.user, password: connect.password.reveal() } },
    options: {
      port: connect.port,
      database: connect.database,
      encrypt: tls !== undefined,
      trustServerCertificate: false,
      ...(tls?.servername === undefined ? {} : { serverName: tls.servername }),
      cryptoCredentialsDetails: { minVersion: 'TLSv1.2', ...(tls?.ca === undefined ? {} : { ca: tls.ca }) },
      appName: 'signalbox',
      connectTimeout: connect.connect_timeout,
      requestTimeout: connect.statement_timeout,
      cancelTimeout: CANCEL_MS,
      maxRetriesOnTransientErrors: 0,
      // An error ends the whole transaction: no statement of it stays.
      abortTransactionOnError: true,
      enableArithAbort: true,
      useUTC: true,
      useColumnNames: false,
      rowCollectionOnRequestCompletion: false,
      textsize: 2_147_483_647,
    },
  };
}

export class SqlServerConnection {
  #broken = false;

  private constructor(private readonly connection: InstanceType<typeof tedious.Connection>) {
    connection.on('end', () => {
      this.#broken = true;
    });
    // What breaks a connection while it is idle is found by its next statement.
    connection.on('error', () => {
      this.#broken = true;
    });
  }

  /** @throws what tedious throws */
  static async open(configuration: ConnectionConfiguration, signal: AbortSignal): Promise<SqlServerConnection> {
    const connection = new tedious.Connection(configuration);
    const held = new SqlServerConnection(connection);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    connection.connect((error) => (error ? reject(error) : resolve()));
    try {
      await abortable(promise, signal);
      return held;
    } catch (error) {
      held.close();
      throw error;
    }
  }

  get isBroken(): boolean {
    return this.#broken;
  }

  /** Without binds as a batch, so that it may begin and end transactions. One at a time. */
  async query(sql: string, binds: readonly Bind[], signal: AbortSignal): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    let fields: Result['fields'] = [];
    const rows: Result['rows'][number][] = [];
    const request = new tedious.Request(sql, (error, count) => (error ? reject(error) : resolve(count ?? 0)));
    request.on('columnMetadata', (columns) => {
      const list = Array.isArray(columns) ? columns : Object.values(columns);
      fields = list.map((column) => ({ name: column.colName, kind: kindOf(column.type.name) }));
    });
    let unreadable: Misconfigured | undefined;
    request.on(
      'row',
      (
        columns: readonly {
          readonly value: unknown;
          readonly metadata: { readonly colName: string; readonly type: { readonly name: string }; readonly scale?: number; readonly dataLength?: number };
        }[],
      ) => {
        try {
          rows.push(columns.map(({ value, metadata }) => exact(value, metadata)));
        } catch (error) {
          unreadable ??= error instanceof Misconfigured ? error : new Misconfigured('E427', String(error));
        }
      },
    );
    binds.forEach((bind, at) => {
      const name = `p${at + 1}`;
      if (bind instanceof Uint8Array) request.addParameter(name, tedious.TYPES.VarBinary, bind === NULL_BYTES ? null : Buffer.from(bind));
      else request.addParameter(name, tedious.TYPES.NVarChar, bind === null ? null : String(bind));
    });
    if (binds.length === 0) this.connection.execSqlBatch(request);
    else this.connection.execSql(request);
    const changed = await abortable(promise, signal, () => {
      this.#broken = true;
      this.connection.cancel();
    });
    if (unreadable) throw unreadable;
    return { fields, rows, changed };
  }

  close(): void {
    this.#broken = true;
    this.connection.close();
  }
}
