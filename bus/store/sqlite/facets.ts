import type { Database } from '../../sqlite/database.js';
import type { Names } from './names.js';

/** What a message can be found by besides its key and state. Stored as its place in this list: append only. */
const ROLES = ['type', 'source', 'route', 'endpoint', 'code'] as const;
export type Role = (typeof ROLES)[number];
const WIDTH = 8;

/** The index of messages by names: one row per message and name, however many events have it. */
export class Facets {
  readonly #names: Names;
  readonly #insert;
  readonly #delete;

  constructor(database: Database, names: Names) {
    this.#names = names;
    this.#insert = database.prepare<[number, number, number]>('INSERT OR IGNORE INTO facet (what, at, message) VALUES (?, ?, ?)');
    this.#delete = database.prepare<[number, number, number]>('DELETE FROM facet WHERE what = ? AND at = ? AND message = ?');
  }

  /** Adds what `name` (a number of Names) in `role` stands for; nothing for null. */
  collect(into: Set<number>, role: Role, name: number | null): void {
    if (name !== null) into.add(facetNumber(role, name));
  }

  add(facets: ReadonlySet<number>, at: number, message: number): void {
    for (const what of facets) this.#insert.run(what, at, message);
  }

  remove(facets: ReadonlySet<number>, at: number, message: number): void {
    for (const what of facets) this.#delete.run(what, at, message);
  }

  /** For a query; undefined when no message can have it. */
  find(role: Role, text: string): number | undefined {
    const name = this.#names.find(text);
    return name === undefined ? undefined : facetNumber(role, name);
  }
}

function facetNumber(role: Role, name: number): number {
  return name * WIDTH + ROLES.indexOf(role);
}
