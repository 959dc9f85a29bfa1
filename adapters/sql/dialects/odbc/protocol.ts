// What goes between the asking thread and the thread of a connection: data only.
import type { Raw } from '../../values.js';
import type { Bind, Result } from '../dialect.js';

/** How text goes to the driver: as UTF-16, or as bytes of the named encoding for drivers that cannot. */
export type TextForm = 'unicode' | 'utf8' | 'latin1';

export interface Opening {
  /** File of the driver manager. */
  readonly library: string;
  readonly connectionString: string;
  /** Must be one of the installed ones, by name: never a file. */
  readonly installed: { readonly driver: string } | { readonly dsn: string };
  readonly text: TextForm;
  readonly loginSeconds: number;
  readonly most: { readonly text: number; readonly bytes: number };
  /** Stands for a cell that is larger, with its bytes behind it. */
  readonly tooLarge: string;
}

/** What the driver says of the database. */
export interface Facts {
  readonly dbms: string;
  readonly version: string;
  readonly driver: string;
  /** A blank: names are not quoted. */
  readonly quote: string;
  /** Before `_` and `%` in names of catalogue functions. */
  readonly escape: string;
  readonly transactions: boolean;
}

export interface Opened {
  readonly facts: Facts;
  /** For `SQLCancel` from another thread. */
  readonly statement: bigint;
}

export type Place = { readonly catalogue: string | undefined; readonly schema: string | undefined; readonly table: string };

export type CatalogueCall =
  | { readonly of: 'tables'; readonly schema: string | undefined; readonly table: string | undefined; readonly most: number }
  | ({ readonly of: 'columns' | 'primaryKeys' | 'statistics' | 'parents' | 'children' } & Place);

export type Request =
  | { readonly to: 'open'; readonly opening: Opening }
  | { readonly to: 'begin'; readonly readOnly: boolean; readonly isolation: number | undefined }
  | { readonly to: 'query'; readonly sql: string; readonly binds: readonly Bind[]; readonly seconds: number; readonly most: number | undefined }
  | { readonly to: 'catalogue'; readonly call: CatalogueCall }
  | { readonly to: 'end'; readonly commit: boolean }
  | { readonly to: 'cancel'; readonly library: string; readonly statement: bigint }
  | { readonly to: 'close' };

export type Answer =
  | { readonly id: number; readonly opened: Opened }
  | { readonly id: number; readonly result: Result & { readonly rows: readonly (readonly Raw[])[] } }
  | { readonly id: number; readonly done: true }
  | { readonly id: number; readonly error: Wire };

/** An `OdbcError`, or any other error by its message alone. */
export interface Wire {
  readonly message: string;
  readonly state: string | undefined;
  readonly native: number;
}

/** What the driver said. */
export class OdbcError extends Error {
  override readonly name = 'OdbcError';

  constructor(
    /** SQLSTATE. */
    readonly state: string,
    readonly native: number,
    message: string,
  ) {
    super(message);
  }
}
