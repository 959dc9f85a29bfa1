import type { ValueRecord } from '../../bus/value.js';

/** Plain data as it stands in YAML. */
export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [name: string]: Plain | undefined };
export type PlainMap = { readonly [name: string]: Plain | undefined };

/** What somebody would have to write to read one table or one kind of file: made from what the system or a sample tells. */
export interface Draft {
  readonly system: string;
  /** A system that is to be made; absent when it stands in the configuration. */
  readonly make?: { readonly adapter: string; readonly connect: PlainMap };
  readonly endpoint: string;
  /** What the names of its routes begin with. */
  readonly route: string;
  /** Options of the endpoint. */
  readonly read: PlainMap;
  /** Name of the canonical type. */
  readonly type: string;
  readonly fields: readonly DraftField[];
  /** Fields of the record that name it, for people; none when nothing does. */
  readonly key: readonly string[];
  /** Records as the endpoint gives them. */
  readonly samples: readonly ValueRecord[];
  /** What was found and why it is proposed, a sentence each. */
  readonly notes: readonly string[];
}

export interface DraftField {
  /** Where it stands in the record: its name, or those of the records around it and its own. */
  readonly path: readonly string[];
  /** In the canonical type. */
  readonly as: string;
  /** `required text 8`, `decimal 12.2`; of a list of records, whether it is `required`. */
  readonly words: string;
  /** Some records do not have it. */
  readonly mayBeAbsent?: boolean;
  /** Parts of the long form of a mapping: `{decimal: comma}`. */
  readonly map?: PlainMap;
  /** Fields of the elements, when it is a list of records. */
  readonly each?: { readonly type: string; readonly fields: readonly DraftField[] };
}

/** Names that the configuration has. */
export interface Taken {
  readonly types: ReadonlySet<string>;
  readonly routes: ReadonlySet<string>;
}

/** `orders`, or `shop-orders` where a route of the name is there already. */
export function routeName(system: string, endpoint: string, { routes }: Taken): string {
  const isTaken = (name: string): boolean => routes.has(`${name}-in`) || routes.has(`${name}-out`);
  if (!isTaken(endpoint)) return endpoint;
  const longer = `${system}-${endpoint}`;
  for (let number = 1; ; number++) {
    const name = number === 1 ? longer : `${longer}-${number}`;
    if (!isTaken(name)) return name;
  }
}
