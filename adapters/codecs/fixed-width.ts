import { InvalidMessage, type ValueRecord } from '../contract/index.js';
import type { Codec, Decoded } from './codec.js';
import { isEbcdic } from './ebcdic.js';
import { decodeText, encodeText, withoutMark } from './encodings.js';
import { type Layout, layoutOf, readFields, typesOf, writeFields } from './fixed-fields.js';
import type { FixedWidthOptions } from './fixed-options.js';
import { flatten, type Physical, wholeFile } from './flatten.js';
import { Grouping, HEADER, type Part, TRAILER } from './grouping.js';
import { fieldsOf, planOf, recogniser, type When, writeMark } from './kinds.js';
import { type Frame, splitBlocks, splitLines } from './lines.js';

export { type FixedWidthOptions, fixedWidthOptions } from './fixed-options.js';

/** Widths count bytes, not characters. A gap between fields is written as spaces and not read. */
export function fixedWidthCodec(options: FixedWidthOptions): Codec {
  const { encoding } = options;
  const kinds = kindsOf(options);
  const layouts = new Map([...kinds].map(([name, { fields }]) => [name, layoutOf(fields, encoding)]));
  const layout = (kind: string): Layout => layouts.get(kind) ?? { fields: [], length: 0, encoding };
  const separator = {
    lf: encodeText('\n', encoding, ''),
    crlf: encodeText('\r\n', encoding, ''),
    nl: encodeText(isEbcdic(encoding) ? '\u0085' : '\n', encoding, ''),
    none: Buffer.alloc(0),
  }[options.record_separator];
  const longest = Math.max(...[...layouts.values()].map(({ length }) => length));
  // Blocks have one length, whatever is in them.
  const lengthOf = (kind: string): number => options.record_length ?? (separator.length === 0 ? longest : layout(kind).length);
  const plain = !options.records && !options.header_record && !options.trailer_record;
  const plan = planOf(options.records ?? { [ONLY]: { children: {} } }, options.header_record, options.trailer_record, options);
  const kindOf = plain
    ? () => ONLY
    : recogniser(
        [...kinds].map(([name, { when }]) => [name, when]),
        encoding,
      );

  const read = (frame: Frame, source: string): Part => {
    const place = `${source}:${frame.line}`;
    const kind = frame.tooLong ? undefined : kindOf(frame.bytes);
    const base = { kind, line: frame.line, offset: frame.offset, raw: frame.bytes };
    try {
      if (frame.tooLong) throw new InvalidMessage('E345', `${place}: the record is longer than allowed`, { place });
      if (kind === undefined) return { ...base, value: undefined };
      const bytes = padded(frame.bytes, lengthOf(kind), options);
      if (bytes.length !== lengthOf(kind)) throw new InvalidMessage('E347', `${place}: ${bytes.length} bytes instead of ${lengthOf(kind)}`, { place });
      return { ...base, value: readFields(bytes, frame.offset, layout(kind), place) };
    } catch (error) {
      if (!(error instanceof InvalidMessage)) throw error;
      return { ...base, value: undefined, failure: error };
    }
  };
  const write = ({ kind, value }: Physical): Buffer => {
    const record = writeFields(value, layout(kind), lengthOf(kind));
    writeMark(record, kinds.get(kind)?.when, encoding, kind);
    return record;
  };
  const parts = (payload: ValueRecord): readonly Physical[] => (plain ? [{ kind: ONLY, value: payload }] : flatten(plan, payload));
  return {
    fields: fieldsOf(plan, (kind) => typesOf(layout(kind)), typesOf(layout(HEADER))),
    async *decode(bytes, source) {
      const grouping = plain ? undefined : new Grouping(plan, source);
      const input = withoutMark(bytes, encoding === 'utf-8' ? encoding : 'us-ascii');
      let number = 1;
      for await (const frames of separator.length === 0 ? splitBlocks(input, lengthOf(ONLY)) : splitLines(input, options.max_record, separator.at(-1))) {
        const records: Decoded[] = [];
        for (const frame of frames) {
          if (separator.length > 0 && frame.bytes.length === 0) continue;
          const part = read(frame, source);
          if (grouping) grouping.take(part);
          else
            records.push({
              number: number++,
              value: part.value ?? null,
              line: frame.line,
              offset: frame.offset,
              raw: frame.bytes,
              ...(part.failure ? { failure: part.failure } : {}),
            });
        }
        yield grouping ? grouping.drain() : records;
      }
      grouping?.end();
      if (grouping) yield grouping.drain();
    },
    encode: (payloads) => Buffer.concat((plain ? payloads.map((value) => ({ kind: ONLY, value })) : wholeFile(plan, payloads)).flatMap((part) => [write(part), separator])),
    preview: (payload) =>
      parts(payload)
        .map((part) => decodeText(write(part), encoding))
        .join('\n'),
  };
}

const ONLY = 'record';

interface KindOptions {
  readonly when?: When | undefined;
  readonly fields: NonNullable<FixedWidthOptions['fields']>;
}

function kindsOf(options: FixedWidthOptions): ReadonlyMap<string, KindOptions> {
  const kinds = new Map<string, KindOptions>();
  if (options.header_record) kinds.set(HEADER, options.header_record);
  if (options.trailer_record) kinds.set(TRAILER, options.trailer_record);
  for (const [name, record] of Object.entries(options.records ?? {})) kinds.set(name, record);
  if (options.fields) kinds.set(ONLY, { fields: options.fields });
  return kinds;
}

function padded(bytes: Buffer, length: number, { short_records, encoding }: FixedWidthOptions): Buffer {
  if (short_records === 'fail' || bytes.length >= length) return bytes;
  const whole = Buffer.alloc(length, encodeText(' ', encoding, ''));
  bytes.copy(whole);
  return whole;
}
