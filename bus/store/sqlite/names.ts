import type { Database } from '../../sqlite/database.js';

/** Text by number and number by text, remembered. Kept small, so that a source with ever new names does not fill the memory. */
export class Names {
  readonly #insert;
  readonly #byText;
  readonly #byId;
  readonly #ids = new Map<string, number>();
  readonly #texts = new Map<number, string>();

  constructor(database: Database) {
    this.#insert = database.prepare<[string], number>('INSERT INTO name (text) VALUES (?) RETURNING id').pluck();
    this.#byText = database.prepare<[string], number>('SELECT id FROM name WHERE text = ?').pluck();
    this.#byId = database.prepare<[number], string>('SELECT text FROM name WHERE id = ?').pluck();
  }

  /** The number of `text`, made when it is new. Only in a write. */
  id(text: string): number {
    const known = this.find(text);
    if (known !== undefined) return known;
    const id = this.#insert.get(text);
    if (id === undefined) throw new Error(`name ${text} was not stored`);
    return this.#remember(id, text);
  }

  optional(text: string | undefined): number | null {
    return text === undefined ? null : this.id(text);
  }

  find(text: string): number | undefined {
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const id = this.#byText.get(text);
    return id === undefined ? undefined : this.#remember(id, text);
  }

  text(id: number): string {
    const known = this.#texts.get(id);
    if (known !== undefined) return known;
    const text = this.#byId.get(id) ?? '';
    this.#remember(id, text);
    return text;
  }

  /** After a rollback: a new number may be gone. */
  forget(): void {
    this.#ids.clear();
    this.#texts.clear();
  }

  #remember(id: number, text: string): number {
    if (this.#ids.size > 20_000) this.forget();
    this.#ids.set(text, id);
    this.#texts.set(id, text);
    return id;
  }
}
