// From a sample of a file: which format it is, what a record of it is, and how its text becomes types.
import { z } from 'zod';
import { codecOf, formatOptions, oneFormat } from '../../adapters/codecs/format.js';
import { copybookToOptions } from '../../adapters/codecs/infer/copybook.js';
import { inferCsv } from '../../adapters/codecs/infer/csv.js';
import { inferFixed } from '../../adapters/codecs/infer/fixed.js';
import { inferType } from '../../adapters/codecs/infer/types.js';
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
  const { format, notes } = inferred(source);
  const { records, problems } = await decoded(format, source);
  if (records.length === 0) throw new Misconfigured('E127', `${source.name} holds no record that can be read${problems[0] === undefined ? '' : `: ${problems[0]}`}`);
  const stem = source.name.replace(/\.[^.]*$/, '');
  const extension = /\.[A-Za-z0-9]{1,8}$/.exec(source.name)?.[0] ?? '';
  const endpoint = wishes.endpoint ?? endpointName(stem.replace(/[\d_-]+$/, '') || stem);
  const type = unique(wishes.type ?? typeName(endpoint), taken.types);
  const types = new Set([...taken.types, type]);
  const fields = fieldsOf(records, types);
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

function inferred({ format, bytes, layout = '' }: FileSource): { readonly format: Format; readonly notes: readonly string[] } {
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
    case 'xml':
    case 'edi':
      throw new Misconfigured('E127', `${format} is not there yet`);
  }
}

async function decoded(format: Format, { name, bytes }: FileSource): Promise<{ readonly records: readonly ValueRecord[]; readonly problems: readonly string[] }> {
  const records: ValueRecord[] = [];
  const problems: string[] = [];
  const codec = codecOf(formatConfig.parse(format));
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

/** Every field any of the records has, in the order they came. */
function fieldsOf(records: readonly ValueRecord[], types: Set<string>): readonly DraftField[] {
  const values = new Map<string, Value[]>();
  for (const record of records) for (const [name, value] of Object.entries(record)) values.set(name, [...(values.get(name) ?? []), value]);
  const names = new Set<string>();
  return [...values].flatMap(([name, all]): DraftField[] => {
    const as = unique(fieldName(name), names);
    names.add(as);
    const present = all.filter((value) => value !== null);
    const isAlways = present.length === records.length;
    const lists = present.filter((value) => Array.isArray(value));
    const below = lists.length > 0 ? lists.flatMap((list) => list as readonly Value[]) : present;
    if (below.some(isRecord)) {
      const type = unique(typeName(name), types);
      types.add(type);
      return [{ name, as, words: isAlways ? 'required' : '', each: { type, fields: fieldsOf(below.filter(isRecord), types), isList: lists.length > 0 } }];
    }
    if (lists.length > 0) return [{ name, as, words: `${isAlways ? 'required ' : ''}list of text` }];
    if (present.some((value) => value instanceof Uint8Array)) return [];
    return [leaf(name, as, present, isAlways)];
  });
}

function leaf(name: string, as: string, present: readonly Value[], isAlways: boolean): DraftField {
  const required = isAlways ? 'required ' : '';
  if (present.length > 0 && present.every((value) => typeof value === 'bigint')) return { name, as, words: `${required}integer` };
  if (present.length > 0 && present.every((value) => typeof value === 'bigint' || value instanceof Decimal)) return { name, as, words: `${required}decimal` };
  if (present.length > 0 && present.every((value) => typeof value === 'boolean')) return { name, as, words: `${required}boolean` };
  const texts = present.map((value) => (typeof value === 'string' ? value : String(value)));
  const filled = texts.filter((text) => text.trim() !== '');
  const { type, decimal = 'point', date } = inferType(filled);
  if (type === 'text') return { name, as, words: `${required}text` };
  const isFilled = isAlways && filled.length === texts.length;
  const conversion: PlainMap = type === 'date' ? { date: date ?? 'yyyy-MM-dd' } : { decimal };
  return { name, as, words: `${isFilled ? 'required ' : ''}${type}`, map: { ...(isFilled ? {} : { empty: '' }), ...conversion } };
}

/** The first field whose values are all there and all different. */
function keyOf(records: readonly ValueRecord[], fields: readonly DraftField[]): readonly string[] {
  if (records.length < 2) return [];
  const found = fields.find(({ name, each, words }) => {
    if (each || !words.startsWith('required') || /decimal|date|list/.test(words)) return false;
    return new Set(records.map((record) => String(record[name]))).size === records.length;
  });
  return found ? [found.name] : [];
}

function plain(format: Format): PlainMap {
  return JSON.parse(JSON.stringify(format)) as Readonly<Record<string, Plain>>;
}
