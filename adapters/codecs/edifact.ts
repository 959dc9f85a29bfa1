import { z } from 'zod';
import { byteSize } from '../contract/index.js';
import type { Codec } from './codec.js';
import { at, EdiProblem, type Groups, groupsOption, type Separators, writeSegment } from './edi.js';
import { type Header, readInterchanges, type Standard } from './edi-interchange.js';
import { type Envelopes, type Fields, writeInterchange } from './edi-writing.js';
import { encodingOf } from './encodings.js';

/** UN/EDIFACT syntax identifiers (ISO 9735) that have an encoding here. UNOX (ISO 2022) has none. */
export const SYNTAXES: Readonly<Record<string, string>> = {
  UNOA: 'us-ascii',
  UNOB: 'us-ascii',
  UNOC: 'iso-8859-1',
  UNOD: 'iso-8859-2',
  UNOE: 'iso-8859-5',
  UNOF: 'iso-8859-7',
  UNOG: 'iso-8859-3',
  UNOH: 'iso-8859-4',
  UNOI: 'iso-8859-6',
  UNOJ: 'iso-8859-8',
  UNOK: 'iso-8859-9',
  UNOL: 'iso-8859-15',
  UNOW: 'utf-8',
  UNOY: 'utf-8',
};

/** Encodings whose ASCII is ASCII: separators are single bytes in all of them. */
export function ediEncoding() {
  return z
    .string()
    .refine((name) => /^(utf-8|us-ascii|iso-8859-\d+|windows-125\d|cp\d+)$/.test(encodingOf(name) ?? ''), 'expected an encoding such as iso-8859-1, windows-1252 or utf-8')
    .transform((name) => encodingOf(name) ?? 'utf-8')
    .optional();
}

export const edifactOptions = z.strictObject({
  groups: groupsOption,
  encoding: ediEncoding().meta({ title: 'Encoding', description: 'Left out, the syntax identifier of the interchange decides (UNOC is ISO 8859-1).', examples: ['windows-1252'] }),
  line_breaks: z.boolean().default(false).meta({ title: 'Line breaks', description: 'Each segment is written on a line of its own. When reading both are understood.' }),
  max_record: byteSize().prefault('16MiB').meta({ title: 'Longest message', description: 'A longer message fails.', advanced: true }),
});

export type EdifactOptions = z.output<typeof edifactOptions>;

const DEFAULTS: Separators = { component: ':', element: '+', release: '?', terminator: "'", repetition: undefined };

export const EDIFACT: Standard = {
  interchange: ['UNB', 'UNZ'],
  group: ['UNG', 'UNE'],
  message: ['UNH', 'UNT'],
  groupsRequired: false,
  begin(window, ended) {
    if (window.length < 9 && !ended) return undefined;
    const head = window.toString('latin1', 0, 9);
    if (head.startsWith('UNB')) return { separators: DEFAULTS, skip: 0 };
    if (!head.startsWith('UNA') || window.length < 9) throw new EdiProblem('E365', `expected UNA or UNB, found ${JSON.stringify(head)}`);
    const [, , , component = '', element = '', , release = '', repetition = '', terminator = ''] = head;
    const separators = { component, element, terminator, release: release === ' ' ? undefined : release, repetition: repetition === ' ' ? undefined : repetition };
    const used = [component, element, terminator, release].filter((character) => character !== ' ');
    if (new Set(used).size !== used.length || !used.every((character) => /^[\x21-\x7e\r\n]$/.test(character)) || used.some((character) => /[A-Za-z0-9]/.test(character)))
      throw new EdiProblem('E365', `the service characters ${JSON.stringify(head.slice(3))} after UNA cannot be used`);
    return { separators, skip: 9 };
  },
  syntax(raw, separators) {
    const [, composite = ''] = raw.toString('latin1', 0, 40).split(separators.element);
    const [identifier = '', version = ''] = composite.split(separators.component);
    const encoding = SYNTAXES[identifier];
    if (encoding === undefined) throw new EdiProblem('E365', `the syntax ${JSON.stringify(identifier.slice(0, 10))} is not supported; known: ${Object.keys(SYNTAXES).join(', ')}`);
    // Up to version 3 the place in UNA is reserved, and * is a character like any other.
    return { encoding, separators: { ...separators, repetition: version >= '4' ? (separators.repetition ?? '*') : undefined } };
  },
  readInterchange(segment) {
    const reference = at(segment, 5);
    const value = {
      syntax: at(segment, 1),
      syntax_version: at(segment, 1, 2),
      sender: at(segment, 2),
      sender_qualifier: at(segment, 2, 2),
      recipient: at(segment, 3),
      recipient_qualifier: at(segment, 3, 2),
      date: at(segment, 4),
      time: at(segment, 4, 2),
      reference,
      application: at(segment, 7),
      priority: at(segment, 8),
      acknowledgement: at(segment, 9),
      agreement: at(segment, 10),
      test: at(segment, 11),
    };
    return { reference, value };
  },
  readGroup(segment) {
    const reference = at(segment, 5);
    const value = {
      type: at(segment, 1),
      sender: at(segment, 2),
      sender_qualifier: at(segment, 2, 2),
      recipient: at(segment, 3),
      recipient_qualifier: at(segment, 3, 2),
      date: at(segment, 4),
      time: at(segment, 4, 2),
      reference,
      agency: at(segment, 6),
      version: at(segment, 7),
      release: at(segment, 7, 2),
    };
    return { reference, value };
  },
  readMessage(segment): Header {
    const reference = at(segment, 1);
    const value = {
      reference,
      type: at(segment, 2),
      version: at(segment, 2, 2),
      release: at(segment, 2, 3),
      agency: at(segment, 2, 4),
      association: at(segment, 2, 5),
      access_reference: at(segment, 3),
    };
    return { reference, value };
  },
};

