// Interchanges from a stream of bytes: segments, then envelopes to one record per message. Control numbers and counts are checked on the way.

import type { InvalidMessage, Value } from '../contract/index.js';
import { type Decoded, KEPT_BYTES } from './codec.js';
import { at, EdiProblem, type Groups, nest, readSegmentBytes, type Segment, type Separators } from './edi.js';

/** What differs between EDIFACT and X12. The trailers of both are count, reference. */
export interface Standard {
  /** Tags that begin and end an interchange, a group, a message. */
  readonly interchange: readonly [string, string];
  readonly group: readonly [string, string];
  readonly message: readonly [string, string];
  /** X12 has groups always. */
  readonly groupsRequired: boolean;
  /**
   * Service characters at the beginning of an interchange; undefined while there are too few bytes.
   * @throws EdiProblem
   */
  begin(window: Buffer, ended: boolean): { readonly separators: Separators; readonly skip: number } | undefined;
  /** The encoding the interchange says it has, and separators that depend on its version. @throws EdiProblem */
  syntax(raw: Buffer, separators: Separators): { readonly encoding: string; readonly separators: Separators };
  /** The headers as values, each with the reference its trailer repeats. */
  readInterchange(segment: Segment): Header;
  readGroup(segment: Segment): Header;
  readMessage(segment: Segment): Header;
}

export interface Header {
  readonly value: Value;
  readonly reference: string;
}

export interface EdiLimits {
  readonly groups: Groups;
  readonly encoding?: string | undefined;
  readonly max_record: number;
}

interface Framed {
  readonly raw: Buffer;
  readonly offset: number;
  readonly number: number;
  readonly separators: Separators;
}

const LONGEST_SEGMENT = 1024 * 1024;

export async function* readInterchanges(bytes: AsyncIterable<Uint8Array>, source: string, standard: Standard, limits: EdiLimits): AsyncGenerator<readonly Decoded[]> {
  const assembly = new Assembly(standard, limits, source);
  try {
    for await (const segments of splitSegments(bytes, standard)) {
      for (const segment of segments) assembly.add(segment);
      const records = assembly.take();
      if (records.length > 0) yield records;
    }
    assembly.end();
  } catch (error) {
    if (!(error instanceof EdiProblem)) throw error;
    assembly.broken(error);
  }
  const records = assembly.take();
  if (records.length > 0) yield records;
}

/** @throws EdiProblem after all segments before it were given */
async function* splitSegments(bytes: AsyncIterable<Uint8Array>, standard: Standard): AsyncGenerator<readonly Framed[]> {
  let window: Buffer = Buffer.alloc(0);
  let separators: Separators | undefined;
  let [offset, number] = [0, 0];
  const scan = (ended: boolean): { readonly found: readonly Framed[]; readonly problem: EdiProblem | undefined } => {
    const found: Framed[] = [];
    let position = 0;
    const cut = (problem?: EdiProblem): { readonly found: readonly Framed[]; readonly problem: EdiProblem | undefined } => {
      window = window.subarray(position);
      offset += position;
      return { found, problem };
    };
    try {
      for (;;) {
        while (isBlank(window[position])) position++;
        if (position >= window.length) return cut();
        if (!separators) {
          const begun = standard.begin(window.subarray(position), ended);
          if (!begun) return cut();
          separators = begun.separators;
          position += begun.skip;
          number = 0;
          continue;
        }
        const end = terminated(window, position, separators);
        const place = { tag: window.toString('latin1', position, position + 3), number: number + 1, offset: offset + position };
        if (end === undefined) {
          if (ended) throw new EdiProblem('E365', 'the segment has no end: the file is not complete', place);
          if (window.length - position > LONGEST_SEGMENT) throw new EdiProblem('E345', `the segment has more than ${LONGEST_SEGMENT} bytes, or its terminator is missing`, place);
          return cut();
        }
        found.push({ raw: window.subarray(position, end), offset: offset + position, number: ++number, separators });
        const isLast = window.toString('latin1', position, position + 3) === standard.interchange[1];
        position = end + 1;
        if (isLast) separators = undefined;
      }
    } catch (error) {
      if (!(error instanceof EdiProblem)) throw error;
      return cut(error);
    }
  };
  for await (const chunk of bytes) {
    window = window.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : Buffer.concat([window, chunk]);
    const { found, problem } = scan(false);
    if (found.length > 0) yield found;
    if (problem) throw problem;
  }
  const { found, problem } = scan(true);
  if (found.length > 0) yield found;
  if (problem) throw problem;
}

