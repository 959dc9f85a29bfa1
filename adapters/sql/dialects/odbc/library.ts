// The ODBC driver manager of the machine (unixODBC), called directly: the one file that knows its functions. Runs only in threads of `thread.ts`:
// every call waits for the driver. Constants and signatures: Microsoft ODBC API Reference, sql.h and sqlext.h.
import koffi from 'koffi';

export type Handle = bigint;

/** Memory the driver reads later than the call that names it. */
export interface Memory {
  readonly at: bigint;
  readonly bytes: Buffer;
  free(): void;
}

export const HANDLE = { environment: 1, connection: 2, statement: 3 } as const;
export const RESULT = { ok: 0, info: 1, noData: 100 } as const;
export const INDICATOR = { null: -1n, unknown: -4n } as const;
export const C_TYPE = { char: 1, wide: -8, binary: -2, double: 8 } as const;
export const ATTRIBUTE = { accessMode: 101, autocommit: 102, loginTimeout: 103, isolation: 108, connectionTimeout: 113, dead: 1209 } as const;
export const STATEMENT = { queryTimeout: 0, maxRows: 1 } as const;
export const FREE = { close: 0, unbind: 2, resetParameters: 3 } as const;
export const INFO = { databaseName: 16, dbms: 17, dbmsVersion: 18, driver: 6, quote: 29, escape: 14, transactions: 46 } as const;

const NULL_TERMINATED = -3;

export type Library = ReturnType<typeof loadLibrary>;

