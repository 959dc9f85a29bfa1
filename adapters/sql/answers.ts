import { type Clock, isRecord, type Value } from '../contract/index.js';

/** Answers used again: at most so many, of so many bytes, for so long. */
export interface AnswerLimits {
  readonly forMs: number;
  /** How long "not there" is kept; undefined: not at all. */
  readonly negativeMs: number | undefined;
  readonly entries: number;
}

interface Answer {
  readonly value: Value;
  readonly until: number;
  readonly bytes: number;
}

const MOST_BYTES = 64 * 1024 * 1024;

/** Keeps answers in memory by a text for their question. */
export class Answers {
  /** In the order of their last use. */
  readonly #kept = new Map<string, Answer>();
  #bytes = 0;

  constructor(
    private readonly limits: AnswerLimits,
    private readonly clock: Clock,
  ) {}

  get(question: string): Value | undefined {
    const answer = this.#kept.get(question);
    if (!answer) return undefined;
    if (answer.until <= this.clock.monotonic()) {
      this.#drop(question, answer);
      return undefined;
    }
    this.#kept.delete(question);
    this.#kept.set(question, answer);
    return answer.value;
  }

  /** `asked`: when the question was sent, on the clock's `monotonic`. An answer is as old as its question. */
  put(question: string, value: Value, asked: number): void {
    const isNegative = value === null || (Array.isArray(value) && value.length === 0);
    const ms = isNegative ? this.limits.negativeMs : this.limits.forMs;
    const bytes = question.length + sizeOf(value);
    if (ms === undefined || bytes > MOST_BYTES / 16) return;
    const before = this.#kept.get(question);
    if (before) this.#drop(question, before);
    this.#kept.set(question, { value, until: asked + ms, bytes });
    this.#bytes += bytes;
    for (const [oldest, answer] of this.#kept) {
      if (this.#kept.size <= this.limits.entries && this.#bytes <= MOST_BYTES) break;
      this.#drop(oldest, answer);
    }
  }

  clear(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }

  #drop(question: string, { bytes }: Answer): void {
    this.#kept.delete(question);
    this.#bytes -= bytes;
  }
}

function sizeOf(value: Value): number {
  if (typeof value === 'string') return 2 * value.length + 16;
  if (value instanceof Uint8Array) return value.length + 64;
  if (Array.isArray(value)) return value.reduce<number>((sum, each: Value) => sum + sizeOf(each), 32);
  if (isRecord(value)) return Object.entries(value).reduce((sum, [name, each]) => sum + name.length + sizeOf(each), 64);
  return 48;
}
