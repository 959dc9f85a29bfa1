import type { AnyFailure } from '../../../bus/errors.js';
import type { Value } from '../../contract/index.js';
import type { Connect, Overlap } from '../config.js';
import type { Kind, Raw } from '../values.js';
import type { Zone } from '../zone.js';
import type { Capabilities } from './capabilities.js';
import type { Catalogue } from './facts.js';
import type { Triggers } from './triggers.js';

/**
 * What differs between databases, and nothing else. Inbound, outbound, callable and probe are written once against this.
 * Names are quoted by the dialect; values reach the database only as binds.
 */
export interface Dialect {
  readonly name: Connect['driver'];
  readonly capabilities: Capabilities;
  /** Quotes one name; a name never holds a quote (checked by the schema), it is doubled all the same. */
  quote(name: string): string;
  /** Place of the n-th bind (from 1). With a column: typed as the column, so that the comparison is the column's own. Never used for writing. */
  place(index: number, column?: Column): string;
  /** Reads a column without loss of digits. */
  select(column: Column): string;
  /** A value as the driver takes it for this column, also for comparing with it. @throws InvalidMessage when the column cannot hold it exactly */
  bind(value: Value, column: Column): Bind;
  /** A value for a parameter of a free statement. @throws InvalidMessage for lists and records */
  bindFree(value: Value): Bind;
  /**
   * A value this database gave as a parameter of a free statement, where plain text would be compared with loss (a number as floating point).
   * Absent: text is enough, the database takes it as what it is compared with.
   */
  readonly known?: { bind(value: Value, kind: Kind): Bind; place(place: string, kind: Kind): string };
  /** A statement that touches no table and answers one row. */
  readonly ping: string;
  /** SELECT of the first rows. */
  page(select: Select): string;
  /** The time now, by the database's clock, for comparing with and writing to a time column; UTC where the column has no zone. Absent: no leases. */
  readonly now?: string;
  /** `place`, moved back by the overlap: computed by the database with its own value. */
  back(place: string, overlap: Overlap): string;
  /** Where there are no words for `back`: moves the value itself, and `back` gives its place as it is. */
  earlier?(value: Value, overlap: Overlap): Value;
  upsert(statement: Upsert): string;
  /** The INSERT, changed so that rows whose key is there are left out without an error. Without it such a row is an error of the whole statement. */
  skipDuplicates?(insert: string): string;
  /** Absent where the database has no stored procedures. */
  readonly procedures?: Procedures;
  /** DDL of the inbox table; harmless when it is there. */
  readonly createInbox: string;
  /** Finds a table in the catalogue by its name, in any case if that is unambiguous. */
  table(session: Session, name: string): Promise<Table | Missing>;
  /** What it tells of its tables to somebody who starts a configuration. */
  readonly catalogue: Catalogue;
  /** Present when the database can tell a transaction number below which nothing is open any more. */
  readonly watermark?: Watermark;
  /** Present where triggers that note changes can be generated. */
  readonly triggers?: Triggers;
  /** Rights of this account on a table other than reading, for the probe; empty means none. */
  writeRights(session: Session, table: Table): Promise<readonly string[] | undefined>;
  /** One of the four failures for what the driver threw; anything else is a bug. */
  classify(error: unknown): AnyFailure | undefined;
  /** Does not connect yet. */
  connect(connect: Connect, system: string): Database;
}

/** One SELECT in parts, since the databases disagree where the number of rows and the lock go. */
export interface Select {
  readonly columns: string;
  /** A table, quoted. */
  readonly from: string;
  /** All of them hold. */
  readonly where?: readonly string[];
  /** `"a", "b" DESC` */
  readonly order?: string;
  readonly limit: number;
  /**
   * Locks the rows until the transaction ends and passes over those that others have locked (`capabilities.skipLocked`; elsewhere it locks
   * nothing). Names the key, by which some databases find the rows again.
   */
  readonly lock?: readonly Column[];
}

export type Bind = null | string | bigint | number | Uint8Array;

export interface Column {
  readonly name: string;
  /** The database's own type, as a cast takes it. */
  readonly type: string;
  readonly kind: Kind;
  readonly nullable: boolean;
  /** Digits after the point the column keeps; undefined means any. */
  readonly scale?: number;
  /** Digits in all. */
  readonly precision?: number;
  /** Most characters. */
  readonly length?: number;
  /** Most bytes, of a text too. */
  readonly bytes?: number;
  /** Digits of a second it keeps. */
  readonly fraction?: number;
  /** A binary floating point number. */
  readonly float?: 32 | 64;
  /** May hold more than a message takes: `select` asks for the size before it loads the value (`TOO_LARGE`). */
  readonly large?: true;
  /** Text whose encoding the database does not know: `select` gives its bytes. */
  readonly raw?: true;
  /** Of times without a zone, when the configuration says it. Put there by `zoned`, not by the dialect. */
  readonly zone?: Zone;
}