/** One record per message: `interchange`, `group` (null without UNG), `message`, `segments` and the declared groups. All values are text. */
export function edifactCodec(options: EdifactOptions): Codec {
  const limits = { groups: options.groups as Groups, encoding: options.encoding, max_record: options.max_record };
  return {
    fields: undefined,
    decode: (bytes, source) => readInterchanges(bytes, source, EDIFACT, limits),
    encode: (payloads) => write(payloads, options),
    preview: (payload) => Buffer.from(write([payload], { ...options, encoding: 'utf-8', line_breaks: true })).toString(),
  };
}

function write(payloads: Parameters<Codec['encode']>[0], options: EdifactOptions): Uint8Array {
  const version = syntaxOf(payloads, 'syntax_version') || '3';
  const syntax = syntaxOf(payloads, 'syntax') || 'UNOC';
  const repetition = version >= '4' ? '*' : undefined;
  const separators = { ...DEFAULTS, repetition };
  const encoding = options.encoding ?? SYNTAXES[syntax] ?? 'us-ascii';
  const envelopes: Envelopes = {
    separators,
    encoding,
    groups: options.groups as Groups,
    lineBreaks: options.line_breaks,
    message: EDIFACT.message,
    group: EDIFACT.group,
    end: EDIFACT.interchange[1],
    groupsRequired: false,
    interchangeReference: (header) => header.needed('reference'),
    groupHeader: (header) => ({
      elements: [[header.needed('type')], ...parties(header), [header.needed('reference')], [header.needed('agency')], [header.needed('version'), header.text('release')]],
      reference: header.needed('reference'),
    }),
    messageHeader: (header) => ({
      elements: [
        [header.needed('reference')],
        [header.needed('type'), header.needed('version'), header.needed('release'), header.needed('agency'), header.text('association')],
        [header.text('access_reference')],
      ],
      reference: header.needed('reference'),
    }),
  };
  const head = (header: Fields): readonly Buffer[] => [
    Buffer.from(`UNA:+.?${repetition ?? ' '}'`),
    writeSegment(
      'UNB',
      [
        [syntax, version],
        ...parties(header),
        [header.needed('reference')],
        [''],
        ...['application', 'priority', 'acknowledgement', 'agreement', 'test'].map((name) => [header.text(name)]),
      ],
      separators,
      encoding,
    ),
  ];
  return writeInterchange(payloads, head, envelopes);
}

function parties(header: Fields): readonly (readonly string[])[] {
  return [
    [header.needed('sender'), header.text('sender_qualifier')],
    [header.needed('recipient'), header.text('recipient_qualifier')],
    [header.needed('date'), header.needed('time')],
  ];
}

function syntaxOf(payloads: Parameters<Codec['encode']>[0], name: string): string {
  const interchange = payloads[0]?.['interchange'];
  const value = typeof interchange === 'object' && interchange !== null && name in interchange ? (interchange as Readonly<Record<string, unknown>>)[name] : '';
  return typeof value === 'string' ? value : '';
}
