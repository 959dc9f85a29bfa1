// What EDIFACT (ISO 9735) and X12 have in common: segments of elements of components, messages in envelopes, and the shape both have as a value.

import { z } from 'zod';
import { InvalidMessage, isRecord, newRecord, type Value, type ValueRecord } from '../contract/index.js';
import { decodeText, encodeText } from './encodings.js';

/** An element is its components; one that is repeated (a repetition separator) is a list of those. */
export type Element = readonly string[] | { readonly repeats: readonly (readonly string[])[] };

export interface Segment {
  readonly tag: string;
  readonly elements: readonly Element[];
  /** 1 for the first of the interchange. */
  readonly number: number;
  readonly offset: number;
  readonly raw: Buffer;
}

/** Service characters, each a single byte. Undefined: the standard or the interchange has none. */
export interface Separators {
  readonly component: string;
  readonly element: string;
  readonly terminator: string;
  readonly release: string | undefined;
  readonly repetition: string | undefined;
}

/** Where it is wrong, for an InvalidMessage. */
export class EdiProblem extends Error {
  override readonly name = 'EdiProblem';

  constructor(
    readonly code: 'E341' | 'E345' | 'E365' | 'E366',
    message: string,
    readonly segment?: Pick<Segment, 'tag' | 'number' | 'offset'>,
  ) {
    super(message);
  }

  failure(source: string): InvalidMessage {
    const { segment } = this;
    const where = segment ? `segment ${segment.number} (${segment.tag.slice(0, 10)}) at byte ${segment.offset}: ` : '';
    return new InvalidMessage(this.code, `${source}: ${where}${this.message}`, { place: source });
  }
}

const tag = () => z.string().regex(/^[A-Z0-9]{2,3}$/, 'expected the tag of a segment such as LIN or N1');
const group = <T extends z.ZodType>(nested: T) =>
  z.strictObject({
    start: tag().meta({ title: 'Start', description: 'The segment each repetition begins with.', examples: ['LIN'] }),
    groups: nested.meta({ title: 'Groups', description: 'Loops within each repetition.' }),
  });
const groupName = z.string().regex(/^(?!(?:segments|interchange|group|message)$)[a-z][a-z0-9_]*$/, 'expected a name such as lines');
const none = z.strictObject({}).default({});
const level = <T extends z.ZodType>(nested: T) => z.record(groupName, group(nested)).default({});

export const groupsOption = level(level(level(none))).meta({
  title: 'Groups',
  description: 'Loops as lists: each begins with its start segment and takes what follows, up to the start of the next one, of a group beside it or of one around it.',
  examples: [{ lines: { start: 'LIN' }, summary: { start: 'UNS' } }],
});

export interface Group {
  readonly start: string;
  readonly groups: Groups;
}
export type Groups = { readonly [name: string]: Group };

/** Segments as a value: those in front in `segments`, groups as lists of records of the same shape. */
export function nest(segments: readonly Segment[], groups: Groups): Record<string, Value> {
  interface Open {
    readonly value: { readonly record: Record<string, Value>; readonly segments: Value[]; readonly lists: Map<string, Value[]> };
    readonly groups: Groups;
  }
  const start = (of: Groups): Open => {
    const record = newRecord();
    const own: Value[] = [];
    const lists = new Map<string, Value[]>();
    record['segments'] = own;
    for (const name of Object.keys(of)) {
      const list: Value[] = [];
      record[name] = list;
      lists.set(name, list);
    }
    return { value: { record, segments: own, lists }, groups: of };
  };
  const root = start(groups);
  const open: Open[] = [root];
  for (const segment of segments) {
    for (let depth = open.length - 1; depth >= 0; depth--) {
      const level = open[depth];
      const found = level && Object.entries(level.groups).find(([, { start: trigger }]) => trigger === segment.tag);
      if (!level || !found) continue;
      const [name, definition] = found;
      const next = start(definition.groups as Groups);
      level.value.lists.get(name)?.push(next.value.record);
      open.splice(depth + 1, open.length, next);
      break;
    }
    open.at(-1)?.value.segments.push(segmentValue(segment));
  }
  return root.value.record;
}

function segmentValue({ tag: name, elements }: Segment): Value {
  const value = newRecord();
  value['tag'] = name;
  value['elements'] = elements.map((element) => ('repeats' in element ? { repeats: element.repeats } : element));
  return value;
}

/** The opposite of `nest`: groups follow the segments in the order of the configuration. @throws InvalidMessage */
export function flatten(value: ValueRecord, groups: Groups, path = ''): { readonly tag: string; readonly elements: readonly Element[] }[] {
  const list = (name: string): readonly Value[] => {
    const items = value[name] ?? [];
    if (!Array.isArray(items)) throw new InvalidMessage('E348', `${path}${name} is no list`);
    return items as readonly Value[];
  };
  const segments = list('segments').map((segment, at) => readSegment(segment, `${path}segments[${at}]`));
  for (const [name, definition] of Object.entries(groups)) {
    for (const [at, item] of list(name).entries()) {
      const place = `${path}${name}[${at}]`;
      if (!isRecord(item)) throw new InvalidMessage('E348', `${place} is no record`);
      const nested = flatten(item, definition.groups, `${place}.`);
      if (nested[0]?.tag !== definition.start) throw new InvalidMessage('E348', `${place} begins with ${nested[0]?.tag ?? 'nothing'} instead of ${definition.start}`);
      segments.push(...nested);
    }
  }
  return segments;
}

