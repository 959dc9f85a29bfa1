// The order of files by a number in their names: n + 1 is not read before n.

import type { EndpointState } from '../contract/index.js';

export interface SequenceOptions {
  readonly pattern: string;
  readonly start?: number | undefined;
  /** Milliseconds. */
  readonly hold: number;
  readonly gap: 'wait' | 'skip';
}

/** As it is noted; times are milliseconds since the epoch, so that they outlive the process. */
export interface Position {
  readonly next?: number;
  /** Since when `next` is missing while later files are there. */
  readonly missingSince?: number;
}

export type Turn =
  | { readonly kind: 'now' }
  /** Its number is missing no longer than it may. */
  | { readonly kind: 'wait'; readonly reason: string; readonly isLate: boolean }
  /** Read it, and give up those before. */
  | { readonly kind: 'skip'; readonly missing: string }
  /** Its number was passed. */
  | { readonly kind: 'passed'; readonly reason: string };

const NOTE = 'sequence';
/** Digits that are a whole number exactly. */
const MOST_DIGITS = 15;

/** Where the sequence of one endpoint is. */
export class Sequence {
  readonly numberOf: (path: string) => number | undefined;
  private position: Position = {};

  constructor(
    private readonly options: SequenceOptions,
    private readonly state: EndpointState,
  ) {
    this.numberOf = numberIn(options.pattern);
  }

  get next(): number | undefined {
    return this.position.next;
  }

  async load(): Promise<void> {
    const text = await this.state.get(NOTE);
    this.position = text === undefined ? (this.options.start === undefined ? {} : { next: this.options.start }) : (JSON.parse(text) as Position);
  }

  /** What to do with a file that is ready. @param lowest number of the lowest that is there, ready or not */
  async turn(number: number, lowest: number, now: number): Promise<Turn> {
    if (this.position.next === undefined) this.position = { next: lowest };
    const { next = number } = this.position;
    const turn = turnOf(number, this.position, this.options, now, lowest);
    if (turn.kind === 'skip') await this.note({ next: number });
    else if (turn.kind === 'wait' && lowest > next && this.position.missingSince === undefined) await this.note({ next, missingSince: now });
    return turn;
  }

  /** A person lets this one go. */
  async skipTo(number: number): Promise<void> {
    await this.note({ next: number });
  }

  /** To be written in one commit with the note that the file is done. */
  after(path: string): [string, string] | undefined {
    const number = this.numberOf(path);
    if (number === undefined || number < (this.position.next ?? 0)) return undefined;
    this.position = { next: number + 1 };
    return [NOTE, JSON.stringify(this.position)];
  }

  private async note(position: Position): Promise<void> {
    await this.state.put(new Map([[NOTE, JSON.stringify(position)]]));
    this.position = position;
  }
}

export function numberIn(pattern: string): (path: string) => number | undefined {
  const expression = new RegExp(`^(?:${pattern})$`, 's');
  return (path) => {
    const digits = expression.exec(path.slice(path.lastIndexOf('/') + 1))?.[1];
    return digits !== undefined && /^\d+$/.test(digits) && digits.replace(/^0+/, '').length <= MOST_DIGITS ? Number(digits) : undefined;
  };
}

/** Names are the partner's: an expression that could take long for one of them is refused. */
export function sequenceProblem(pattern: string): string | undefined {
  if ((pattern.match(/(?<!\\)\(/g) ?? []).length !== 1 || !/\(\\d(?:\+|\{\d+(?:,\d*)?\})\)/.test(pattern)) return 'the pattern has one group, the number: (\\d+)';
  const rest = pattern.replace(/\(\\d(?:\+|\{\d+(?:,\d*)?\})\)/, '');
  if ((rest.match(/(?<!\\)[*+{|]/g) ?? []).length > 2) return 'the pattern has at most two of * and + beside its number';
  try {
    return new RegExp(pattern) && undefined;
  } catch {
    return 'the pattern is no regular expression';
  }
}

/** What to do with a file that is ready, number `number`. @param lowest of the files that are there and not read */
export function turnOf(number: number, { next = number, missingSince }: Position, options: SequenceOptions, now: number, lowest: number): Turn {
  if (number === next) return { kind: 'now' };
  if (number < next) return { kind: 'passed', reason: `number ${number} comes before ${next}, which is the next` };
  if (lowest < number) return { kind: 'wait', reason: `number ${lowest} comes before it and is not complete`, isLate: false };
  const missing = number - next === 1 ? `number ${next}` : `numbers ${next} to ${number - 1}`;
  const isLate = missingSince !== undefined && now - missingSince >= options.hold;
  if (isLate && options.gap === 'skip') return { kind: 'skip', missing };
  return { kind: 'wait', reason: `${missing} missing since ${new Date(missingSince ?? now).toISOString()}`, isLate };
}
