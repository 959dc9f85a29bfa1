import type { Database } from '../../sqlite/database.js';
import type { Names } from './names.js';

/** What a message can be found by besides its key, state and time. Stored as its place in this list: append only. */
const ROLES = ['type', 'source', 'route', 'endpoint', 'code'] as const;
export type Role = (typeof ROLES)[number];
const WIDTH = 8;
const REMEMBERED = 5_000;

/**
 * The names a message has to do with are a set, and millions of messages share some hundred sets. So a message has the number of its set (its class),
 * one index entry instead of one per name; a search first picks the classes, then the messages.
 */
export class Classes {
  readonly #names: Names;
  readonly #insert;
  readonly #all;
  #byText = new Map<string, number>();
  #byId = new Map<number, ReadonlySet<number>>();
  /** Answers of `extend`: the same few, over and over. */
  readonly #extended = new Map<string, number>();

  constructor(database: Database, names: Names) {
    this.#names = names;
    this.#insert = database.prepare<[string], number>('INSERT INTO class (facets) VALUES (?) RETURNING id').pluck();
    this.#all = database.prepare<[], { readonly id: number; readonly facets: string }>('SELECT id, facets FROM class');
    this.reload();
  }

  /** At the start, and after a rollback: a new one may be gone. */
  reload(): void {
    this.#byText = new Map();
    this.#byId = new Map();
    this.#extended.clear();
    for (const { id, facets } of this.#all.all()) this.#remember(id, facets, new Set(facets.split(' ').filter(Boolean).map(Number)));
  }

  /** The class `before` (undefined: of a new message) with `added` facets. Only in a write. */
  extend(before: number | undefined, added: ReadonlySet<number>): number {
    const asked = `${before ?? ''}+${[...added].join(' ')}`;
    const answer = this.#extended.get(asked) ?? this.#extend(before, added);
    if (this.#extended.size >= REMEMBERED) this.#extended.clear();
    this.#extended.set(asked, answer);
    return answer;
  }

  #extend(before: number | undefined, added: ReadonlySet<number>): number {
    const known = before === undefined ? NONE : (this.#byId.get(before) ?? NONE);
    if (before !== undefined && contains(known, added)) return before;
    const all = new Set([...known, ...added]);
    const text = [...all].sort((a, b) => a - b).join(' ');
    const found = this.#byText.get(text);
    if (found !== undefined) return found;
    const id = this.#insert.get(text);
    if (id === undefined) throw new Error(`class ${text} was not stored`);
    this.#remember(id, text, all);
    return id;
  }

  /** The classes that have all of these names; undefined when nothing is asked for. */
  having(wanted: Readonly<Partial<Record<Role, string>>>): ReadonlySet<number> | undefined {
    const facets = new Set<number>();
    for (const role of ROLES) {
      const text = wanted[role];
      if (text === undefined) continue;
      const name = this.#names.find(text);
      if (name === undefined) return NONE;
      facets.add(facetNumber(role, name));
    }
    if (facets.size === 0) return undefined;
    const found = new Set<number>();
    for (const [id, own] of this.#byId) if (contains(own, facets)) found.add(id);
    return found;
  }

  #remember(id: number, text: string, facets: ReadonlySet<number>): void {
    this.#byText.set(text, id);
    this.#byId.set(id, facets);
  }
}

const NONE: ReadonlySet<number> = new Set();

function contains(all: ReadonlySet<number>, some: ReadonlySet<number>): boolean {
  for (const one of some) if (!all.has(one)) return false;
  return true;
}

/** `name` is a number of Names. */
export function facetNumber(role: Role, name: number): number {
  return name * WIDTH + ROLES.indexOf(role);
}
