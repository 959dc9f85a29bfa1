// What a system knows of its own tables: the starting point of a configuration somebody else writes (`signalbox import table`).
import type { FieldType } from './spec.js';

/** One thing that can be read or written at a system. */
export interface Listed {
  /** As a configuration names it: with its schema where it is not the account's own. */
  readonly name: string;
  readonly kind: 'table' | 'view';
}

/** One table or view, as far as the system tells; what it does not tell is absent or empty, never guessed. */
export interface Described extends Listed {
  readonly comment?: string;
  readonly fields: readonly DescribedField[];
  /** Fields of the primary key in their order; empty without one. */
  readonly key: readonly string[];
  /** Without the primary key's own. Only those on plain fields and on all rows. */
  readonly indexes: readonly DescribedIndex[];
  /** Estimate of the system's statistics; may be stale. */
  readonly rows?: number;
  /** Tables it refers to. */
  readonly parents: readonly Reference[];
  /** Tables that refer to it: candidates for `include`. */
  readonly children: readonly Reference[];
  /** Whether this account may create a trigger on it. Absent: the system does not tell. */
  readonly triggers?: boolean;
  /** Fields that can tell new and changed rows, judged by type only, the best first. */
  readonly cursors: readonly CursorCandidate[];
  /** The system can read it up to a point that no open transaction is behind: rows are neither missed nor is a field needed. */
  readonly watermark?: 'transaction' | 'rowversion' | 'scn';
}

export interface DescribedField {
  readonly name: string;
  /** The system's own word: `varchar(20)`, `NUMBER(12,2)`. */
  readonly nativeType: string;
  readonly type: Exclude<FieldType, object>;
  readonly nullable: boolean;
  readonly length?: number;
  readonly precision?: number;
  readonly scale?: number;
  /** As the catalogue writes it. */
  readonly default?: string;
  readonly comment?: string;
  /** The system fills it: nobody writes it. */
  readonly generated?: boolean;
}

export interface DescribedIndex {
  readonly name: string;
  readonly fields: readonly string[];
  readonly unique: boolean;
}

/** A foreign key. */
export interface Reference {
  /** The other table. */
  readonly table: string;
  /** Fields of this table, in the order of `theirs`. */
  readonly fields: readonly string[];
  /** Fields of the other table. */
  readonly theirs: readonly string[];
}

export interface CursorCandidate {
  readonly field: string;
  /**
   * `version`: the database changes it with every write, safe against late commits; `time`: a date with a time, no promise that every write
   * changes it; `number`: ascending with inserts at best (generated, or the only field of the key).
   */
  readonly by: 'version' | 'time' | 'number';
  /** First field of an index. */
  readonly indexed: boolean;
}
