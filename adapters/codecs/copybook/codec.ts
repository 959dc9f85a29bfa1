import { type FieldType, type FieldTypes, InvalidMessage, type ValueRecord } from '../../contract/index.js';
import type { Codec } from '../codec.js';
import { isEbcdic } from '../ebcdic.js';
import { decodeText } from '../encodings.js';
import { flatten, type Physical, wholeFile } from '../flatten.js';
import { Grouping, HEADER, type Part, TRAILER } from '../grouping.js';
import { fieldsOf, planOf, recogniser, type When, writeMark } from '../kinds.js';
import { splitBlocks, splitLines } from '../lines.js';
import { type Group, layoutsOf, named, type RecordLayout } from './layout.js';
import { type CopybookOptions, otherLayouts } from './options.js';
import { type Form, readGroup } from './read.js';
import { splitVariable, type VariableFrame, withWord } from './records.js';
import { writeGroup } from './write.js';

export { type CopybookOptions, copybookOptions } from './options.js';

const ONLY = 'record';

/** Records laid out by a COBOL copybook. */
export function copybookCodec(options: CopybookOptions): Codec {
  const { encoding, record_format: format } = options;
  const kinds = kindsOf(options);
  const form = formOf(
    options,
    [...kinds.values()].map(({ layout }) => layout.group),
  );
  const longest = options.record_length ?? Math.max(...[...kinds.values()].map(({ layout }) => layout.length));
  const plan = planOf(options.records ?? { [ONLY]: { children: {} } }, options.header_record, options.trailer_record, options);
  const kindOf = recogniser(
    [...kinds].map(([name, { when }]) => [name, when]),
    encoding,
  );
  const lineEnd = isEbcdic(encoding) ? 0x15 : 0x0a;
  const layoutOf = (kind: string): RecordLayout => {
    const found = kinds.get(kind);
    if (!found) throw new InvalidMessage('E354', `there is no record ${kind}`);
    return found.layout;
  };

  const read = (frame: VariableFrame, source: string): Part => {
    const place = `${source}#${frame.line}`;
    const base = { offset: frame.offset, raw: frame.bytes, line: frame.line, value: undefined };
    const failed = (kind: string | undefined, code: InvalidMessage['code'], text: string, cause?: unknown): Part => ({
      ...base,
      kind,
      failure: new InvalidMessage(code, `${place}: ${text}`, { place, ...(cause === undefined ? {} : { cause }) }),
    });
    if (frame.problem !== undefined) return failed(undefined, 'E356', frame.problem);
    if (frame.tooLong) return failed(undefined, 'E345', 'the record is longer than allowed');
    const kind = kindOf(frame.bytes);
    if (kind === undefined) return { ...base, kind };
    const layout = layoutOf(kind);
    const bytes = format === 'lines' && options.short_records === 'pad' ? padded(frame.bytes, layout.length, form) : frame.bytes;
    try {
      const { value, length } = readGroup(layout.group, bytes, frame.offset, form);
      // Records of one length have room for the longest of them.
      if (length !== bytes.length && (format !== 'fixed' || bytes.length !== longest)) return failed(kind, 'E347', `${bytes.length} bytes instead of ${length}`);
      return { ...base, kind, value };
    } catch (error) {
      if (!(error instanceof InvalidMessage)) throw error;
      return failed(kind, error.code, error.message, error.cause);
    }
  };
  const write = ({ kind, value }: Physical): Buffer => {
    const record = writeGroup(layoutOf(kind).group, value, form);
    writeMark(record, kinds.get(kind)?.when, encoding, kind);
    return format === 'fixed' ? padded(record, longest, form) : record;
  };
  const framed = (record: Buffer): Buffer => {
    if (format === 'fixed') return record;
    if (format === 'lines') return Buffer.concat([record, Buffer.of(lineEnd)]);
    const whole = withWord(record, format === 'blocked');
    if (!whole) throw new InvalidMessage('E345', `the record has ${record.length} bytes, too many for a descriptor word`);
    return whole;
  };
  return {
    fields: fieldsOf(plan, (kind) => typesOf(layoutOf(kind).group, options), kinds.has(HEADER) ? typesOf(layoutOf(HEADER).group, options) : undefined),
    async *decode(bytes, source) {
      const grouping = new Grouping(plan, source);
      for await (const frames of split(bytes, options, longest, lineEnd)) {
        for (const frame of frames) if (format !== 'lines' || frame.bytes.length > 0) grouping.take(read(frame, source));
        yield grouping.drain();
      }
      grouping.end();
      yield grouping.drain();
    },
    encode: (payloads) => Buffer.concat(wholeFile(plan, payloads).map((part) => framed(write(part)))),
    preview: (payload: ValueRecord) =>
      flatten(plan, payload)
        .map((part) => shown(write(part), encoding))
        .join('\n'),
  };
}

