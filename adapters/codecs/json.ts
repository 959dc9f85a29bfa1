import { z } from 'zod';
import { byteSize, InvalidMessage, JsonError, parseJson, writeJson } from '../contract/index.js';
import { type Codec, type Decoded, KEPT_BYTES } from './codec.js';
import { failedRecord } from './compression.js';
import { decodeText, withoutMark } from './encodings.js';
import { onlyArray } from './json-path.js';
import { collect, splitLines } from './lines.js';

/** RFC 8259: JSON between systems is UTF-8, so there is no encoding to choose. */
export const jsonOptions = z
  .strictObject({
    as: z.enum(['document', 'lines', 'array']).default('document').meta({
      title: 'As',
      description: 'document: the file is one record. lines: each line is one. array: each element of the outermost array is one.',
    }),
    each: z
      .string()
      .regex(/^[^.]+(\.[^.]+)*$/, 'expected names with dots between them, such as data.items')
      .optional()
      .meta({ title: 'Each', description: 'Names that lead to the array, when it is not the outermost value. What is beside it is not read.', examples: ['data.items'] }),
    max_record: byteSize().prefault('16MiB').meta({ title: 'Longest record', description: 'A longer record fails.', advanced: true }),
  })
  .refine(({ as, each }) => each === undefined || as === 'array', { path: ['each'], message: 'each is for as: array' });

export type JsonOptions = z.output<typeof jsonOptions>;

export function jsonCodec(options: JsonOptions): Codec {
  const split = { document, lines, array }[options.as];
  const path = options.each?.split('.');
  return {
    fields: undefined,
    async *decode(bytes, source) {
      let number = 1;
      const text = withoutMark(bytes, 'utf-8');
      try {
        for await (const elements of split(path ? onlyArray(text, path, source) : text, options.max_record)) yield elements.map((element) => read(number++, element, source));
      } catch (error) {
        if (!path) throw error;
        yield [failedRecord(number, error)];
      }
    },
    encode(payloads) {
      const texts = payloads.map((payload) => writeJson(payload));
      if (options.as === 'array') return Buffer.from(`${(path ?? []).reduceRight((inner, name) => `{${JSON.stringify(name)}:${inner}}`, `[${texts.join(',\n')}]`)}\n`);
      if (options.as === 'document' && texts.length !== 1) throw new InvalidMessage('E348', `a JSON document holds one payload, not ${texts.length}`);
      return Buffer.from(texts.map((text) => `${text}\n`).join(''));
    },
    preview: (payload) => writeJson(payload),
  };
}

interface Element {
  readonly bytes: Buffer;
  readonly offset: number;
  readonly line?: number;
  readonly problem?: { readonly code: 'E345' | 'E346'; readonly text: string };
}

function read(number: number, element: Element, source: string): Decoded {
  const { bytes: raw, offset, line } = element;
  const place = line === undefined ? source : `${source}:${line}`;
  const base = { number, offset, raw, ...(line === undefined ? {} : { line }) };
  try {
    if (element.problem) throw new InvalidMessage(element.problem.code, `${place}: ${element.problem.text}`, { place });
    return { ...base, value: parseJson(decodeText(raw, 'utf-8', offset)) };
  } catch (error) {
    if (error instanceof InvalidMessage) return { ...base, value: null, failure: error };
    if (!(error instanceof JsonError)) throw error;
    return { ...base, value: null, failure: new InvalidMessage('E346', `${place}: ${error.message}`, { place, cause: error }) };
  }
}

async function* document(bytes: AsyncIterable<Uint8Array>, longest: number): AsyncGenerator<readonly Element[]> {
  const whole = await collect(bytes, longest);
  yield [{ bytes: whole.bytes, offset: 0, ...(whole.tooLong ? { problem: tooLong(longest) } : {}) }];
}

async function* lines(bytes: AsyncIterable<Uint8Array>, longest: number): AsyncGenerator<readonly Element[]> {
  for await (const frames of splitLines(bytes, longest)) {
    yield frames
      .filter((frame) => frame.tooLong || !frame.bytes.every((byte) => byte === 0x20 || byte === 0x09))
      .map(({ bytes: line, ...frame }) => ({ bytes: line, offset: frame.offset, line: frame.line, ...(frame.tooLong ? { problem: tooLong(longest) } : {}) }));
  }
}

function tooLong(longest: number): { readonly code: 'E345'; readonly text: string } {
  return { code: 'E345', text: `the record has more than ${longest} bytes` };
}

const [QUOTE, BACKSLASH, COMMA, OPEN, CLOSE] = [0x22, 0x5c, 0x2c, 0x5b, 0x5d];

/** Elements of the outermost array, found by brackets and quotes only; each is read strictly on its own. */
async function* array(bytes: AsyncIterable<Uint8Array>, longest: number): AsyncGenerator<readonly Element[]> {
  let state: 'before' | 'inside' | 'after' = 'before';
  let held: Buffer[] = [];
  let [offset, start, heldLength, depth, elements] = [0, 0, 0, 0, 0];
  let [inText, escaped, blank] = [false, false, true];
  const element = (): Element => {
    const whole = Buffer.concat(held);
    held = [];
    return heldLength > longest ? { bytes: whole.subarray(0, KEPT_BYTES), offset: start, problem: tooLong(longest) } : { bytes: whole, offset: start };
  };
  const keep = (part: Buffer): void => {
    if (heldLength <= longest) held.push(part);
    heldLength += part.length;
  };
  const begin = (at: number): void => {
    [start, heldLength, blank] = [at, 0, true];
  };
  for await (const chunk of bytes) {
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const found: Element[] = [];
    let from = 0;
    for (let at = 0; at < buffer.length; at++) {
      const byte = buffer[at] ?? 0;
      const space = byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
      if (state !== 'inside') {
        if (space) continue;
        if (state === 'after' || byte !== OPEN) {
          const text = state === 'after' ? `unexpected text after the array at offset ${offset + at}` : 'expected an array: the first character is no [';
          yield [...found, { bytes: buffer.subarray(at, at + KEPT_BYTES), offset: offset + at, problem: { code: 'E346', text } }];
          return;
        }
        state = 'inside';
        from = at + 1;
        begin(offset + from);
      } else if (inText) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inText = false;
      } else if (depth === 0 && (byte === COMMA || byte === CLOSE)) {
        keep(buffer.subarray(from, at));
        if (byte === COMMA || !blank || elements > 0) found.push(element());
        held = [];
        elements++;
        from = at + 1;
        begin(offset + from);
        if (byte === CLOSE) state = 'after';
      } else {
        blank = blank && space;
        if (byte === QUOTE) inText = true;
        else if (byte === OPEN || byte === 0x7b) depth++;
        else if (byte === CLOSE || byte === 0x7d) depth = Math.max(0, depth - 1);
      }
    }
    if (state === 'inside') keep(buffer.subarray(from));
    if (found.length > 0) yield found;
    offset += buffer.length;
  }
  if (state === 'before') yield [{ bytes: Buffer.alloc(0), offset: 0, problem: { code: 'E346', text: 'expected an array: there is nothing' } }];
  if (state === 'inside') yield [{ ...element(), problem: { code: 'E346', text: 'the array is not closed' } }];
}