function readSegment(value: Value, place: string): { readonly tag: string; readonly elements: readonly Element[] } {
  const name = isRecord(value) ? value['tag'] : undefined;
  const elements = isRecord(value) ? (value['elements'] ?? []) : undefined;
  if (typeof name !== 'string' || !/^[A-Z0-9]{2,3}$/.test(name) || !Array.isArray(elements))
    throw new InvalidMessage('E348', `${place} needs a tag such as LIN and a list of elements`);
  return { tag: name, elements: (elements as readonly Value[]).map((element, at) => readElement(element, `${place}.elements[${at}]`)) };
}

function readElement(value: Value, place: string): Element {
  if (isRecord(value)) {
    const repeats = value['repeats'];
    if (!Array.isArray(repeats)) throw new InvalidMessage('E348', `${place} is a record without a list of repeats`);
    return { repeats: (repeats as readonly Value[]).map((one) => components(one, place)) };
  }
  return components(value, place);
}

function components(value: Value, place: string): readonly string[] {
  if (Array.isArray(value)) return (value as readonly Value[]).map((component) => single(component, place));
  return [single(value, place)];
}

/** Text or an exact number; null is empty. */
export function single(value: Value | undefined, place: string): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'bigint' || (typeof value === 'object' && !Array.isArray(value) && !isRecord(value) && !(value instanceof Uint8Array))) return value.toString();
  throw new InvalidMessage('E348', `${place} is no text and no number`);
}

/** Cuts the bytes of a segment, without its terminator. @throws EdiProblem */
export function readSegmentBytes(raw: Buffer, separators: Separators, encoding: string, place: { readonly number: number; readonly offset: number }): Segment {
  const { element, component, repetition, release } = separators;
  // Separators are single bytes, and all encodings here leave ASCII alone: cut as bytes, decode what is between.
  const text = raw.toString('latin1');
  const head = text.slice(0, 10).split(element, 1)[0]?.split(component, 1)[0] ?? '';
  const here = { tag: head, ...place };
  const decode = (bytes: string): string => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
    if (/^[\x00-\x7f]*$/.test(bytes)) return bytes;
    try {
      return decodeText(Buffer.from(bytes, 'latin1'), encoding);
    } catch (error) {
      if (!(error instanceof InvalidMessage)) throw error;
      throw new EdiProblem('E341', `${error.message.replace(/ at offset \d+/, '')}; set encoding to what the sender really uses`, here);
    }
  };
  const isPlain = release === undefined || !text.includes(release);
  const split = (part: string, separator: string | undefined): readonly string[] =>
    separator === undefined ? [part] : isPlain ? part.split(separator) : splitReleased(part, separator, release);
  const clean = (part: string): string => decode(isPlain ? part : unreleased(part, release));
  const [first = '', ...rest] = split(text, element);
  const [name = '', ...nesting] = split(first, component);
  if (nesting.length > 0) throw new EdiProblem('E365', 'explicit nesting behind the tag is not supported', here);
  if (!/^[A-Z0-9]{2,3}$/.test(name)) throw new EdiProblem('E365', `${JSON.stringify(name.slice(0, 20))} is no tag of a segment`, here);
  const elements = rest.map((part): Element => {
    const repeats = split(part, repetition);
    if (repeats.length === 1) return split(part, component).map(clean);
    return { repeats: repeats.map((one) => split(one, component).map(clean)) };
  });
  return { tag: name, elements, ...place, raw };
}

function splitReleased(text: string, separator: string, release: string): readonly string[] {
  const parts: string[] = [];
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === release) at++;
    else if (text[at] === separator) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  parts.push(text.slice(from));
  return parts;
}

function unreleased(text: string, release: string): string {
  let result = '';
  for (let at = 0; at < text.length; at++) {
    if (text[at] === release && at + 1 < text.length) at++;
    result += text[at] ?? '';
  }
  return result;
}

/** A segment with its terminator. Empty elements and components at the end are left out. @throws InvalidMessage */
export function writeSegment(name: string, elements: readonly Element[], separators: Separators, encoding: string): Buffer {
  const { component, element, terminator, repetition, release } = separators;
  const special = new Set([component, element, terminator, repetition, release].filter((character) => character !== undefined));
  const plain = (text: string): string => {
    let result = '';
    for (const character of text) {
      if (character < ' ') throw new InvalidMessage('E348', `${name}: a control character cannot be written`);
      if (special.has(character)) {
        if (release === undefined) throw new InvalidMessage('E348', `${name}: "${character}" is a separator of the interchange and cannot stand in a value`);
        result += release;
      }
      result += character;
    }
    return result;
  };
  const one = (parts: readonly string[]): string => trimmed(parts.map(plain)).join(component);
  const texts = elements.map((item) => {
    if (!('repeats' in item)) return one(item);
    if (repetition === undefined) throw new InvalidMessage('E348', `${name}: the interchange has no repetition separator`);
    return item.repeats.map(one).join(repetition);
  });
  return encodeText(`${trimmed([name, ...texts]).join(element)}${terminator}`, encoding, name);
}

function trimmed(parts: readonly string[]): readonly string[] {
  let length = parts.length;
  while (length > 1 && parts[length - 1] === '') length--;
  return parts.slice(0, length);
}

/** First component of an element, counted from 1 as in the standards; empty when it is not there. */
export function at({ elements }: Pick<Segment, 'elements'>, element: number, component = 1): string {
  const found = elements[element - 1];
  return (found && !('repeats' in found) ? found[component - 1] : undefined) ?? '';
}
