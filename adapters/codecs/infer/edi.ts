// How to read an EDI interchange, from a sample of it: the standard, its messages and the segments they have. What is not certain is said in notes.

import type { z } from 'zod';
import type { Value, ValueRecord } from '../../contract/index.js';
import { edifactCodec, edifactOptions } from '../edifact.js';
import { x12Codec, x12Options } from '../x12.js';

export interface InferredSegment {
  readonly tag: string;
  /** In all messages, and the most in one. */
  readonly seen: number;
  readonly most: number;
  /** An example as it was read. */
  readonly example: Value;
}

interface Inferred {
  /** Types of the messages with their version: `ORDERS D 96A`, `850 005010`. */
  readonly messages: readonly { readonly type: string; readonly seen: number }[];
  readonly segments: readonly InferredSegment[];
  readonly notes: readonly string[];
}

/** `options` are accepted by the schema of the key `format`. */
export type InferredEdi = Inferred &
  ({ readonly format: 'edifact'; readonly options: z.input<typeof edifactOptions> } | { readonly format: 'x12'; readonly options: z.input<typeof x12Options> });

/** Segments that begin a loop of lines in most messages, and those that end it. */
const LOOPS: Readonly<Record<'edifact' | 'x12', readonly (readonly [name: string, start: string])[]>> = {
  edifact: [
    ['packages', 'CPS'],
    ['lines', 'LIN'],
    ['equipment', 'EQD'],
    ['summary', 'UNS'],
  ],
  x12: [
    ['levels', 'HL'],
    ['lines', 'PO1'],
    ['invoice_lines', 'IT1'],
    ['items', 'LX'],
    ['claims', 'CLP'],
    ['summary', 'CTT'],
  ],
};

/** Undefined when the sample is no EDI. It may end anywhere. */
export async function inferEdi(sample: Uint8Array): Promise<InferredEdi | undefined> {
  const head = Buffer.from(sample.subarray(0, 200)).toString('latin1').trimStart();
  const format = /^UN[AB]/.test(head) ? 'edifact' : head.startsWith('ISA') ? 'x12' : undefined;
  if (!format) return undefined;
  const notes: string[] = [];
  const first = await scan(sample, format, undefined, notes);
  let encoding: string | undefined;
  let found = first;
  if (first.badText) {
    encoding = 'windows-1252';
    found = await scan(sample, format, encoding, notes);
    notes.push('there are bytes that the interchange does not announce: windows-1252 was taken; ask the sender');
  }
  const tags = new Map(found.segments.map((segment) => [segment.tag, segment]));
  const loops = LOOPS[format].filter(([name, start]) => tags.has(start) && (name !== 'summary' || LOOPS[format].some(([other, tag]) => other !== 'summary' && tags.has(tag))));
  // CPS holds LIN, HL holds the loops of lines: only one of them is a list of its own.
  const groups = Object.fromEntries(loops.filter(([name]) => !(name === 'lines' && tags.has('CPS'))).map(([name, start]) => [name, { start }]));
  if (found.messages.length > 1) notes.push(`there are several types of messages: ${found.messages.map(({ type }) => type).join(', ')}; route them by record.message.type`);
  for (const { tag, most } of found.segments) if (most > 1 && !loops.some(([, start]) => start === tag)) notes.push(`${tag} is there up to ${most} times in a message`);
  const options = { ...(Object.keys(groups).length > 0 ? { groups } : {}), ...(encoding === undefined ? {} : { encoding }) };
  return { format, options, messages: found.messages, segments: found.segments, notes };
}

interface Scan {
  readonly messages: readonly { readonly type: string; readonly seen: number }[];
  readonly segments: readonly InferredSegment[];
  readonly badText: boolean;
}

async function scan(sample: Uint8Array, format: 'edifact' | 'x12', encoding: string | undefined, notes: string[]): Promise<Scan> {
  const codec = format === 'edifact' ? edifactCodec(edifactOptions.parse({ encoding })) : x12Codec(x12Options.parse({ encoding }));
  const messages = new Map<string, number>();
  const segments = new Map<string, { seen: number; most: number; readonly example: Value }>();
  let badText = false;
  for await (const records of codec.decode(once(sample), 'sample')) {
    for (const { value, failure } of records) {
      if (failure) {
        if (failure.code === 'E341') badText = true;
        else notes.push(failure.message);
        continue;
      }
      const { message, group, segments: list } = value as { readonly message: ValueRecord; readonly group: ValueRecord | null; readonly segments: readonly ValueRecord[] };
      const type = [message['type'], ...(format === 'edifact' ? [message['version'], message['release']] : [group?.['version']])]
        .filter((part) => typeof part === 'string' && part !== '')
        .join(' ');
      messages.set(type, (messages.get(type) ?? 0) + 1);
      const counts = new Map<string, number>();
      for (const segment of list) {
        const tag = String(segment['tag']);
        counts.set(tag, (counts.get(tag) ?? 0) + 1);
        const known = segments.get(tag) ?? { seen: 0, most: 0, example: segment };
        known.seen++;
        known.most = Math.max(known.most, counts.get(tag) ?? 0);
        segments.set(tag, known);
      }
    }
  }
  return { messages: [...messages].map(([type, seen]) => ({ type, seen })), segments: [...segments].map(([tag, segment]) => ({ tag, ...segment })), badText };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
