// A parsed file as a tree of values that know where they stand. Independent of the YAML library, so that the rest of the
// loader does not depend on it.
import { Decimal } from '../bus/decimal.js';
import { newRecord, type Value } from '../bus/value.js';
import type { Place } from './diagnostics.js';

export type Path = readonly (string | number)[];

export interface Span {
  /** Offsets in the file's text, UTF-16 code units. */
  readonly start: number;
  readonly end: number;
}

export interface ScalarNode extends Span {
  readonly kind: 'scalar';
  /** As YAML 1.2 core reads it; numbers that a JavaScript number cannot hold are `bigint` or `Decimal`. */
  readonly value: string | number | bigint | Decimal | boolean | null;
  /** Digits of a number as they were written. */
  readonly digits?: string;
  /** Written without quotes. */
  readonly plain: boolean;
}

export interface ListNode extends Span {
  readonly kind: 'list';
  readonly items: readonly Node[];
}

export interface MapNode extends Span {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, Entry>;
}

export interface Entry {
  readonly key: Span;
  readonly value: Node;
}

export type Node = ScalarNode | ListNode | MapNode;

/** A file's text with its lines. */
export class SourceText {
  readonly path: string;
  readonly text: string;
  readonly #lines: readonly number[];

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
    const lines = [0];
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines.push(at + 1);
    this.#lines = lines;
  }

  /** The place of a span, cut at the end of its first line. */
  place(span: Span): Place {
    let low = 0;
    let high = this.#lines.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lines[middle] ?? 0) <= span.start) low = middle;
      else high = middle - 1;
    }
    const lineStart = this.#lines[low] ?? 0;
    const next = this.#lines[low + 1];
    const text = this.text.slice(lineStart, next === undefined ? this.text.length : next - 1).trimEnd();
    const length = Math.max(0, Math.min(span.end, lineStart + text.length) - span.start);
    return { file: this.path, line: low + 1, column: span.start - lineStart + 1, length };
  }
}

/** What stands at `path` below `root`, or the nearest thing above it that exists. */
export function find(root: Node, path: Path): { readonly node: Node; readonly key: Span | undefined; readonly depth: number } {
  let node = root;
  let key: Span | undefined;
  for (const [depth, step] of path.entries()) {
    const entry = node.kind === 'map' ? node.entries.get(String(step)) : undefined;
    const below = entry?.value ?? (node.kind === 'list' ? node.items[Number(step)] : undefined);
    if (!below) return { node, key, depth };
    node = below;
    key = entry?.key;
  }
  return { node, key, depth: path.length };
}

/** Part of a scalar's value as a span of the file; undefined when the two cannot be brought together. */
export function spanInside(text: string, node: ScalarNode, range: { readonly start: number; readonly end: number }): Span | undefined {
  if (typeof node.value !== 'string') return undefined;
  const offsets = align(text, node, node.value);
  const start = offsets?.[range.start];
  const last = offsets?.[Math.max(range.start, range.end - 1)];
  if (start === undefined || last === undefined) return undefined;
  return { start, end: range.end > range.start ? last + 1 : start };
}

/** A value as the routing sees data: numbers exact, no prototypes. */
export function exactValue(node: Node): Value {
  if (node.kind === 'list') return node.items.map(exactValue);
  if (node.kind === 'map') {
    const record = newRecord();
    for (const [name, entry] of node.entries) record[name] = exactValue(entry.value);
    return record;
  }
  if (typeof node.value !== 'number') return node.value;
  const digits = node.digits ?? String(node.value);
  return /^[+-]?\d+$/.test(digits) ? BigInt(digits) : (Decimal.parse(digits) ?? Decimal.of(node.value));
}

/**
 * For each code unit of a scalar's value the offset in the file it came from. Walks value and source side by side: white
 * space may be folded or indented in the source, quoted text may have escapes.
 */
function align(text: string, node: ScalarNode, value: string): number[] | undefined {
  const quote = node.plain ? '' : (text[node.start] ?? '');
  let at = quote === '"' || quote === "'" ? node.start + 1 : node.start;
  if (quote === '|' || quote === '>') at = text.indexOf('\n', at) + 1;
  const offsets: number[] = [];
  for (let i = 0; i < value.length; ) {
    if (at >= node.end) return undefined;
    const source = text[at] ?? '';
    if (quote === '"' && source === '\\') {
      const [length, units] = escapeAt(text, at);
      for (let unit = 0; unit < units; unit++) offsets[i++] = at;
      at += length;
    } else if (source === value[i] || (source === '\n' && value[i] === ' ')) {
      offsets[i++] = at;
      at += quote === "'" && source === "'" ? 2 : 1;
    } else if (/\s/.test(source)) at++;
    else return undefined;
  }
  return offsets;
}

/** Length of the escape in the source, and code units it stands for (YAML 1.2 section 5.7). */
function escapeAt(text: string, at: number): readonly [number, number] {
  const letter = text[at + 1] ?? '';
  if (letter === '\n' || letter === '\r') return [2, 0];
  const digits = { x: 2, u: 4, U: 8 }[letter] ?? 0;
  return [2 + digits, letter === 'U' && Number.parseInt(text.slice(at + 2, at + 10), 16) > 0xffff ? 2 : 1];
}
