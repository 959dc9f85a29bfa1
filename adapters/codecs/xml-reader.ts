// Elements of an XML document as values, one record per element that is asked for.

import { InvalidMessage, newRecord, type Value } from '../contract/index.js';
import { type Decoded, KEPT_BYTES } from './codec.js';
import { encodeText } from './encodings.js';
import { Sax, type SaxElement, XmlProblem } from './sax.js';
import type { XmlOptions } from './xml.js';
import { Names, splitPath } from './xml-names.js';

interface Frame {
  readonly name: string;
  /** Below the record: `Lines/Line`; empty for the record itself. */
  readonly path: string;
  readonly value: Record<string, Value>;
  readonly line: number;
  readonly column: number;
  text: string;
  hasAttributes: boolean;
  hasChildren: boolean;
  nil: boolean;
}

interface Started {
  readonly position: number;
  readonly offset: number;
  readonly line: number;
  problem: InvalidMessage | undefined;
  /** Beginning of one that is too long; the rest of it is let go. */
  kept?: Buffer;
}

const BLANK = /^[ \t\r\n]*$/;

/** Reads one document; text in, records out. After `ended` nothing follows. */
export class XmlReader {
  ended = false;
  private readonly sax: Sax;
  private readonly names: Names;
  private readonly each: readonly string[] | undefined;
  private readonly lists: ReadonlySet<string>;
  private readonly listsOf = new Map<string, string[]>();
  private readonly always: ReadonlySet<string>;
  private readonly outside: boolean[] = [];
  private readonly frames: Frame[] = [];
  private record: Started | undefined;
  private records: Decoded[] = [];
  private number = 1;
  private found = 0;
  /** A whole document is a record when nothing wrong follows it. */
  private held: Decoded | undefined;
  private encoding = 'utf-8';
  /** Source text that may still be needed, where it starts, and a place in it whose byte offset is known. */
  private window = '';
  private windowStart = 0;
  private mark = { position: 0, offset: 0 };

  constructor(
    private readonly options: XmlOptions,
    private readonly source: string,
  ) {
    this.sax = new Sax({ open: (element) => this.open(element), text: (text) => this.text(text), close: () => this.close() }, { token: options.max_record });
    this.names = new Names(options);
    this.each = options.each === undefined ? undefined : splitPath(options.each);
    this.lists = new Set(options.lists);
    const always = new Set(options.records);
    for (const list of options.lists) {
      const segments = splitPath(list);
      const parent = segments.slice(0, -1).join('/');
      this.listsOf.set(parent, [...(this.listsOf.get(parent) ?? []), segments.at(-1) ?? '']);
      for (let depth = 0; depth < segments.length; depth++) always.add(segments.slice(0, depth).join('/'));
    }
    this.always = always;
  }

  write(text: string, encoding: string): readonly Decoded[] {
    this.encoding = encoding;
    this.window += text;
    return this.run(() => {
      this.sax.write(text);
      if (this.record && this.sax.position - this.record.position > this.options.max_record) this.tooLong(this.record);
      if (!this.record) this.forget(Math.max(this.window.lastIndexOf('<'), 0) + this.windowStart);
      else this.forget(this.record.kept ? this.windowStart + this.window.length : this.record.position);
    });
  }

  end(): readonly Decoded[] {
    return this.run(() => {
      const { line, column } = this.sax;
      this.sax.end();
      if (this.held) this.records.push(this.held);
      if (this.each?.length === 1 && this.found === 0) throw new XmlProblem(`there is no element <${this.options.each ?? ''}> in the document`, line, column);
      this.ended = true;
    });
  }

  /** The rest of the document cannot be read. */
  failure(failure: InvalidMessage): Decoded {
    this.ended = true;
    if (this.held) return { ...this.held, value: null, failure };
    const raw = this.record
      ? (this.record.kept ?? this.raw(this.record.position, Math.min(this.windowStart + this.window.length, this.record.position + KEPT_BYTES)))
      : Buffer.alloc(0);
    return { number: this.number++, value: null, failure, line: this.record?.line ?? this.sax.line, offset: this.record?.offset ?? this.mark.offset, raw };
  }

  private run(work: () => void): readonly Decoded[] {
    this.records = [];
    try {
      work();
    } catch (error) {
      if (!(error instanceof XmlProblem)) throw error;
      this.records.push(this.failure(this.problem(error.tooLong ? 'E345' : 'E363', error.message, error.line, error.column)));
    }
    return this.records;
  }

  private open(element: SaxElement): void {
    if (!this.record && !this.starts(element)) {
      this.outside.push(true);
      return;
    }
    if (!this.record) this.begin(element);
    const { record } = this;
    if (!record || record.problem) {
      this.outside.push(false);
      return;
    }
    this.outside.push(false);
    const parent = this.frames.at(-1);
    const { name, problem } = this.names.element(element);
    if (problem !== undefined) this.refuse('E364', problem, element);
    const path = parent === undefined ? (this.each ? '' : name) : parent.path === '' ? name : `${parent.path}/${name}`;
    const frame: Frame = { name, path, value: newRecord(), line: element.line, column: element.column, text: '', hasAttributes: false, hasChildren: false, nil: false };
    for (const attribute of element.attributes) {
      const named = this.names.attribute(attribute);
      if (named.problem !== undefined) this.refuse('E364', named.problem, element);
      if (named.name === '@xsi:nil' && (attribute.value === 'true' || attribute.value === '1')) frame.nil = true;
      else {
        frame.value[named.name] = attribute.value;
        frame.hasAttributes = true;
      }
    }
    if (parent) parent.hasChildren = true;
    this.frames.push(frame);
  }