function terminated(window: Buffer, from: number, { terminator, release }: Separators): number | undefined {
  const byte = terminator.charCodeAt(0);
  const released = release?.charCodeAt(0);
  for (let end = window.indexOf(byte, from); end >= 0; end = window.indexOf(byte, end + 1)) {
    let escapes = 0;
    while (end - escapes > from && window[end - escapes - 1] === released) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return undefined;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x0d || byte === 0x0a || byte === 0x20 || byte === 0x09;
}

interface Envelope extends Header {
  count: number;
  readonly segment: Segment;
}

class Assembly {
  private records: Decoded[] = [];
  private number = 1;
  private encoding = 'us-ascii';
  private separators: Separators | undefined;
  private interchange: (Envelope & { groups: number }) | undefined;
  private group: Envelope | undefined;
  private message: (Envelope & { readonly segments: Segment[]; readonly raw: Buffer[]; size: number; problem: InvalidMessage | undefined }) | undefined;

  constructor(
    private readonly standard: Standard,
    private readonly limits: EdiLimits,
    private readonly source: string,
  ) {}

  take(): readonly Decoded[] {
    const { records } = this;
    this.records = [];
    return records;
  }

  add(framed: Framed): void {
    const { standard } = this;
    const head = framed.raw.toString('latin1', 0, 3);
    if (head === standard.interchange[0]) {
      if (this.interchange) this.unfinished(`${standard.interchange[1]} is missing before the next ${head}`);
      const syntax = standard.syntax(framed.raw, framed.separators);
      [this.encoding, this.separators] = [this.limits.encoding ?? syntax.encoding, syntax.separators];
    }
    let segment: Segment;
    try {
      segment = readSegmentBytes(framed.raw, this.separators ?? framed.separators, this.encoding, framed);
    } catch (error) {
      if (!(error instanceof EdiProblem)) throw error;
      if (!this.message) throw error;
      this.message.problem ??= error.failure(this.source);
      // It counts: its trailer can be checked all the same.
      segment = { tag: head, elements: [], number: framed.number, offset: framed.offset, raw: framed.raw };
    }
    this.place(segment);
  }

  end(): void {
    if (this.interchange) this.unfinished(`${this.standard.interchange[1]} is missing: the file is not complete`);
    else if (this.number === 1 && this.records.length === 0 && !this.seen) throw new EdiProblem('E365', `there is no ${this.standard.interchange[0]}: the file is empty`);
  }

  private seen = false;

  broken(problem: EdiProblem): void {
    const failure = problem.failure(this.source);
    if (this.message) this.finish(failure);
    else this.fail(failure, problem.segment);
  }

  private place(segment: Segment): void {
    const { standard, message } = this;
    const is = (tag: string): boolean => segment.tag === tag;
    if (is(standard.interchange[0])) {
      this.seen = true;
      this.interchange = { ...standard.readInterchange(segment), count: 0, groups: 0, segment };
    } else if (!this.interchange) throw new EdiProblem('E365', `expected ${standard.interchange[0]}`, segment);
    else if (is(standard.message[1])) this.endMessage(segment);
    else if (is(standard.interchange[1])) this.endInterchange(segment);
    else if (is(standard.group[1])) this.endGroup(segment);
    else if (is(standard.message[0])) this.beginMessage(segment);
    else if (is(standard.group[0])) this.beginGroup(segment);
    else if (message) this.keep(segment);
    else throw new EdiProblem('E365', `expected ${standard.message[0]} or ${standard.interchange[1]}`, segment);
  }

  private beginMessage(segment: Segment): void {
    const { standard } = this;
    if (this.message) this.lost(`${standard.message[1]} is missing before the next ${standard.message[0]}`);
    if (standard.groupsRequired && !this.group) throw new EdiProblem('E365', `${standard.group[0]} is missing before ${standard.message[0]}`, segment);
    this.message = { ...standard.readMessage(segment), count: 0, segment, segments: [], raw: [], size: 0, problem: undefined };
    this.keep(segment);
  }

  private keep(segment: Segment): void {
    const { message, limits } = this;
    if (!message) return;
    message.count++;
    message.size += segment.raw.length + 1;
    if (message.size <= limits.max_record) {
      message.raw.push(segment.raw, Buffer.from(this.separators?.terminator ?? '', 'latin1'));
      if (segment !== message.segment && segment.tag !== this.standard.message[1]) message.segments.push(segment);
    } else message.problem ??= new EdiProblem('E345', `the message has more than ${limits.max_record} bytes`, message.segment).failure(this.source);
  }

  private endMessage(segment: Segment): void {
    const { message } = this;
    if (!message) throw new EdiProblem('E365', `there is no ${this.standard.message[0]} before it`, segment);
    this.keep(segment);
    const problem = this.trailer(segment, message, message.count, 'segments');
    this.finish(message.problem ?? problem);
  }

  private finish(failure: InvalidMessage | undefined): void {
    const { message, interchange, group } = this;
    if (!message) return;
    const raw = Buffer.concat(message.raw);
    const base = { number: this.number++, offset: message.segment.offset, raw: message.size > this.limits.max_record ? raw.subarray(0, KEPT_BYTES) : raw };
    if (failure) this.records.push({ ...base, value: null, failure });
    else {
      const value = nest(message.segments, this.limits.groups);
      value['interchange'] = interchange?.value ?? null;
      value['group'] = group?.value ?? null;
      value['message'] = message.value;
      this.records.push({ ...base, value });
    }
    const envelope = group ?? interchange;
    if (envelope) envelope.count++;
    this.message = undefined;
  }

  private beginGroup(segment: Segment): void {
    if (this.message) this.lost(`${this.standard.message[1]} is missing before ${segment.tag}`);
    if (this.group) this.failAt('E365', `${this.standard.group[1]} is missing before the next ${segment.tag}`, segment);
    if (this.interchange) this.interchange.groups++;
    this.group = { ...this.standard.readGroup(segment), count: 0, segment };
  }

  private endGroup(segment: Segment): void {
    if (this.message) this.lost(`${this.standard.message[1]} is missing before ${segment.tag}`);
    const { group } = this;
    if (!group) throw new EdiProblem('E365', `there is no ${this.standard.group[0]} before it`, segment);
    const problem = this.trailer(segment, group, group.count, 'messages');
    if (problem) this.fail(problem, segment);
    this.group = undefined;
  }

  private endInterchange(segment: Segment): void {
    const { interchange, standard } = this;
    if (this.message) this.lost(`${standard.message[1]} is missing before ${segment.tag}`);
    if (this.group) this.failAt('E365', `${standard.group[1]} is missing before it`, segment);
    if (interchange) {
      const grouped = interchange.groups > 0 || standard.groupsRequired;
      const problem = this.trailer(segment, interchange, grouped ? interchange.groups : interchange.count, grouped ? 'groups' : 'messages');
      if (problem) this.fail(problem, segment);
    }
    [this.interchange, this.group] = [undefined, undefined];
  }

  private trailer(segment: Segment, header: Envelope, counted: number, what: string): InvalidMessage | undefined {
    const [count, reference] = [at(segment, 1), at(segment, 2)];
    if (!/^\d{1,15}$/.test(count) || Number(count) !== counted)
      return new EdiProblem('E366', `it says ${JSON.stringify(count.slice(0, 20))} ${what}, there are ${counted}`, segment).failure(this.source);
    if (!sameReference(reference, header.reference))
      return new EdiProblem(
        'E366',
        `its reference is ${JSON.stringify(reference.slice(0, 40))}, the one of ${header.segment.tag} is ${JSON.stringify(header.reference.slice(0, 40))}`,
        segment,
      ).failure(this.source);
    return undefined;
  }

  /** A message without its end. */
  private lost(text: string): void {
    if (this.message) this.finish(new EdiProblem('E365', text, this.message.segment).failure(this.source));
  }

  private unfinished(text: string): void {
    this.lost(`${this.standard.message[1]} is missing`);
    this.failAt('E365', text, this.interchange?.segment);
    [this.interchange, this.group] = [undefined, undefined];
  }

  private failAt(code: 'E365', text: string, segment: Segment | undefined): void {
    this.fail(new EdiProblem(code, text, segment).failure(this.source), segment);
  }

  private fail(failure: InvalidMessage, segment: Partial<Segment> | undefined): void {
    this.records.push({ number: this.number++, value: null, failure, offset: segment?.offset ?? 0, raw: (segment?.raw ?? Buffer.alloc(0)).subarray(0, KEPT_BYTES) });
  }
}

function sameReference(one: string, other: string): boolean {
  const digits = /^\d{1,20}$/;
  return one === other || (digits.test(one) && digits.test(other) && BigInt(one) === BigInt(other));
}