interface KindOptions {
  readonly when?: When | undefined;
  readonly layout: RecordLayout;
}

function kindsOf(options: CopybookOptions): ReadonlyMap<string, KindOptions> {
  const layouts = layoutsOf(options.layout);
  const layoutOf = (level: string | undefined): RecordLayout => {
    const found = level === undefined ? (layouts.length === 1 ? layouts[0] : otherLayouts(layouts, options)[0]) : layouts.find(({ name }) => name === level);
    if (!found) throw new TypeError('a copybook without its record passed its schema');
    return found;
  };
  const kinds = new Map<string, KindOptions>();
  const add = (name: string, { level, when }: { readonly level?: string | undefined; readonly when?: When | undefined }): void => {
    kinds.set(name, { when, layout: layoutOf(level) });
  };
  if (options.header_record) add(HEADER, options.header_record);
  if (options.trailer_record) add(TRAILER, options.trailer_record);
  for (const [name, record] of Object.entries(options.records ?? { [ONLY]: {} })) add(name, record);
  return kinds;
}

function formOf(options: CopybookOptions, groups: readonly Group[]): Form {
  const deciding = new Set(Object.values(options.redefines).flatMap((rule) => ('by' in rule ? [rule.by] : [])));
  const add = (group: Group): void => {
    for (const { occurs, content } of group.slots.flatMap(({ members }) => members)) {
      if (occurs?.dependingOn !== undefined) deciding.add(occurs.dependingOn);
      if (content.kind === 'group') add(content);
    }
  };
  for (const group of groups) add(group);
  const ebcdic = isEbcdic(options.encoding);
  return { options, ebcdic, floats: options.floats ?? (ebcdic ? 'hexadecimal' : 'ieee'), deciding };
}

function split(bytes: AsyncIterable<Uint8Array>, options: CopybookOptions, longest: number, lineEnd: number): AsyncGenerator<readonly VariableFrame[]> {
  if (options.record_format === 'fixed') return splitBlocks(bytes, longest);
  if (options.record_format === 'lines') return splitLines(bytes, options.max_record, lineEnd);
  return splitVariable(bytes, options.record_format === 'blocked', options.max_record);
}

function typesOf(group: Group, options: CopybookOptions): FieldTypes {
  return Object.fromEntries(
    [...named(group)].map(({ name, content, occurs }): [string, FieldType] => {
      if (content.kind === 'group') return [name, occurs ? { list: typesOf(content, options) } : { record: typesOf(content, options) }];
      if (occurs) return [name, 'any'];
      if (content.usage === 'text') return [name, 'text'];
      if (content.usage === 'float' || content.usage === 'double' || content.scale > 0) return [name, 'decimal'];
      return [name, content.usage === 'display' && content.sign === 'none' && content.scale === 0 && options.digits === 'text' ? 'text' : 'integer'];
    }),
  );
}

function padded(record: Buffer, length: number, { ebcdic }: Form): Buffer {
  return record.length >= length ? record : Buffer.concat([record, Buffer.alloc(length - record.length, ebcdic ? 0x40 : 0x20)]);
}

/** Text where it is text, hexadecimal where a line would not be. */
function shown(record: Buffer, encoding: string): string {
  try {
    const text = decodeText(record, encoding);
    return /^[^\p{Cc}]*$/u.test(text) ? text : record.toString('hex');
  } catch (error) {
    if (!(error instanceof InvalidMessage)) throw error;
    return record.toString('hex');
  }
}
