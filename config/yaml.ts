// Reads one configuration file: YAML 1.2 core without anchors, tags and merge keys, within limits. The only importer of `yaml`.
import { isAlias, isMap, isScalar, isSeq, Lexer, type ParsedNode, parseAllDocuments, type YAMLParseError } from 'yaml';
import { Decimal } from '../bus/decimal.js';
import type { Diagnostic } from './diagnostics.js';
import { type Entry, type Node, type Span, SourceText } from './tree.js';

export interface ParsedFile {
  readonly source: SourceText;
  /** What could be read, also of a broken file, so that its names are known; undefined when nothing could. */
  readonly root: Node | undefined;
  /** The YAML itself is wrong: what `root` says about anything but names is not to be relied on. */
  readonly broken: boolean;
  readonly diagnostics: readonly Diagnostic[];
}

export const MAX_FILE_BYTES = 5_000_000;
const MAX_TOKENS = 450_000;
const MAX_DEPTH = 64;
const MAX_PROBLEMS = 20;

export function parseYaml(path: string, bytes: Uint8Array): ParsedFile {
  const text = decode(path, bytes);
  if (typeof text !== 'string') return broken(new SourceText(path, ''), [text]);
  const source = new SourceText(path, text);
  const limit = overLimit(source);
  if (limit) return broken(source, [limit]);
  try {
    return new Reader(source).file();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return broken(source, [tooDeep(source, { start: 0, end: 0 })]);
  }
}

/** UTF-8 text of a file, or why it is none. */
export function decode(path: string, bytes: Uint8Array): string | Diagnostic {
  const problem = (message: string, help: string): Diagnostic => ({ severity: 'error', code: 'E101', file: path, line: 0, column: 0, length: 0, message, help });
  if (bytes.length > MAX_FILE_BYTES) {
    const message = `the file has ${Math.ceil(bytes.length / 1e6)} MB; at most ${MAX_FILE_BYTES / 1e6} MB are read`;
    return { ...problem(message, 'split the file; put long code lists into CSV files'), code: 'E102' };
  }
  const [a, b, c] = bytes;
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) return problem('the file is UTF-16', 'save it as UTF-8 without BOM');
  if (a === 0xef && b === 0xbb && c === 0xbf) return problem('the file begins with a byte order mark', 'save it as UTF-8 without BOM');
  const zero = bytes.indexOf(0);
  if (zero >= 0) return problem(`the file holds a NUL byte at offset ${zero}`, zero < 4 ? 'it looks like UTF-16; save it as UTF-8' : 'is it really a text file?');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const offset = Buffer.from(new TextDecoder('utf-8').decode(bytes).split('\ufffd', 1)[0] ?? '').length;
    return problem(`the file is not UTF-8: wrong byte at offset ${offset}`, 'save it as UTF-8; it may be Windows-1252 or Latin-1');
  }
}

class Reader {
  readonly #diagnostics: Diagnostic[] = [];
  #tooDeep = false;

  constructor(private readonly source: SourceText) {}

