// Options of formats whose files hold records of several kinds.

import { z } from 'zod';
import { type FieldType, type FieldTypes, InvalidMessage } from '../contract/index.js';
import { encodeText } from './encodings.js';
import { type Control, HEADER, type Plan, TRAILER } from './grouping.js';

/** Spread into the options of one kind of record. */
export const kindOptions = {
  children: z
    .record(z.string().min(1), z.string().min(1))
    .default({})
    .meta({ title: 'Children', description: 'Records that belong to the one before them: the name of a list, and the kind of record it takes.', examples: [{ lines: 'line' }] }),
};

/** Spread beside `records`. */
export const groupOptions = {
  max_children: z.int().min(1).max(1_000_000).default(10_000).meta({ title: 'Most children', description: 'More records below one are an error.', advanced: true }),
  type_field: z
    .string()
    .min(1)
    .default('record_type')
    .meta({ title: 'Type field', description: 'Where several kinds of records are handed over: the field that says which one it is.', advanced: true }),
};

export const asOption = z
  .string()
  .min(1)
  .optional()
  .meta({ title: 'As', description: 'Every record carries the header under this field, for a date or sender that stands only there.', examples: ['header'] });

/** `when` of a record that is bytes: what stands at a position. */
export const atOption = z
  .strictObject({
    at: z.int().min(1).max(1_048_576).meta({ title: 'At', description: 'First byte, 1 for the first of the record.' }),
    is: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).meta({ title: 'Is', description: 'Text that stands there, or several.', examples: ['H', ['O1', 'O2']] }),
  })
  .meta({ title: 'When', description: 'How a record of this kind is recognised.' });

interface KindOptions {
  readonly children: Readonly<Record<string, string>>;
}

/** Problems that span several kinds. */
export function checkKinds(records: Readonly<Record<string, KindOptions>>, context: z.RefinementCtx): void {
  const issue = (path: (string | number)[], message: string): void => context.addIssue({ code: 'custom', path: ['records', ...path], message });
  const names = Object.keys(records);
  for (const [name, { children }] of Object.entries(records)) {
    if (name === HEADER || name === TRAILER) issue([name], `${name} stands beside records, not in it`);
    const kinds = Object.values(children);
    for (const [list, child] of Object.entries(children)) {
      if (!names.includes(child)) issue([name, 'children', list], `there is no record "${child}"; records: ${names.join(', ')}`);
      if (kinds.filter((other) => other === child).length > 1) issue([name, 'children', list], `two lists take the record "${child}"`);
    }
    if (reaches(name, name, records)) issue([name, 'children'], 'the record stands below itself');
  }
  if (names.length > 0 && topOf(records).length === 0) issue([], 'every record is a child of another one');
}

export function planOf(
  records: Readonly<Record<string, KindOptions>>,
  header: Control | undefined,
  trailer: Control | undefined,
  options: { readonly max_children: number; readonly type_field: string; readonly decimal?: 'point' | 'comma' },
): Plan {
  const top = topOf(records);
  return {
    kinds: new Map(Object.entries(records).map(([name, { children }]) => [name, { children, below: !top.includes(name) }])),
    header,
    trailer,
    typeField: top.length > 1 ? options.type_field : undefined,
    maxChildren: options.max_children,
    decimal: options.decimal ?? 'point',
  };
}

/** Fields of what is handed over; undefined when there are several kinds of it. */
export function fieldsOf(plan: Plan, fields: (kind: string) => FieldTypes | undefined, header: FieldTypes | undefined): FieldTypes | undefined {
  const top = [...plan.kinds].filter(([, { below }]) => !below).map(([name]) => name);
  const whole = (name: string): FieldTypes | undefined => {
    const own = fields(name);
    if (!own) return undefined;
    const lists = Object.entries(plan.kinds.get(name)?.children ?? {}).map(([list, child]): [string, FieldType] => [list, { list: whole(child) ?? {} }]);
    return { ...own, ...Object.fromEntries(lists) };
  };
  const [only] = top;
  const own = top.length === 1 && only !== undefined ? whole(only) : undefined;
  const as = plan.header?.as;
  return own && as !== undefined && header ? { ...own, [as]: { record: header } } : own;
}

function topOf(records: Readonly<Record<string, KindOptions>>): readonly string[] {
  const below = new Set(Object.values(records).flatMap(({ children }) => Object.values(children)));
  return Object.keys(records).filter((name) => !below.has(name));
}

function reaches(from: string, to: string, records: Readonly<Record<string, KindOptions>>, seen = new Set<string>()): boolean {
  if (seen.has(from)) return false;
  seen.add(from);
  return Object.values(records[from]?.children ?? {}).some((child) => child === to || reaches(child, to, records, seen));
}

export interface When {
  readonly at: number;
  readonly is: string | readonly string[];
}

/** Which kind a record of bytes is; the one without `when` takes what is left. */
export function recogniser(kinds: readonly (readonly [string, When | undefined])[], encoding: string): (record: Buffer) => string | undefined {
  const tests = kinds.flatMap(([name, when]) => (when ? [{ name, at: when.at - 1, texts: marks(when, encoding) }] : []));
  const other = kinds.find(([, when]) => !when)?.[0];
  return (record) => {
    for (const { name, at, texts } of tests) {
      if (texts.some((text) => at + text.length <= record.length && text.compare(record, at, at + text.length) === 0)) return name;
    }
    return other;
  };
}

/** What a record is recognised by need not be mapped. @throws InvalidMessage E354 when it would not be recognised */
export function writeMark(record: Buffer, when: When | undefined, encoding: string, kind: string): void {
  if (!when) return;
  const texts = marks(when, encoding);
  const [first] = texts;
  const there = (text: Buffer): Buffer => record.subarray(when.at - 1, when.at - 1 + text.length);
  if (!first || texts.some((text) => text.equals(there(text)))) return;
  const blank = encodeText(' ', encoding, '')[0];
  if (when.at - 1 + first.length > record.length || !there(first).every((byte) => byte === blank || byte === 0)) {
    throw new InvalidMessage('E354', `the record would not be read as ${kind}: byte ${when.at} is not ${[when.is].flat().join(' or ')}`);
  }
  first.copy(record, when.at - 1);
}

function marks({ is }: When, encoding: string): readonly Buffer[] {
  return [is].flat().map((text) => encodeText(text, encoding, 'when'));
}
