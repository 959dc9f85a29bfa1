import type { Finding } from '../../bus/finding.js';
import type { Value, ValueRecord } from '../../bus/value.js';
import type { Bindings } from '../expression/runtime.js';
import type { Scope } from '../expression/scope.js';
import type { LoadedTable } from '../input.js';
import type { MapConfig } from '../model.js';
import type { RecordShape } from './shape.js';

/** Of a place in the merged configuration. */
export type Path = readonly (string | number)[];

/** What every mapping of a configuration shares while it is compiled. */
export interface MappingContext {
  readonly tables: Readonly<Record<string, LoadedTable>>;
  readonly usedTables: Set<string>;
  /** Inbound reads dates and numbers from text, outbound prints them. */
  readonly direction: 'inbound' | 'outbound';
  readonly report: (finding: Finding) => void;
  readonly placeOf: (path: Path) => string | undefined;
  /** Compiles the mapping of a nested record or list (`compileMapping`). */
  readonly compileNested: (map: MapConfig, target: RecordShape | undefined, scope: Scope, path: Path, context: MappingContext) => Mapping;
}

/**
 * Makes one record. `note` gets what was converted, for the history; absent inside lists.
 * @throws InvalidMessage with the place of the field
 */
export type Mapping = (bindings: Bindings, note?: (text: string) => void) => ValueRecord;

/** One target field, compiled. */
export type FieldMapping = (bindings: Bindings, note?: (text: string) => void) => Value;
