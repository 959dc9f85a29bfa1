import type { Connect } from '../config.js';

/** What a database can and cannot do, as data: dialects and shared code read it, and `check` does without loading a driver. */
export interface Capabilities {
  /** As people write it. */
  readonly title: string;
  /** `(a, b) > (x, y)` uses an index. */
  readonly rowValues: boolean;
  /** Rows one INSERT takes. */
  readonly rowsPerInsert: number;
  /** Most binds of one statement, and most members of one `IN`. */
  readonly binds: number;
  /** `Select.lock` passes over rows that others have locked. */
  readonly skipLocked: boolean;
  /**
   * What tells below which point no transaction is open any more (`Dialect.watermark`): the number of the transaction that wrote a row
   * (every table), a rowversion column (tables that have one), the SCN of a row (every table).
   */
  readonly watermark: 'transaction' | 'rowversion' | 'scn' | undefined;
  /** False where no triggers that note changes can be generated. */
  readonly triggers?: false;
  /** One transaction writes at a time: numbers are committed in the order they were taken. */
  readonly oneWriter?: true;
  /** The tests run it against a real server. */
  readonly tested: boolean;
}

export const CAPABILITIES: Readonly<Record<Connect['driver'], Capabilities>> = {
  sqlite: { title: 'SQLite', oneWriter: true, rowValues: true, rowsPerInsert: 1000, binds: 30_000, skipLocked: false, watermark: undefined, tested: true },
  postgres: { title: 'PostgreSQL', rowValues: true, rowsPerInsert: 1000, binds: 30_000, skipLocked: true, watermark: 'transaction', tested: true },
  mariadb: { title: 'MariaDB', rowValues: false, rowsPerInsert: 1000, binds: 30_000, skipLocked: true, watermark: undefined, tested: true },
  sqlserver: { title: 'SQL Server', rowValues: false, rowsPerInsert: 1000, binds: 2000, skipLocked: true, watermark: 'rowversion', tested: false },
  oracle: { title: 'Oracle', rowValues: false, rowsPerInsert: 1, binds: 1000, skipLocked: true, watermark: 'scn', tested: false },
  odbc: { title: 'ODBC', triggers: false, rowValues: false, rowsPerInsert: 1, binds: 250, skipLocked: false, watermark: undefined, tested: true },
};
