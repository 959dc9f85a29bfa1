// One ODBC connection with one statement handle, in a thread of its own: every call waits. What a thread loads it loads for each connection, so
// nothing here imports more than it must.
import type { Kind, Raw } from '../../values.js';
import type { Bind, Result } from '../dialect.js';
import { ATTRIBUTE, C_TYPE, FREE, HANDLE, type Handle, INDICATOR, INFO, type Library, loadLibrary, type Memory, RESULT, STATEMENT } from './library.js';
import { parameterOf } from './parameters.js';
import { type CatalogueCall, OdbcError, type Opened, type Opening, type TextForm } from './protocol.js';
import { cTypeOf, kindOf, SQL_TYPE } from './types.js';

export class OdbcConnection {
  readonly #library: Library;
  readonly #text: TextForm;
  readonly #opening: Opening;
  readonly #environment: Handle;
  readonly #connection: Handle;
  readonly #statement: Handle;
  readonly #chunk = Buffer.allocUnsafeSlow(64 << 10);
  readonly #transactions: boolean;
  #isolation: number | undefined;
  #describes = true;

  /** @throws OdbcError */
  constructor(opening: Opening) {
    this.#library = loadLibrary(opening.library);
    this.#text = opening.text;
    this.#opening = opening;
    const library = this.#library;
    this.#environment = library.allocate(HANDLE.environment, null);
    library.setVersion3(this.#environment);
    this.#checkInstalled(opening.installed);
    this.#connection = library.allocate(HANDLE.connection, this.#environment);
    library.setConnection(this.#connection, ATTRIBUTE.loginTimeout, opening.loginSeconds);
    this.#check(library.connect(this.#connection, opening.connectionString), HANDLE.connection, this.#connection);
    this.#transactions = library.small(this.#connection, INFO.transactions) !== 0;
    if (this.#transactions) library.setConnection(this.#connection, ATTRIBUTE.autocommit, 0);
    this.#statement = library.allocate(HANDLE.statement, this.#connection);
  }

  get opened(): Opened {
    const text = (info: number) => this.#library.text(this.#connection, info);
    return {
      statement: this.#statement,
      facts: {
        dbms: text(INFO.dbms),
        version: text(INFO.dbmsVersion),
        driver: text(INFO.driver),
        quote: text(INFO.quote) || ' ',
        escape: text(INFO.escape),
        transactions: this.#transactions,
      },
    };
  }

  begin(readOnly: boolean, isolation: number | undefined): void {
    if (this.#library.isDead(this.#connection)) throw new OdbcError('08S01', 0, 'the connection was lost while it was idle');
    // A hint that many drivers do not heed.
    this.#library.setConnection(this.#connection, ATTRIBUTE.accessMode, readOnly ? 1 : 0);
    if (this.#transactions && isolation !== undefined && isolation !== this.#isolation) {
      this.#check(this.#library.setConnection(this.#connection, ATTRIBUTE.isolation, isolation), HANDLE.connection, this.#connection);
      this.#isolation = isolation;
    }
  }

  /** `most`: rows after these are not fetched. */
  query(sql: string, binds: readonly Bind[], seconds: number, most: number | undefined): Result {
    const library = this.#library;
    // Neither is known to every driver; the asking thread has its own deadline.
    library.setStatement(this.#statement, STATEMENT.queryTimeout, seconds);
    library.setStatement(this.#statement, STATEMENT.maxRows, most ?? 0);
    let memory: Memory | undefined;
    try {
      if (binds.length === 0) {
        this.#check(library.executeDirect(this.#statement, sql));
      } else {
        this.#check(library.prepare(this.#statement, sql));
        memory = this.#bind(binds);
        this.#check(library.execute(this.#statement));
      }
      return this.#result(most);
    } finally {
      library.freeStatement(this.#statement, FREE.close);
      library.freeStatement(this.#statement, FREE.resetParameters);
      memory?.free();
    }
  }

  catalogue(call: CatalogueCall): Result {
    const library = this.#library;
    library.setStatement(this.#statement, STATEMENT.maxRows, 0);
    try {
      this.#check(this.#ask(call));
      return this.#result(call.of === 'tables' ? call.most : undefined);
    } finally {
      library.freeStatement(this.#statement, FREE.close);
    }
  }

  end(commit: boolean): void {
    if (!this.#transactions) return;
    this.#check(this.#library.end(this.#connection, commit), HANDLE.connection, this.#connection);
  }

  close(): void {
    if (this.#transactions) this.#library.end(this.#connection, false);
    this.#library.freeHandle(HANDLE.statement, this.#statement);
    this.#library.disconnect(this.#connection);
    this.#library.freeHandle(HANDLE.connection, this.#connection);
    this.#library.freeHandle(HANDLE.environment, this.#environment);
  }

  /** A name that is a file would load foreign code into the process. */
  #checkInstalled(installed: Opening['installed']): void {
    const [what, name, known] =
      'driver' in installed
        ? (['driver', installed.driver, this.#library.drivers(this.#environment)] as const)
        : (['data source', installed.dsn, this.#library.sources(this.#environment)] as const);
    if (known.some((each) => each.toLowerCase() === name.toLowerCase())) return;
    throw new OdbcError('IM002', 0, `no ODBC ${what} named ${name} is installed (there: ${known.join(', ') || 'none'})`);
  }

  #ask(call: CatalogueCall): number {
    const library = this.#library;
    if (call.of === 'tables') return library.tables(this.#statement, call.schema, call.table);
    const place = [call.catalogue, call.schema, call.table] as const;
    switch (call.of) {
      case 'columns':
        return library.columns(this.#statement, ...place);
      case 'primaryKeys':
        return library.primaryKeys(this.#statement, ...place);
      case 'statistics':
        return library.statistics(this.#statement, ...place);
      case 'parents':
        return library.foreignKeys(this.#statement, undefined, place);
      case 'children':
        return library.foreignKeys(this.#statement, place, undefined);
    }
  }

  #result(most: number | undefined): Result {
    const library = this.#library;
    const count = library.countColumns(this.#statement);
    if (count === 0) return { fields: [], rows: [], changed: Math.max(0, library.countRows(this.#statement)) };
    const columns = Array.from({ length: count }, (_, at) => library.describeColumn(this.#statement, at + 1));
    const rows: (readonly Raw[])[] = [];
    while (most === undefined || rows.length < most) {
      const result = library.fetch(this.#statement);
      if (result === RESULT.noData) break;
      this.#check(result);
      rows.push(columns.map(({ type }, at) => this.#cell(at + 1, type)));
    }
    return { fields: columns.map(({ name, type }) => ({ name, kind: kindOf(type) })), rows, changed: 0 };
  }

  #cell(at: number, type: number): Raw {
    const kind = kindOf(type);
    const cType = cTypeOf(type, this.#text);
    // The driver ends text with a zero.
    const terminator = cType === C_TYPE.wide ? 2 : cType === C_TYPE.char ? 1 : 0;
    const most = kind === 'bytes' ? this.#opening.most.bytes : this.#opening.most.text;
    let parts: Buffer[] = [];
    let size = 0;
    for (;;) {
      const { result, indicator } = this.#library.getData(this.#statement, at, cType, this.#chunk);
      if (result === RESULT.noData) break;
      this.#check(result);
      if (indicator === INDICATOR.null) return null;
      const room = this.#chunk.length - terminator;
      const cut = indicator === INDICATOR.unknown || indicator > BigInt(room);
      const part = this.#chunk.subarray(0, cut ? room : Number(indicator));
      size += part.length;
      // What is left is only counted.
      if (size > most) parts = [];
      else parts.push(Buffer.from(part));
      if (!cut) break;
    }
    return size > most ? `${this.#opening.tooLarge}${size}` : this.#value(Buffer.concat(parts), kind, type, cType);
  }

  #value(bytes: Buffer, kind: Kind, type: number, cType: number): Raw {
    if (cType === C_TYPE.double) return bytes.readDoubleLE();
    if (kind === 'bytes') return new Uint8Array(bytes);
    const text = bytes.toString(cType === C_TYPE.wide ? 'utf16le' : this.#text === 'latin1' ? 'latin1' : 'utf8');
    if (type === SQL_TYPE.bit) return text.trim() === '1';
    return kind === 'text' ? text : text.trim();
  }

  #bind(binds: readonly Bind[]): Memory {
    const parameters = binds.map((bind, at) => {
      const told = this.#describes ? this.#library.describeParameter(this.#statement, at + 1) : undefined;
      if (!told) this.#describes = false;
      return parameterOf(bind, told, this.#text);
    });
    const aligned = (size: number) => Math.ceil(size / 8) * 8;
    const memory = this.#library.memory(parameters.reduce((sum, { bytes }) => sum + 8 + aligned(bytes.length), 8));
    try {
      let offset = 0;
      parameters.forEach(({ bytes, cType, type, size, digits, isNull }, at) => {
        memory.bytes.writeBigInt64LE(isNull ? INDICATOR.null : BigInt(bytes.length), offset);
        bytes.copy(memory.bytes, offset + 8);
        const address = memory.at + BigInt(offset);
        this.#check(this.#library.bindParameter(this.#statement, at + 1, cType, type, size, digits, address + 8n, bytes.length, address));
        offset += 8 + aligned(bytes.length);
      });
      return memory;
    } catch (error) {
      memory.free();
      throw error;
    }
  }

  #check(result: number, kind: number = HANDLE.statement, handle: Handle = this.#statement): void {
    if (result === RESULT.ok || result === RESULT.info || result === RESULT.noData) return;
    const said = this.#library.diagnose(kind, handle);
    const dead = said !== undefined && !said.state.startsWith('08') && kind === HANDLE.statement && this.#library.isDead(this.#connection);
    throw new OdbcError(dead ? '08S01' : (said?.state ?? 'HY000'), said?.native ?? 0, said?.message ?? `the driver gave no reason (${result})`);
  }
}
