import { z } from 'zod';
import { byteSize, InvalidMessage } from '../contract/index.js';
import type { Codec } from './codec.js';
import { at, EdiProblem, type Groups, groupsOption, type Separators } from './edi.js';
import { readInterchanges, type Standard } from './edi-interchange.js';
import { type Envelopes, type Fields, writeInterchange } from './edi-writing.js';
import { ediEncoding } from './edifact.js';
import { encodeText } from './encodings.js';

const separator = () => z.string().regex(/^[!-/:-@[-`{-~\n]$/, 'expected one ASCII character that is no letter and no digit');

export const x12Options = z
  .strictObject({
    groups: groupsOption,
    encoding: ediEncoding().meta({ title: 'Encoding', description: 'X12 does not say it. Left out, UTF-8.', examples: ['iso-8859-1'] }),
    element: separator().default('*').meta({ title: 'Element separator', description: 'Written. When reading the ISA segment says it, as the other three.', advanced: true }),
    component: separator().default(':').meta({ title: 'Component separator', advanced: true }),
    repetition: separator().default('^').meta({ title: 'Repetition separator', description: 'Used from version 00402 on.', advanced: true }),
    terminator: separator().default('~').meta({ title: 'Segment terminator', advanced: true }),
    line_breaks: z.boolean().default(false).meta({ title: 'Line breaks', description: 'Each segment is written on a line of its own. When reading both are understood.' }),
    max_record: byteSize().prefault('16MiB').meta({ title: 'Longest transaction set', description: 'A longer one fails.', advanced: true }),
  })
  .refine(({ element, component, repetition, terminator }) => new Set([element, component, repetition, terminator]).size === 4, 'two separators are the same character');

export type X12Options = z.output<typeof x12Options>;

/** ISA has a fixed length, so that its separators can be found by counting. */
const ISA_LENGTH = 106;
const ISA_WIDTHS = [2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1];
const ISA_NAMES = [
  'authorization_qualifier',
  'authorization',
  'security_qualifier',
  'security',
  'sender_qualifier',
  'sender',
  'receiver_qualifier',
  'receiver',
  'date',
  'time',
  undefined,
  'version',
  'control_number',
  'acknowledgement',
  'usage',
  undefined,
];
const GS_NAMES = ['type', 'sender', 'receiver', 'date', 'time', 'control_number', 'agency', 'version'];

export const X12: Standard = {
  interchange: ['ISA', 'IEA'],
  group: ['GS', 'GE'],
  message: ['ST', 'SE'],
  groupsRequired: true,
  begin(window, ended) {
    if (window.length < ISA_LENGTH && !ended) return undefined;
    const head = window.toString('latin1', 0, ISA_LENGTH);
    if (!head.startsWith('ISA')) throw new EdiProblem('E365', `expected ISA, found ${JSON.stringify(head.slice(0, 9))}`);
    const element = head[3] ?? '';
    let position = 4;
    for (const width of ISA_WIDTHS.slice(0, -1)) {
      position += width;
      if (head[position] !== element) throw new EdiProblem('E365', 'the ISA segment has not its 106 bytes with a separator at each place');
      position++;
    }
    const [component = '', terminator = ''] = head.slice(104);
    const repetition = head[82] ?? '';
    const used = [element, component, terminator];
    if (head.length < ISA_LENGTH || new Set(used).size !== 3 || used.some((character) => /[A-Za-z0-9 ]/.test(character)))
      throw new EdiProblem('E365', 'the separators of the ISA segment cannot be used');
    return { separators: { element, component, terminator, release: undefined, repetition: /[A-Za-z0-9 ]/.test(repetition) ? undefined : repetition }, skip: 0 };
  },
  syntax: (raw, separators) => {
    const version = raw.toString('latin1', 84, 89);
    return { encoding: 'utf-8', separators: { ...separators, repetition: version >= '00402' ? separators.repetition : undefined } };
  },
  readInterchange(segment) {
    // ISA16 is the component separator itself: cut by position, not by separator.
    const text = segment.raw.toString('latin1');
    const value: Record<string, string> = {};
    let position = 4;
    for (const [index, width] of ISA_WIDTHS.entries()) {
      const name = ISA_NAMES[index];
      if (name !== undefined) value[name] = text.slice(position, position + width).trimEnd();
      position += width + 1;
    }
    return { value, reference: value['control_number'] ?? '' };
  },
  readGroup: (segment) => ({ value: Object.fromEntries(GS_NAMES.map((name, index) => [name, at(segment, index + 1)])), reference: at(segment, 6) }),
  readMessage: (segment) => ({ value: { type: at(segment, 1), control_number: at(segment, 2), implementation: at(segment, 3) }, reference: at(segment, 2) }),
};

/** One record per transaction set: `interchange`, `group`, `message`, `segments` and the declared groups. All values are text. */
export function x12Codec(options: X12Options): Codec {
  const limits = { groups: options.groups as Groups, encoding: options.encoding, max_record: options.max_record };
  return {
    fields: undefined,
    decode: (bytes, source) => readInterchanges(bytes, source, X12, limits),
    encode: (payloads) => write(payloads, options),
    preview: (payload) => Buffer.from(write([payload], { ...options, encoding: 'utf-8', line_breaks: true })).toString(),
  };
}

function write(payloads: Parameters<Codec['encode']>[0], options: X12Options): Uint8Array {
  const encoding = options.encoding ?? 'utf-8';
  const { element, component, repetition, terminator } = options;
  const first = payloads[0]?.['interchange'];
  const version = typeof first === 'object' && first !== null && 'version' in first && typeof first['version'] === 'string' ? first['version'] : '00401';
  const separators: Separators = { element, component, terminator, release: undefined, repetition: version >= '00402' ? repetition : undefined };
  const envelopes: Envelopes = {
    separators,
    encoding,
    groups: options.groups as Groups,
    lineBreaks: options.line_breaks && terminator !== '\n',
    message: X12.message,
    group: X12.group,
    end: X12.interchange[1],
    groupsRequired: true,
    interchangeReference: (header) => header.needed('control_number').padStart(9, '0'),
    groupHeader: (header) => ({ elements: GS_NAMES.map((name) => [header.needed(name)]), reference: header.needed('control_number') }),
    messageHeader: (header) => ({
      elements: [[header.needed('type')], [header.needed('control_number')], [header.text('implementation')]],
      reference: header.needed('control_number'),
    }),
  };
  return writeInterchange(payloads, (header) => [isa(header, separators, version, encoding)], envelopes);
}

function isa(header: Fields, separators: Separators, version: string, encoding: string): Buffer {
  const optional: Readonly<Record<string, string>> = { authorization_qualifier: '00', security_qualifier: '00', acknowledgement: '0', usage: 'P', version };
  const texts = ISA_WIDTHS.map((width, index) => {
    const name = ISA_NAMES[index];
    if (name === undefined) return index === 15 ? separators.component : (separators.repetition ?? 'U');
    const needed = !(name in optional) && name !== 'authorization' && name !== 'security';
    const text = (needed ? header.needed(name) : header.text(name)) || (optional[name] ?? '');
    const padded = name === 'control_number' ? text.padStart(width, '0') : text.padEnd(width);
    if (padded.length !== width || /[^\x20-\x7e]/.test(padded) || [separators.element, separators.terminator].some((character) => padded.includes(character)))
      throw new InvalidMessage(
        'E348',
        `interchange.${name} ${JSON.stringify(text.slice(0, 40))} does not fit into ${width} ASCII characters of ISA${String(index + 1).padStart(2, '0')}`,
      );
    return padded;
  });
  return encodeText(`${['ISA', ...texts].join(separators.element)}${separators.terminator}`, encoding, 'ISA');
}