  private text(text: string): void {
    const frame = this.frames.at(-1);
    if (frame && this.record && !this.record.problem) frame.text += text;
  }

  private close(): void {
    if (this.outside.pop() !== false) return;
    const { record } = this;
    if (!record) return;
    const frame = record.problem ? undefined : this.frames.pop();
    const value = frame ? this.valueOf(frame) : null;
    const parent = frame && this.frames.at(-1);
    if (frame && parent) this.put(parent, frame, value);
    const closed = this.outside.length === 0 || this.outside.at(-1) === true;
    if (closed) this.finish(record, this.each || !frame ? value : wrapped(frame.name, value));
  }

  private valueOf(frame: Frame): Value {
    const { value, text, path } = frame;
    const blank = BLANK.test(text);
    if (frame.nil && !frame.hasAttributes && !frame.hasChildren && blank) return null;
    const always = this.always.has(path);
    if (!frame.hasChildren && !frame.hasAttributes && !always) return text;
    if (frame.hasChildren && !blank) this.refuse('E364', `<${frame.name}> has text beside elements`, frame);
    else if (!frame.hasChildren && text !== '' && !(always && blank)) value['#text'] = text;
    for (const list of this.listsOf.get(path) ?? []) value[list] ??= [];
    return value;
  }

  private put(parent: Frame, frame: Frame, value: Value): void {
    const { name, path } = frame;
    if (this.lists.has(path)) {
      const list = parent.value[name];
      if (Array.isArray(list)) list.push(value);
      else parent.value[name] = [value];
    } else if (name in parent.value) this.refuse('E364', `<${name}> is there more than once in <${parent.name}>: add ${path} to lists`, frame);
    else parent.value[name] = value;
  }

  private starts(element: SaxElement): boolean {
    const { each } = this;
    if (!each) return this.outside.length === 0;
    const wanted = each[each.length === 1 ? 0 : this.outside.length];
    // The names above it were the right ones: the element on this level is compared only below those.
    const matches = wanted !== undefined && this.names.is(element, wanted);
    if (each.length === 1) return matches;
    if (this.outside.length === 0 && !matches) throw new XmlProblem(`the document is <${element.local}>, expected <${wanted ?? ''}>`, element.line, element.column);
    this.below[this.outside.length] = matches && (this.outside.length === 0 || this.below[this.outside.length - 1] === true);
    return this.below[this.outside.length] === true && this.outside.length === each.length - 1;
  }

  private readonly below: boolean[] = [];

  private begin({ line }: SaxElement): void {
    const position = this.windowStart + this.window.lastIndexOf('<', this.sax.position - 1 - this.windowStart);
    this.found++;
    this.record = { position, offset: this.offsetOf(position), line, problem: undefined };
  }

  private finish(record: Started, value: Value): void {
    const end = this.sax.position;
    if (end - record.position > this.options.max_record) this.tooLong(record);
    const { problem, offset, line } = record;
    const base = { number: this.number++, line, offset, raw: record.kept ?? this.raw(record.position, end) };
    const decoded = problem ? { ...base, value: null, failure: problem } : { ...base, value };
    if (this.each) this.records.push(decoded);
    else this.held = decoded;
    this.record = undefined;
    this.frames.length = 0;
  }

  private tooLong(record: Started): void {
    record.problem = this.problem('E345', `the element has more than ${this.options.max_record} characters`, record.line, 1);
    record.kept ??= this.raw(record.position, record.position + KEPT_BYTES);
    this.frames.length = 0;
  }

  private refuse(code: 'E364', text: string, { line, column }: { readonly line: number; readonly column: number }): void {
    if (this.record) this.record.problem ??= this.problem(code, text, line, column);
  }

  private problem(code: 'E345' | 'E363' | 'E364', text: string, line: number, column: number): InvalidMessage {
    const place = `${this.source}:${line}`;
    return new InvalidMessage(code, `${place}:${column}: ${text}`, { place });
  }

  /** The bytes of a part of the document: each supported encoding gives back what was decoded. */
  private raw(from: number, to: number): Buffer {
    return encodeText(whole(this.window.slice(from - this.windowStart, to - this.windowStart)), this.encoding, 'xml');
  }

  private offsetOf(position: number): number {
    const text = this.window.slice(this.mark.position - this.windowStart, position - this.windowStart);
    const bytes = this.encoding === 'utf-8' ? Buffer.byteLength(text) : this.encoding.startsWith('utf-16') ? text.length * 2 : text.length;
    this.mark = { position, offset: this.mark.offset + bytes };
    return this.mark.offset;
  }

  private forget(position: number): void {
    if (position <= this.windowStart) return;
    this.offsetOf(position);
    this.window = this.window.slice(position - this.windowStart);
    this.windowStart = position;
  }
}

function wrapped(name: string, value: Value): Value {
  const record = newRecord();
  record[name] = value;
  return record;
}

/** Without half a surrogate pair at the end. */
function whole(text: string): string {
  return text.isWellFormed() ? text : text.slice(0, -1);
}
