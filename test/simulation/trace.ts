const KEPT = 60;

/** What happened in a run, in order: a digest of all of it, and the last lines for people. */
export class Trace {
  readonly #recent: string[] = [];
  readonly #print: ((line: string) => void) | undefined;
  #hash = 0x811c9dc5;
  #lines = 0;

  constructor(print?: (line: string) => void) {
    this.#print = print;
  }

  add(now: number, text: string): void {
    const line = `${(now / 1000).toFixed(4).padStart(10)} ${text}`;
    // FNV-1a, 32 bits.
    for (let i = 0; i < line.length; i++) this.#hash = Math.imul(this.#hash ^ line.charCodeAt(i), 0x01000193);
    this.#lines++;
    this.#recent.push(line);
    if (this.#recent.length > 2 * KEPT) this.#recent.splice(0, KEPT);
    this.#print?.(line);
  }

  get digest(): string {
    return `${(this.#hash >>> 0).toString(16).padStart(8, '0')}-${this.#lines}`;
  }

  get last(): readonly string[] {
    return this.#recent.slice(-KEPT);
  }
}
