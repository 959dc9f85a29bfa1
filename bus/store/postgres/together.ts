/** Looks many keys up at once: what is asked for in one turn of the event loop is one question. */
export class Together<Answer> {
  readonly #ask: (keys: readonly string[]) => Promise<ReadonlyMap<string, Answer>>;
  #asked: { readonly keys: Set<string>; readonly answers: Promise<ReadonlyMap<string, Answer>> } | undefined;

  constructor(ask: (keys: readonly string[]) => Promise<ReadonlyMap<string, Answer>>) {
    this.#ask = ask;
  }

  async get(keys: readonly string[]): Promise<ReadonlyMap<string, Answer>> {
    if (keys.length === 0) return new Map();
    const asked = this.#asked ?? this.#next();
    for (const key of keys) asked.keys.add(key);
    const answers = await asked.answers;
    return new Map(
      keys.flatMap((key) => {
        const answer = answers.get(key);
        return answer === undefined ? [] : [[key, answer] as const];
      }),
    );
  }

  #next() {
    const keys = new Set<string>();
    const answers = this.#answers(keys);
    this.#asked = { keys, answers };
    return this.#asked;
  }

  async #answers(keys: ReadonlySet<string>): Promise<ReadonlyMap<string, Answer>> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#asked = undefined;
    return this.#ask([...keys]);
  }
}
