import type { FieldTypes } from '../adapters/contract/spec.js';
import type { ValueRecord } from '../bus/value.js';
import type { DefaultsConfig, RouteConfig, TableConfig, TestConfig, TypeConfig } from './model.js';

/** What the loader hands to `compile`: parsed configuration, with everything that was in other files already read. */
export interface RoutesInput {
  readonly revision: number;
  /** Goes into the ids of messages when it is given. */
  readonly installation?: string;
  readonly types: Readonly<Record<string, TypeConfig>>;
  readonly tables: Readonly<Record<string, LoadedTable>>;
  readonly routes: Readonly<Record<string, RouteConfig>>;
  readonly defaults: DefaultsConfig;
  /** Inbound endpoints by full name (`legacy.orders`). */
  readonly sources: ReadonlyMap<string, EndpointFields>;
  /** Outbound endpoints by full name. */
  readonly targets: ReadonlyMap<string, EndpointFields>;
  /** Where a path of the configuration stands: `orders.yaml:72`. */
  readonly placeOf: (path: readonly (string | number)[]) => string | undefined;
}

export interface EndpointFields {
  readonly fields: FieldTypes | undefined;
  /** How the fields are known, for messages: `columns of ORD_HEAD`. */
  readonly origin?: string;
}

export interface LoadedTable {
  readonly config: TableConfig;
  /** Key text to value text. */
  readonly rows: ReadonlyMap<string, string>;
}

export interface LoadedTest {
  readonly config: TestConfig;
  /** The sample records by source endpoint, already read from their files and changed by `set`. */
  readonly given: ReadonlyMap<string, readonly ValueRecord[]>;
}