/** @throws when the driver manager is not installed */
export function loadLibrary(file: string) {
  // Drivers keep big buffers on the stack.
  koffi.config({ sync_stack_size: 4 << 20 });
  const library = koffi.load(file);
  const bind = (name: string, ...parameters: readonly string[]): ((...values: readonly unknown[]) => number) => {
    const call: (...values: readonly unknown[]) => unknown = library.func(name, 'int16_t', [...parameters]);
    return (...values) => Number(call(...values));
  };
  const allocate = bind('SQLAllocHandle', 'int16_t', 'void *', 'void *');
  const setEnvironment = bind('SQLSetEnvAttr', 'void *', 'int32_t', 'intptr_t', 'int32_t');
  const driverConnect = bind('SQLDriverConnectW', 'void *', 'void *', 'void *', 'int16_t', 'void *', 'int16_t', 'void *', 'uint16_t');
  const disconnect = bind('SQLDisconnect', 'void *');
  const freeHandle = bind('SQLFreeHandle', 'int16_t', 'void *');
  const freeStatement = bind('SQLFreeStmt', 'void *', 'uint16_t');
  const setConnection = bind('SQLSetConnectAttrW', 'void *', 'int32_t', 'intptr_t', 'int32_t');
  const getConnection = bind('SQLGetConnectAttrW', 'void *', 'int32_t', 'void *', 'int32_t', 'void *');
  const setStatement = bind('SQLSetStmtAttrW', 'void *', 'int32_t', 'intptr_t', 'int32_t');
  const getInfo = bind('SQLGetInfoW', 'void *', 'uint16_t', 'void *', 'int16_t', 'void *');
  const endTransaction = bind('SQLEndTran', 'int16_t', 'void *', 'int16_t');
  const execDirect = bind('SQLExecDirectW', 'void *', 'void *', 'int32_t');
  const prepare = bind('SQLPrepareW', 'void *', 'void *', 'int32_t');
  const execute = bind('SQLExecute', 'void *');
  const describeParameter = bind('SQLDescribeParam', 'void *', 'uint16_t', 'void *', 'void *', 'void *', 'void *');
  const bindParameter = bind('SQLBindParameter', 'void *', 'uint16_t', 'int16_t', 'int16_t', 'int16_t', 'uintptr_t', 'int16_t', 'uintptr_t', 'intptr_t', 'uintptr_t');
  const countColumns = bind('SQLNumResultCols', 'void *', 'void *');
  const describeColumn = bind('SQLDescribeColW', 'void *', 'uint16_t', 'void *', 'int16_t', 'void *', 'void *', 'void *', 'void *', 'void *');
  const countRows = bind('SQLRowCount', 'void *', 'void *');
  const fetch = bind('SQLFetch', 'void *');
  const getData = bind('SQLGetData', 'void *', 'uint16_t', 'int16_t', 'void *', 'intptr_t', 'void *');
  const cancel = bind('SQLCancel', 'void *');
  const diagnose = bind('SQLGetDiagRecW', 'int16_t', 'void *', 'int16_t', 'void *', 'void *', 'void *', 'int16_t', 'void *');
  const listDrivers = bind('SQLDriversW', 'void *', 'uint16_t', 'void *', 'int16_t', 'void *', 'void *', 'int16_t', 'void *');
  const listSources = bind('SQLDataSourcesW', 'void *', 'uint16_t', 'void *', 'int16_t', 'void *', 'void *', 'int16_t', 'void *');
  const four = ['void *', 'int16_t', 'void *', 'int16_t', 'void *', 'int16_t'] as const;
  const tables = bind('SQLTablesW', 'void *', ...four, 'void *', 'int16_t');
  const columns = bind('SQLColumnsW', 'void *', ...four, 'void *', 'int16_t');
  const primaryKeys = bind('SQLPrimaryKeysW', 'void *', ...four);
  const statistics = bind('SQLStatisticsW', 'void *', ...four, 'uint16_t', 'uint16_t');
  const foreignKeys = bind('SQLForeignKeysW', 'void *', ...four, ...four);

  const number = Buffer.alloc(8);
  const text = Buffer.alloc(4096);
  const wide = (value: string) => Buffer.from(`${value}\0`, 'utf16le');
  /** A name of a catalogue function; undefined asks for any. */
  const named = (value: string | undefined): readonly [Buffer | null, number] => (value === undefined ? [null, 0] : [wide(value), NULL_TERMINATED]);
  const names = (values: readonly (string | undefined)[]) => values.flatMap(named);

  return {
    allocate(kind: number, parent: Handle | null): Handle {
      number.fill(0);
      const result = allocate(kind, parent, number);
      if (result !== RESULT.ok && result !== RESULT.info) throw new Error(`SQLAllocHandle failed (${result})`);
      return number.readBigUInt64LE();
    },
    freeHandle: (kind: number, handle: Handle) => freeHandle(kind, handle),
    setVersion3: (environment: Handle) => setEnvironment(environment, 200, 3, 0),
    connect: (connection: Handle, connectionString: string) => driverConnect(connection, null, wide(connectionString), NULL_TERMINATED, null, 0, null, 0),
    disconnect: (connection: Handle) => disconnect(connection),
    setConnection: (connection: Handle, attribute: number, value: number) => setConnection(connection, attribute, value, -6),
    isDead(connection: Handle): boolean {
      number.fill(0);
      return getConnection(connection, ATTRIBUTE.dead, number, 4, null) === RESULT.ok && number.readUInt32LE() === 1;
    },
    setStatement: (statement: Handle, attribute: number, value: number) => setStatement(statement, attribute, value, -6),
    freeStatement: (statement: Handle, what: number) => freeStatement(statement, what),
    text(connection: Handle, info: number): string {
      number.fill(0);
      const result = getInfo(connection, info, text, text.length, number);
      if (result !== RESULT.ok && result !== RESULT.info) return '';
      return text.toString('utf16le', 0, Math.min(number.readInt16LE(), text.length - 2)).replace(/\0.*$/s, '');
    },
    small(connection: Handle, info: number): number {
      number.fill(0);
      return getInfo(connection, info, number, 2, null) === RESULT.ok ? number.readUInt16LE() : 0;
    },
    end: (connection: Handle, commit: boolean) => endTransaction(HANDLE.connection, connection, commit ? 0 : 1),
    executeDirect: (statement: Handle, sql: string) => execDirect(statement, wide(sql), NULL_TERMINATED),
    prepare: (statement: Handle, sql: string) => prepare(statement, wide(sql), NULL_TERMINATED),
    execute: (statement: Handle) => execute(statement),
    /** undefined: this driver does not tell. */
    describeParameter(statement: Handle, at: number): { readonly type: number; readonly size: bigint; readonly digits: number } | undefined {
      const parts = Buffer.alloc(32);
      const result = describeParameter(statement, at, parts.subarray(0), parts.subarray(8), parts.subarray(16), parts.subarray(24));
      if (result !== RESULT.ok && result !== RESULT.info) return undefined;
      return { type: parts.readInt16LE(0), size: parts.readBigUInt64LE(8), digits: parts.readInt16LE(16) };
    },
    bindParameter: (statement: Handle, at: number, cType: number, sqlType: number, size: bigint, digits: number, value: bigint, length: number, indicator: bigint) =>
      bindParameter(statement, at, 1, cType, sqlType, size, digits, value, length, indicator),
    countColumns(statement: Handle): number {
      number.fill(0);
      countColumns(statement, number);
      return number.readInt16LE();
    },
    describeColumn(statement: Handle, at: number): { readonly name: string; readonly type: number } {
      const parts = Buffer.alloc(40);
      describeColumn(statement, at, text, 1024, parts.subarray(0), parts.subarray(8), parts.subarray(16), parts.subarray(24), parts.subarray(32));
      return { name: text.toString('utf16le', 0, parts.readInt16LE(0) * 2), type: parts.readInt16LE(8) };
    },
    countRows(statement: Handle): number {
      number.fill(0);
      countRows(statement, number);
      return Number(number.readBigInt64LE());
    },
    fetch: (statement: Handle) => fetch(statement),
    /** `indicator` tells the bytes there were before this call, or `INDICATOR`. */
    getData(statement: Handle, at: number, cType: number, into: Buffer): { readonly result: number; readonly indicator: bigint } {
      number.fill(0);
      const result = getData(statement, at, cType, into, into.length, number);
      return { result, indicator: number.readBigInt64LE() };
    },
    /** The only call from another thread than the one the statement runs in (ODBC: SQLCancel may). */
    cancel: (statement: Handle) => cancel(statement),
    diagnose(kind: number, handle: Handle): { readonly state: string; readonly native: number; readonly message: string } | undefined {
      const state = Buffer.alloc(12);
      const parts = Buffer.alloc(16);
      const result = diagnose(kind, handle, 1, state, parts.subarray(0), text, text.length / 2 - 1, parts.subarray(8));
      if (result !== RESULT.ok && result !== RESULT.info) return undefined;
      const length = Math.min(parts.readInt16LE(8) * 2, text.length - 2);
      return { state: state.toString('utf16le', 0, 10).replace(/\0.*$/s, ''), native: parts.readInt32LE(0), message: text.toString('utf16le', 0, length).trim() };
    },
    drivers: (environment: Handle) => listed(listDrivers, environment, text),
    sources: (environment: Handle) => listed(listSources, environment, text),
    tables: (statement: Handle, schema: string | undefined, table: string | undefined) => tables(statement, ...names([undefined, schema, table, undefined])),
    columns: (statement: Handle, catalogue: string | undefined, schema: string | undefined, table: string) => columns(statement, ...names([catalogue, schema, table, undefined])),
    primaryKeys: (statement: Handle, catalogue: string | undefined, schema: string | undefined, table: string) => primaryKeys(statement, ...names([catalogue, schema, table])),
    statistics: (statement: Handle, catalogue: string | undefined, schema: string | undefined, table: string) =>
      // All indexes, with what the driver knows without counting.
      statistics(statement, ...names([catalogue, schema, table]), 1, 0),
    /** `parent` and `child`: the one that is known. */
    foreignKeys: (statement: Handle, parent: readonly (string | undefined)[] | undefined, child: readonly (string | undefined)[] | undefined) =>
      foreignKeys(statement, ...names(parent ?? [undefined, undefined, undefined]), ...names(child ?? [undefined, undefined, undefined])),
    memory(size: number): Memory {
      const at: unknown = koffi.alloc('uint8_t', size);
      return { at: koffi.address(at), bytes: Buffer.from(koffi.view(at, size)), free: () => koffi.free(at) };
    },
  };
}

const FIRST = 2;
const NEXT = 1;

function listed(call: (...values: readonly unknown[]) => number, environment: Handle, text: Buffer): readonly string[] {
  const found: string[] = [];
  const length = Buffer.alloc(8);
  for (let direction = FIRST; ; direction = NEXT) {
    const result = call(environment, direction, text, 512, length, null, 0, null);
    if (result !== RESULT.ok && result !== RESULT.info) return found;
    found.push(text.toString('utf16le', 0, length.readInt16LE() * 2));
  }
}
