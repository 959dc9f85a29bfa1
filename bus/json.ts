import { Decimal } from './decimal.js';
import { isRecord, newRecord, type Value } from './value.js';

/** Bounds for JSON from outside; reaching one is an error, never a cut. */
export interface JsonLimits {
  /** Nesting of arrays and objects. Default 128. */
  readonly depth?: number;
  /** Members and elements in the whole document. Default 200,000. */
  readonly values?: number;
}

/** Of what comes back from a channel or from notes: it was JSON of ours before. */
export const OWN_JSON: JsonLimits = { values: 5_000_000, depth: 256 };

/** The text is no JSON (RFC 8259). `offset` counts UTF-16 code units from the start. */
export class JsonError extends Error {
  override readonly name = 'JsonError';
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(`${message} at offset ${offset}`);
    this.offset = offset;
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON strings must not hold raw control characters (RFC 8259 section 7)
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: Readonly<Record<string, string>> = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/**
 * Reads JSON strictly and without loss: whole numbers become `bigint`, others `Decimal` with all their digits; duplicate
 * member names, lone surrogates and trailing text are errors. Objects have no prototype.
 * @throws JsonError naming the offset
 */
export function parseJson(text: string, limits: JsonLimits = {}): Value {
  return new Reader(text, limits.depth ?? 128, limits.values ?? 200_000).document();
}

class Reader {
  private at = 0;
  private left: number;

  constructor(
    private readonly text: string,
    private readonly depth: number,
    values: number,
  ) {
    this.left = values;
  }

  document(): Value {
    const value = this.value(0);
    this.space();
    if (this.at < this.text.length) this.fail('unexpected text after the value');
    return value;
  }

  private value(depth: number): Value {
    this.space();
    if (--this.left < 0) this.fail('more values than allowed');
    const first = this.text.charCodeAt(this.at);
    if (first === 0x22) return this.string();
    if (first === 0x7b) return this.object(depth + 1);
    if (first === 0x5b) return this.array(depth + 1);
    if (first === 0x74) return this.word('true', true);
    if (first === 0x66) return this.word('false', false);
    if (first === 0x6e) return this.word('null', null);
    return this.number();
  }

  private object(depth: number): Value {
    if (depth > this.depth) this.fail(`nested deeper than ${this.depth}`);
    const record = newRecord();
    this.at++;
    this.space();
    if (this.take(0x7d)) return record;
    for (;;) {
      this.space();
      const start = this.at;
      if (this.text.charCodeAt(this.at) !== 0x22) this.fail('expected a member name in quotes');
      const name = this.string();
      if (name in record) this.fail(`duplicate member "${name.slice(0, 80)}"`, start);
      this.space();
      if (!this.take(0x3a)) this.fail('expected ":"');
      record[name] = this.value(depth);
      this.space();
      if (this.take(0x7d)) return record;
      if (!this.take(0x2c)) this.fail('expected "," or "}"');
    }
  }

  private array(depth: number): Value {
    if (depth > this.depth) this.fail(`nested deeper than ${this.depth}`);
    const list: Value[] = [];
    this.at++;
    this.space();
    if (this.take(0x5d)) return list;
    for (;;) {
      list.push(this.value(depth));
      this.space();
      if (this.take(0x5d)) return list;
      if (!this.take(0x2c)) this.fail('expected "," or "]"');
    }
  }

  private string(): string {
    const start = this.at++;
    let result = '';
    for (;;) {
      PLAIN.lastIndex = this.at;
      PLAIN.test(this.text);
      const end = PLAIN.lastIndex;
      result += this.text.slice(this.at, end);
      this.at = end + 1;
      const stop = this.text.charCodeAt(end);
      if (stop === 0x22) break;
      if (stop !== 0x5c) this.fail(Number.isNaN(stop) ? 'unterminated text' : 'raw control character in text', end);
      result += this.escape();
    }
    if (!result.isWellFormed()) this.fail('lone surrogate in text', start);
    return result;
  }

  private escape(): string {
    const letter = this.text[this.at++] ?? '';
    const plain = ESCAPES[letter];
    if (plain !== undefined) return plain;
    const hex = this.text.slice(this.at, this.at + 4);
    if (letter !== 'u' || !/^[0-9a-fA-F]{4}$/.test(hex)) this.fail('unknown escape', this.at - 2);
    this.at += 4;
    return String.fromCharCode(Number.parseInt(hex, 16));
  }

  private number(): bigint | Decimal {
    NUMBER.lastIndex = this.at;
    const digits = NUMBER.exec(this.text)?.[0];
    if (digits === undefined) this.fail(this.at >= this.text.length ? 'unexpected end' : 'unexpected character');
    if (digits.length > 400) this.fail('number with more than 400 digits');
    this.at += digits.length;
    if (/^-?\d+$/.test(digits)) return BigInt(digits);
    return Decimal.parse(digits) ?? this.fail('number out of range', this.at - digits.length);
  }

  private word<T extends Value>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) this.fail('unexpected character');
    this.at += word.length;
    return value;
  }

  private take(code: number): boolean {
    if (this.text.charCodeAt(this.at) !== code) return false;
    this.at++;
    return true;
  }

  private space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at++;
    }
  }

  private fail(message: string, offset = this.at): never {
    throw new JsonError(message, offset);
  }
}

/**
 * Writes JSON without loss. `exact` writes numbers as JSON numbers with all their digits (targets and channels);
 * `text` writes decimals and whole numbers as text (canonical messages over HTTP, where a reader would round them).
 * Bytes become base64 text.
 */
export function writeJson(value: Value, numbers: 'exact' | 'text' = 'exact'): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'bigint' || value instanceof Decimal) return numbers === 'exact' ? value.toString() : `"${value.toString()}"`;
  if (value instanceof Uint8Array) return `"${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')}"`;
  let text = '';
  if (!isRecord(value)) {
    for (const element of value) text += `${text && ','}${writeJson(element, numbers)}`;
    return `[${text}]`;
  }
  for (const name in value) text += `${text && ','}${nameText(name)}${writeJson(value[name] ?? null, numbers)}`;
  return `{${text}}`;
}

/** Names of members as they are written: the same few, over and over. */
const nameTexts = new Map<string, string>();
const MOST_NAMES = 10_000;

function nameText(name: string): string {
  const known = nameTexts.get(name);
  if (known !== undefined) return known;
  const text = `${JSON.stringify(name)}:`;
  if (name.length <= 64 && nameTexts.size < MOST_NAMES) nameTexts.set(name, text);
  return text;
}