  file(): ParsedFile {
    const documents = parseAllDocuments<ParsedNode>(this.source.text, {
      version: '1.2',
      schema: 'core',
      intAsBigInt: true,
      uniqueKeys: false,
      merge: false,
      prettyErrors: false,
      logLevel: 'silent',
    });
    if ('empty' in documents) return { source: this.source, root: undefined, broken: false, diagnostics: [] };
    const [first, second] = documents;
    const lines = new Set<number>();
    for (const error of documents.flatMap((document) => document.errors)) {
      const { line } = this.source.place({ start: error.pos[0], end: error.pos[1] });
      if (!lines.has(line) && lines.size < MAX_PROBLEMS) this.#diagnostics.push(this.#syntax(error));
      lines.add(line);
    }
    if (second) {
      const dashes = this.source.text.lastIndexOf('---', second.range[0]);
      const start = dashes < 0 ? second.range[0] : dashes;
      this.#refuse({ start, end: start + 3 }, 'a second document in one file', 'make it a file of its own');
    }
    if (/^%/m.test(this.source.text.slice(0, first?.range[0] ?? 0))) this.#refuse({ start: 0, end: 1 }, 'a YAML directive', 'remove the line');
    const contents = first?.contents;
    const root = contents && !(isScalar(contents) && contents.value === null) ? this.#node(contents, 1) : undefined;
    // What else seems wrong in a file that could only be read in part may be an echo of that.
    const diagnostics = lines.size === 0 ? this.#diagnostics : this.#diagnostics.filter(({ code }) => code === 'E100' || code === 'E105');
    return { source: this.source, root, broken: lines.size > 0 || this.#tooDeep, diagnostics };
  }

  #node(node: ParsedNode, depth: number): Node {
    const span = { start: node.range[0], end: node.range[1] };
    if (depth > MAX_DEPTH) {
      if (!this.#tooDeep) this.#diagnostics.push(tooDeep(this.source, span));
      this.#tooDeep = true;
      return { kind: 'scalar', value: null, plain: true, ...span };
    }
    if (isAlias(node)) {
      this.#refuse(span, `the alias \`*${node.source}\``, 'write the value out; each place says what it means');
      return { kind: 'scalar', value: null, plain: true, ...span };
    }
    if (node.anchor !== undefined) this.#refuse(this.#before(span, '&'), `the anchor \`&${node.anchor}\``, 'remove it');
    if (node.tag !== undefined) {
      const at = this.#before(span, '!');
      const help = /^!+secret\b/.test(this.source.text.slice(at.start)) ? 'a secret is written as "${secret:name}"' : 'remove it; the type follows from the option';
      this.#refuse(at, `the tag \`${this.source.text.slice(at.start, at.end)}\``, help);
    }
    if (isMap<ParsedNode, ParsedNode | null>(node)) return this.#map(node.items, span, depth);
    if (isSeq<ParsedNode>(node)) return { kind: 'list', items: node.items.map((item) => this.#node(item, depth + 1)), ...span };
    return this.#scalar(node.value, node.source, node.type === 'PLAIN', span);
  }

  #map(items: readonly { key: ParsedNode; value: ParsedNode | null }[], span: Span, depth: number): Node {
    const entries = new Map<string, Entry>();
    for (const { key, value } of items) {
      const at = { start: key.range[0], end: key.range[1] };
      const name = this.#key(key, at);
      const node: Node = value ? this.#node(value, depth + 1) : { kind: 'scalar', value: null, plain: true, start: at.end, end: at.end };
      if (name === undefined) continue;
      const first = entries.get(name);
      if (first) {
        const related = [{ ...this.source.place(first.key), label: 'first here' }];
        this.#diagnostics.push({ severity: 'error', code: 'E103', ...this.source.place(at), message: `the key \`${name}\` is given twice`, label: 'again here', related });
      } else entries.set(name, { key: at, value: node });
    }
    return { kind: 'map', entries, ...span };
  }

  #key(key: ParsedNode, span: Span): string | undefined {
    if (!isScalar(key) || key.value === null || key.value === '__proto__') {
      const what = isScalar(key) ? (key.value === null ? 'an empty key' : 'the key `__proto__`') : isAlias(key) ? 'an alias as key' : 'a list or mapping as key';
      this.#refuse(span, what, 'a key is a word or quoted text');
      return undefined;
    }
    if (key.anchor !== undefined) this.#refuse(this.#before(span, '&'), `the anchor \`&${key.anchor}\``, 'remove it');
    if (key.value === '<<' && key.type === 'PLAIN') {
      this.#refuse(span, 'the merge key `<<`', 'write the keys out');
      return undefined;
    }
    const scalar = this.#scalar(key.value, key.source, key.type === 'PLAIN', span);
    return scalar.kind === 'scalar' && typeof scalar.value === 'bigint' ? scalar.value.toString() : typeof key.value === 'bigint' ? key.value.toString() : (key.source ?? String(key.value));
  }

  #scalar(value: unknown, written: string | undefined, plain: boolean, span: Span): Node {
    const digits = written ?? '';
    const base = { kind: 'scalar', plain, ...span } as const;
    if (plain && /^[+-]?0\d+$/.test(digits)) this.#quote(span, 'W021', `leading zero lost: YAML reads ${digits} as the number ${BigInt(digits)}`, digits);
    if (plain && /^(yes|no|on|off)$/i.test(digits)) this.#quote(span, 'W022', `\`${digits}\` is text here, but other YAML tools read it as ${/^(yes|on)$/i.test(digits) ? 'true' : 'false'}`, digits);
    if (plain && /^\d{1,2}(:[0-5]\d)+$/.test(digits)) this.#quote(span, 'W022', `\`${digits}\` is text here, but other YAML tools read it as a number`, digits);
    if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? { ...base, value: Number(value), digits: value.toString() } : { ...base, value };
    if (typeof value === 'number' && !Number.isFinite(value)) {
      this.#refuse(span, `the number \`${digits}\``, 'write a number with digits, or quote it as text');
      return { ...base, value: null };
    }
    if (typeof value === 'number') {
      const exact = Decimal.parse(digits.replace(/^([+-]?)\./, '$10.').replace(/\.(?=$|[eE])/, ''));
      if (exact && !Decimal.of(value).equals(exact)) return { ...base, value: exact };
      return { ...base, value, ...(exact ? { digits: exact.toString() } : {}) };
    }
    if (value === null || typeof value === 'boolean') return { ...base, value };
    return { ...base, value: String(value) };
  }

