// From a sample of a file: which format it is, what a record of it is, and how its text becomes types.
import { z } from 'zod';
import { codecOf, formatOptions, oneFormat } from '../../adapters/codecs/format.js';
import { copybookToOptions } from '../../adapters/codecs/infer/copybook.js';
import { inferCsv } from '../../adapters/codecs/infer/csv.js';
import { inferEdi } from '../../adapters/codecs/infer/edi.js';
import { inferFixed } from '../../adapters/codecs/infer/fixed.js';
import { inferType } from '../../adapters/codecs/infer/types.js';
import { inferXml } from '../../adapters/codecs/infer/xml.js';
import { Decimal } from '../../bus/decimal.js';
import { describe, Misconfigured } from '../../bus/errors.js';
import { isRecord, type Value, type ValueRecord } from '../../bus/value.js';
import { type Draft, type DraftField, type Plain, type PlainMap, routeName, type Taken } from './draft.js';
import { endpointName, fieldName, typeName, unique } from './names.js';

export type SampleFormat = 'csv' | 'fixed' | 'copybook' | 'xml' | 'edi';

export interface FileSource {
  readonly format: SampleFormat;
  /** Name of the sample, for names and the pattern: `ORDERS_2026.csv`. */
  readonly name: string;
  /** The beginning of a file. */
  readonly bytes: Uint8Array;
  /** Of a copybook: its text. */
  readonly layout?: string;
}

export interface FileWishes {
  readonly system: string;
  /** The system stands in the configuration. */
  readonly isThere: boolean;
  readonly endpoint?: string;
  readonly type?: string;
  /** Root folder of a system that is to be made. */
  readonly root: string;
}

/** Records of a sample that are looked at. */
const MOST = 1_000;

/** @throws Misconfigured E127 when the sample holds no record that can be read */
export async function fileDraft(source: FileSource, wishes: FileWishes, taken: Taken): Promise<Draft> {
  const { format, notes } = await inferred(source);
  const { records, problems } = await decoded(format, source);
  if (records.length === 0) throw new Misconfigured('E127', `${source.name} holds no record that can be read${problems[0] === undefined ? '' : `: ${problems[0]}`}`);
  const stem = source.name.replace(/\.[^.]*$/, '');
  const extension = /\.[A-Za-z0-9]{1,8}$/.exec(source.name)?.[0] ?? '';
  const endpoint = wishes.endpoint ?? endpointName(stem.replace(/[\d_-]+$/, '') || stem);
  const type = unique(wishes.type ?? typeName(endpoint), taken.types);
  const types = new Set([...taken.types, type]);
  const fields = fieldsOf(records, { path: [], names: new Set(), types });
  const [first] = records;
  return {
    system: wishes.system,
    ...(wishes.isThere ? {} : { make: { adapter: 'file', connect: { root: wishes.root } } }),
    endpoint,
    route: routeName(wishes.system, endpoint, taken),
    read: { path: 'inbox', pattern: `*${extension}`, ...plain(format) },
    type,
    fields,
    key: keyOf(records, fields),
    samples: first ? [first] : [],
    notes: [
      ...notes,
      `${records.length} records of the sample were read.`,
      ...(problems.length === 0 ? [] : [`${problems.length} records of the sample could not be read, the first because: ${problems[0]}`]),
    ],
  };
}

const formatConfig = z.strictObject(formatOptions).superRefine(oneFormat);
type Format = z.input<typeof formatConfig>;

async function inferred({ name, format, bytes, layout = '' }: FileSource): Promise<{ readonly format: Format; readonly notes: readonly string[] }> {
  if (bytes.length === 0) throw new Misconfigured('E127', `${name} is empty`);
  switch (format) {
    case 'csv': {
      const { options, notes } = inferCsv(bytes);
      return { format: { csv: options }, notes };
    }
    case 'fixed': {
      const { options, notes } = inferFixed(bytes);
      return { format: { fixed_width: options }, notes };
    }
    case 'copybook': {
      const { options, notes } = copybookToOptions(layout, bytes.length > 0 ? bytes : undefined);
      return { format: { copybook: options }, notes };
    }
    case 'xml': {
      const { options, notes } = await inferXml(bytes);
      return { format: { xml: options }, notes };
    }
    case 'edi': {
      const found = await inferEdi(bytes);
      if (!found) throw new Misconfigured('E127', `${name} begins neither like EDIFACT (UNA, UNB) nor like X12 (ISA)`);
      return { format: found.format === 'edifact' ? { edifact: found.options } : { x12: found.options }, notes: found.notes };
    }
  }
}

