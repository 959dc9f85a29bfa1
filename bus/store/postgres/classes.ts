import { createHash } from 'node:crypto';
import type { HistoryQuery } from '../contract.js';
import { rows, storable } from './rows.js';
import type { Server } from './server.js';

/** What a message can be found by besides its key, state and time. */
const ROLES = ['type', 'source', 'route', 'endpoint', 'code'] as const;
/** Sets remembered, so that ever new names do not fill the memory. */
const MOST = 20_000;
const ROWS = rows({ digest: 'text', facets: 'text' });

export type Facets = ReadonlySet<string>;

export function facet(role: (typeof ROLES)[number], name: string): string {
  return `${role}:${storable(name).replaceAll('\n', ' ')}`;
}

/**
 * The names a message has to do with are a set, and millions of messages share some hundred sets. So a message has the number of its set (its class),
 * one index entry instead of one per name; a search first picks the classes, then the messages.
 * A set is never changed or removed, and is stored by itself: so what one node remembers stays true whatever is rolled back, here or on another.
 */
export class Classes {
  readonly #server: Server;
  readonly #byId = new Map<number, Facets>();
  readonly #byDigest = new Map<string, number>();

  constructor(server: Server) {
    this.#server = server;
  }

  /** The sets of these classes. */
  async facets(ids: Iterable<number>): Promise<ReadonlyMap<number, Facets>> {
    const wanted = new Set(ids);
    const missing = [...wanted].filter((id) => !this.#byId.has(id));
    if (missing.length > 0) {
      const found = await this.#server.read<Row>('SELECT id, digest, facets FROM class WHERE id = ANY($1::integer[])', [missing]);
      for (const row of found) this.#remember(row);
    }
    return new Map([...wanted].map((id) => [id, this.#byId.get(id) ?? new Set<string>()]));
  }

  /** The class of each set, made when it is new. */
  async ids(sets: readonly Facets[]): Promise<readonly number[]> {
    const digests = sets.map((facets) => digestOf(facets));
    const missing = new Map(digests.flatMap((digest, index) => (this.#byDigest.has(digest) ? [] : [[digest, sets[index] ?? new Set<string>()] as const])));
    if (missing.size > 0) {
      const values = ROWS.values([...missing].map(([digest, facets]) => ({ digest, facets: [...facets].sort().join('\n') })));
      const make = `INSERT INTO class (digest, facets) SELECT digest, string_to_array(facets, chr(10)) FROM ${ROWS.source} ORDER BY 1 ON CONFLICT (digest) DO NOTHING`;
      await this.#server.read(make, values);
      for (const row of await this.#server.read<Row>('SELECT id, digest, facets FROM class WHERE digest = ANY($1::text[])', [[...missing.keys()]])) this.#remember(row);
    }
    return digests.map((digest) => {
      const id = this.#byDigest.get(digest);
      if (id === undefined) throw new Error(`class ${digest} was not stored`);
      return id;
    });
  }

  /** The classes that have all of these names; undefined when nothing is asked for. */
  async having(wanted: HistoryQuery): Promise<readonly number[] | undefined> {
    const facets = ROLES.flatMap((role) => {
      const name = wanted[role];
      return name === undefined ? [] : [facet(role, name)];
    });
    if (facets.length === 0) return undefined;
    return (await this.#server.read<Pick<Row, 'id'>>('SELECT id FROM class WHERE facets @> $1::text[]', [facets])).map(({ id }) => id);
  }

  #remember({ id, digest, facets }: Row): void {
    if (this.#byId.size >= MOST) {
      this.#byId.clear();
      this.#byDigest.clear();
    }
    this.#byId.set(id, new Set(facets));
    this.#byDigest.set(digest, id);
  }
}

interface Row {
  readonly id: number;
  readonly digest: string;
  readonly facets: readonly string[];
}

function digestOf(facets: Facets): string {
  return createHash('sha256')
    .update([...facets].sort().join('\n'))
    .digest('base64');
}