  #quote(span: Span, code: 'W021' | 'W022', message: string, text: string): void {
    this.#diagnostics.push({ severity: 'warning', code, ...this.source.place(span), message, fix: `"${text}"` });
  }

  #refuse(span: Span, what: string, help: string): void {
    this.#diagnostics.push({ severity: 'error', code: 'E105', ...this.source.place(span), message: `${what} is not allowed`, help });
  }

  /** The anchor or tag that stands before a node. */
  #before(span: Span, sign: '&' | '!'): Span {
    const line = this.source.text.lastIndexOf('\n', span.start - 1) + 1;
    const start = this.source.text.lastIndexOf(sign, span.start);
    if (start < 0 || (start < line && span.start - start > 200)) return span;
    const begin = this.source.text[start - 1] === sign ? start - 1 : start;
    return { start: begin, end: begin + (/^\S+/.exec(this.source.text.slice(begin, begin + 100))?.[0].length ?? 1) };
  }

  #syntax(error: YAMLParseError): Diagnostic {
    const { text } = this.source;
    const start = Math.min(error.pos[0], Math.max(0, text.length - 1));
    const lineEnd = text.indexOf('\n', start) < 0 ? text.length : text.indexOf('\n', start);
    const rest = text.slice(start, lineEnd).replace(/\s+#.*$/, '').trimEnd();
    const place = this.source.place({ start, end: Math.max(error.pos[1], start + 1) });
    const base = { severity: 'error', code: 'E100', ...place } as const;
    if (error.code === 'TAB_AS_INDENT') return { ...base, message: 'a tab as indentation', label: 'a tab', help: 'indent with spaces' };
    if (error.code === 'BLOCK_AS_IMPLICIT_KEY' && /\s\?\s.*\s:\s/.test(rest)) {
      const help = `quote the whole expression: ${quoted(rest)}`;
      return { ...base, length: rest.length, message: 'an expression with `? :` needs quotes', label: 'YAML reads `:` as a key', help };
    }
    if (error.code === 'BLOCK_AS_IMPLICIT_KEY' && /:\s/.test(rest)) {
      return { ...base, length: rest.length, message: 'a value with `: ` in it needs quotes', label: 'YAML reads a key here', help: `quote it: ${quoted(rest)}; or is the indentation wrong?` };
    }
    if (error.code === 'BLOCK_AS_IMPLICIT_KEY') return { ...base, message: 'a key inside a plain value', help: 'is the line below indented too far? text with `: ` in it needs quotes' };
    if (/call stack/.test(error.message)) return { ...base, message: `nested deeper than ${MAX_DEPTH} levels` };
    if (/^Missing closing/.test(error.message)) return { ...base, message: 'a closing quote is missing' };
    return { ...base, message: error.message.charAt(0).toLowerCase() + error.message.slice(1) };
  }
}

function quoted(text: string): string {
  return text.includes('"') ? `'${text.replaceAll("'", "''")}'` : `"${text}"`;
}

/** Counts tokens and nesting before anything recursive or slow is done with the text. */
function overLimit(source: SourceText): Diagnostic | undefined {
  let tokens = 0;
  let offset = 0;
  let flow = 0;
  let compact = 0;
  let literal = false;
  for (const token of new Lexer().lex(source.text)) {
    if (++tokens > MAX_TOKENS) {
      const place = source.place({ start: offset, end: offset });
      return { severity: 'error', code: 'E102', ...place, message: 'the file holds too many values', help: 'split the file; put long code lists into CSV files' };
    }
    if (literal) literal = false;
    else if (token === '\u001f') literal = true;
    else if (token === '[' || token === '{') flow++;
    else if (token === ']' || token === '}') flow--;
    else if (token === '-' || token === '?') compact++;
    else if (token.startsWith('\n')) compact = 0;
    if (flow > MAX_DEPTH || compact > MAX_DEPTH) return tooDeep(source, { start: offset, end: offset + 1 });
    if (!/^[\u0002\u0018\u001f]$/.test(token)) offset += token.length;
  }
  return undefined;
}

function tooDeep(source: SourceText, span: Span): Diagnostic {
  return { severity: 'error', code: 'E102', ...source.place(span), message: `nested deeper than ${MAX_DEPTH} levels` };
}

function broken(source: SourceText, diagnostics: readonly Diagnostic[]): ParsedFile {
  return { source, root: undefined, broken: true, diagnostics };
}