async function decoded(format: Format, { name, bytes }: FileSource): Promise<{ readonly records: readonly ValueRecord[]; readonly problems: readonly string[] }> {
  const records: ValueRecord[] = [];
  const problems: string[] = [];
  const checked = formatConfig.safeParse(format);
  if (!checked.success) throw new Misconfigured('E127', `${name}: ${checked.error.issues[0]?.message ?? 'nothing was recognised'}`);
  const codec = codecOf(checked.data);
  for await (const list of codec.decode(once(bytes), name)) {
    for (const { value, failure } of list) {
      if (failure) problems.push(describe(failure));
      else if (isRecord(value)) records.push(value);
    }
    if (records.length >= MOST) break;
  }
  return { records: records.slice(0, MOST), problems };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

interface Around {
  readonly path: readonly string[];
  readonly names: Set<string>;
  readonly types: Set<string>;
}

/** Every field any of the records has, in the order they came; the fields of records within them stand beside the others. */
function fieldsOf(records: readonly ValueRecord[], { path, names, types }: Around): readonly DraftField[] {
  const values = new Map<string, Value[]>();
  for (const record of records) {
    for (const [name, value] of Object.entries(record)) {
      const all = values.get(name);
      if (all) all.push(value);
      else values.set(name, [value]);
    }
  }
  return [...values].flatMap(([name, all]): readonly DraftField[] => {
    const own = [...path, name];
    const mayBeAbsent = all.length < records.length;
    const present = all.filter((value) => value !== null);
    const isAlways = present.length === records.length;
    if (isAlways && present.every(isRecord)) return fieldsOf(present, { path: own, names, types });
    const as = unique(fieldName(name), names);
    names.add(as);
    const field = { path: own, as, ...(mayBeAbsent ? { mayBeAbsent } : {}) };
    const required = isAlways ? 'required ' : '';
    const lists = present.filter((value): value is readonly Value[] => Array.isArray(value));
    const below = lists.flat();
    if (lists.length > 0 && lists.length === present.length && below.length > 0 && below.every(isRecord)) {
      const type = unique(typeName(name), types);
      types.add(type);
      return [{ ...field, words: required.trim(), each: { type, fields: fieldsOf(below, { path: [], names: new Set(), types }) } }];
    }
    if (lists.length > 0 && lists.length === present.length && below.every((value) => typeof value === 'string')) return [{ ...field, words: `${required}list of text` }];
    // Text here and a list there: whoever maps it says what it is.
    if (present.some((value) => Array.isArray(value) || isRecord(value))) return [{ ...field, words: `${required}any` }];
    return present.some((value) => value instanceof Uint8Array) ? [] : [{ ...field, ...leaf(present, isAlways) }];
  });
}

function leaf(present: readonly Value[], isAlways: boolean): Pick<DraftField, 'words' | 'map'> {
  const required = isAlways ? 'required ' : '';
  const some = present.length > 0;
  if (some && present.every((value) => typeof value === 'bigint')) return { words: `${required}integer` };
  if (some && present.every((value) => typeof value === 'bigint' || value instanceof Decimal)) return { words: `${required}decimal` };
  if (some && present.every((value) => typeof value === 'boolean')) return { words: `${required}boolean` };
  const texts = present.map((value) => (typeof value === 'string' ? value : String(value)));
  const filled = texts.filter((text) => text.trim() !== '');
  const { type, decimal = 'point', date } = inferType(filled);
  // Two numbers that happen to be digits prove nothing.
  if (type === 'text' || (type === 'integer' && filled.length < 3)) return { words: `${required}text` };
  const isFilled = isAlways && filled.length === texts.length;
  const conversion: PlainMap = type === 'date' ? { date: date ?? 'yyyy-MM-dd' } : { decimal };
  return { words: `${isFilled ? 'required ' : ''}${type}`, map: { ...(isFilled ? {} : { empty: '' }), ...conversion } };
}

/** The first field whose values are all there and all different. */
function keyOf(records: readonly ValueRecord[], fields: readonly DraftField[]): readonly string[] {
  if (records.length < 2) return [];
  const name = fields.find(({ path, words }) => {
    if (path.length > 1 || !/^required (text|integer)/.test(words)) return false;
    return new Set(records.map((record) => String(record[path[0] ?? '']))).size === records.length;
  })?.path[0];
  return name === undefined ? [] : [name];
}

function plain(format: Format): PlainMap {
  return JSON.parse(JSON.stringify(format)) as Readonly<Record<string, Plain>>;
}