export interface Table {
  /** Quoted, with schema. */
  readonly sql: string;
  readonly name: string;
  /** In the database's own spelling; absent where it has none. */
  readonly schema?: string;
  /** A view has no row versions. */
  readonly view: boolean;
  readonly columns: readonly Column[];
}

/** A stored procedure; PostgreSQL: a function too. */
export interface Procedure {
  /** Quoted, with schema. */
  readonly sql: string;
  readonly name: string;
  readonly isFunction: boolean;
  readonly parameters: readonly Parameter[];
}

export interface Parameter extends Column {
  readonly direction: 'in' | 'out' | 'inout';
  /** Has a default, which is used when it is not given. */
  readonly optional: boolean;
}

interface Procedures {
  /** Finds a procedure in the catalogue by its name, in any case if that is unambiguous. @throws Misconfigured when there are several of that name */
  find(session: Session, name: string): Promise<Procedure | Missing>;
  /** The statement that calls it; `given` are its parameters with a value, in the order of the procedure and of the binds. */
  call(procedure: Procedure, given: readonly Parameter[]): string;
}

/** The table is not there; names that are. */
export interface Missing {
  readonly candidates: readonly string[];
}

export interface Upsert {
  readonly table: Table;
  /** All columns of the row, in bind order. */
  readonly columns: readonly Column[];
  readonly key: readonly Column[];
  readonly version: Column | undefined;
}

/**
 * Commit-safe reading: every row version has the number of the transaction that wrote it, and all rows below `current().below` are of
 * transactions that have ended.
 */
export interface Watermark {
  /** Every table's rows have such a number; otherwise only tables with a column that `fits`. Views have none. */
  readonly everyTable: boolean;
  /** The number of a row may be higher than that of its transaction, never lower: a row is not left out for being too new, and may come twice. */
  readonly openEnded?: true;
  /** The column holds such numbers. */
  fits(column: Column): boolean;
  /** For people: `a column of type xid8`. */
  readonly needs: string;
  /** For people: where to look when an open transaction holds it back. */
  readonly look: string;
  /** Of the snapshot the session reads from, which it may begin anew: called before anything else is read in the session. */
  current(session: Session): Promise<{ readonly below: bigint; readonly next: bigint }>;
  /** 64-bit number of the transaction that wrote the row, as an expression; `next` is the one of the same snapshot. */
  written(next: bigint, column: Column | undefined): string;
  /** Text that names the version of a row. */
  version(column: Column | undefined): string;
  /** A number as `written` compares it. */
  number(value: bigint, column: Column | undefined): string;
  /**
   * `written` is not less than a number, said so that the planner takes most rows for written since; absent where a comparison will do. A run of pages
   * has to walk the order then: else each page looks at the whole table.
   */
  mostSince?(written: string, number: string): string;
}

/** Connections to one database; used concurrently. */
export interface Database {
  /** Runs `work` in a read-only transaction of one snapshot, and ends it whatever happens. @throws the four failures */
  read<T>(work: (session: Session) => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Runs `work` in a transaction and commits. @throws CommitUnknown when the link was lost while committing; else the four failures */
  write<T>(work: (session: Session) => Promise<T>, signal: AbortSignal): Promise<T>;
  close(): Promise<void>;
}

/** One transaction. Not used concurrently. */
export interface Session {
  /** @throws what the driver throws; the transaction turns it into a failure */
  query(sql: string, binds?: readonly Bind[], most?: Most): Promise<Result>;
}

/** What a page may hold at most, whatever its rows hold. */
export interface Most {
  readonly bytes: number;
}

export interface Result {
  readonly fields: readonly { readonly name: string; readonly kind: Kind }[];
  readonly rows: readonly (readonly Raw[])[];
  /** Rows written. */
  readonly changed: number;
  /** There were more rows than `Most` allows; the first one is always there. A dialect whose driver gives whole results only never says so. */
  readonly cut?: boolean;
}

/** The link was lost between COMMIT and its answer: only the database knows. */
export class CommitUnknown extends Error {
  override readonly name = 'CommitUnknown';
}
