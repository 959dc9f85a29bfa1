// What databases behind ODBC disagree about that no driver tells: by the name the driver gives of its database (SQL_DBMS_NAME).
import type { Paging } from './options.js';

export interface Profile {
  readonly paging: Paging;
  /** Type and default of the time in the inbox table. */
  readonly clock: string;
  /** The sizes of columns the driver tells are those of the table. */
  readonly sizes: boolean;
}

const STANDARD = 'TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL';

const PROFILES: readonly (readonly [RegExp, Profile])[] = [
  // Sizes of text and numeric without any are invented by these two drivers.
  [/^PostgreSQL/i, { paging: 'limit', clock: STANDARD, sizes: false }],
  [/^SQLite/i, { paging: 'limit', clock: STANDARD, sizes: false }],
  [/^(MySQL|MariaDB)/i, { paging: 'limit', clock: STANDARD, sizes: true }],
  // DB2/LINUXX8664, DB2/400 SQL, DB2 UDB for AS/400, AS.
  [/^(DB2|AS$|Apache Derby|HSQL|H2|Firebird|Oracle)/i, { paging: 'fetch_first', clock: STANDARD, sizes: true }],
  [/^Informix/i, { paging: 'skip_first', clock: 'DATETIME YEAR TO SECOND DEFAULT CURRENT YEAR TO SECOND NOT NULL', sizes: true }],
  [/^(ACCESS|.*Jet|EXCEL|dBASE|FoxPro|Paradox)/i, { paging: 'top', clock: 'DATETIME', sizes: true }],
  [/^(Adaptive Server|ASE|SQL Server|Sybase|Microsoft SQL|SQL Anywhere)/i, { paging: 'top', clock: 'DATETIME DEFAULT getdate() NOT NULL', sizes: true }],
  [/^Teradata/i, { paging: 'top', clock: 'TIMESTAMP(0) DEFAULT CURRENT_TIMESTAMP(0) NOT NULL', sizes: true }],
];

/** An unknown database gets no words for paging: fewer rows are fetched. */
export function profileOf(dbms: string): Profile {
  return PROFILES.find(([name]) => name.test(dbms))?.[1] ?? { paging: 'none', clock: STANDARD, sizes: true };
}
