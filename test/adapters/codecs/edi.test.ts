import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { edifactCodec, edifactOptions } from '../../../adapters/codecs/edifact.js';
import { x12Codec, x12Options } from '../../../adapters/codecs/x12.js';
import { decodeAll, shown } from './decoding.js';

const edifact = (options: object = {}) => edifactCodec(edifactOptions.parse(options));
const x12 = (options: object = {}) => x12Codec(x12Options.parse(options));

const ORDERS = [
  "UNA:+.? '",
  "UNB+UNOC:3+4012345000009:14+4098765000005:14+260301:1030+4711++ORDERS'",
  "UNH+1+ORDERS:D:96A:UN:EAN008'",
  "BGM+220+A-1+9'",
  "NAD+BY+4012345000009::9++M?+M?'s ?? shop'",
  "LIN+1++4000862141404:EN'",
  "QTY+21:48'",
  "LIN+2++4000862141405:EN'",
  "QTY+21:00012.50'",
  "UNS+S'",
  "CNT+2:2'",
  "UNT+10+1'",
  "UNH+2+ORDERS:D:96A:UN:EAN008'",
  "BGM+220+A-2+9'",
  "UNT+3+2'",
  "UNZ+2+4711'",
].join('\r\n');

const isa = (control = '000000905', version = '00501') => `ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260301*1030*^*${version}*${control}*0*P*>~`;
const X850 = `${isa()}\nGS*PO*SENDER*RECEIVER*20260301*1030*1*X*005010~\nST*850*0001~\nBEG*00*NE*A-1**20260301~\nREF*ZZ*A^B~\nPO1*1*48*EA*9.20**VC>1~\nSE*5*0001~\nGE*1*1~\nIEA*1*000000905~\n`;

describe('reading EDIFACT', () => {
  test('one record per message, with its envelope and its loops, wherever chunks end', async () => {
    const codec = edifact({ groups: { lines: { start: 'LIN' }, summary: { start: 'UNS' } } });
    for (const size of [1, 2, 5, 1000]) {
      const records = await decodeAll(codec, ORDERS, size);
      expect(shown(records[0])).toMatchObject({
        interchange: { syntax: 'UNOC', sender: '4012345000009', sender_qualifier: '14', reference: '4711', application: 'ORDERS', test: '' },
        group: null,
        message: { reference: '1', type: 'ORDERS', version: 'D', release: '96A', agency: 'UN', association: 'EAN008' },
        segments: [
          { tag: 'BGM', elements: [['220'], ['A-1'], ['9']] },
          { tag: 'NAD', elements: [['BY'], ['4012345000009', '', '9'], [''], ["M+M's ? shop"]] },
        ],
        lines: [
          {
            segments: [
              { tag: 'LIN', elements: [['1'], [''], ['4000862141404', 'EN']] },
              { tag: 'QTY', elements: [['21', '48']] },
            ],
          },
          { segments: [{ tag: 'LIN' }, { tag: 'QTY', elements: [['21', '00012.50']] }] },
        ],
        summary: [
          {
            segments: [
              { tag: 'UNS', elements: [['S']] },
              { tag: 'CNT', elements: [['2', '2']] },
            ],
          },
        ],
      });
      expect(shown(records[1])).toMatchObject({ message: { reference: '2' }, lines: [], summary: [] });
      expect(records).toHaveLength(2);
      expect(String(records[1]?.raw)).toBe("UNH+2+ORDERS:D:96A:UN:EAN008'BGM+220+A-2+9'UNT+3+2'");
      expect(records[1]?.offset).toBe(ORDERS.indexOf('UNH+2'));
    }
  });

  test('several interchanges, other service characters, no UNA', async () => {
    const other = 'UNA|*,# ~UNB*UNOB|2*A*B*260301|1030*7~UNH*1*INVOIC|D|96A|UN~FTX*a#*b#~c##~UNT*3*1~UNZ*1*7~';
    const plain = "UNB+UNOA:2+A+B+260301:1030+8'UNH+1+INVOIC:D:96A:UN'FTX+x*y'UNT+3+1'UNZ+1+8'\n";
    const records = await decodeAll(edifact(), other + plain);
    expect(records.map((record) => (shown(record) as { segments: unknown }).segments)).toEqual([[{ tag: 'FTX', elements: [['a*b~c#']] }], [{ tag: 'FTX', elements: [['x*y']] }]]);
  });

  test('a repetition separator counts from syntax version 4 on', async () => {
    const text = "UNB+UNOC:4+A+B+20260301:1030+8'UNH+1+INVOIC:D:96A:UN'FTX+x*y:z'UNT+3+1'UNZ+1+8'";
    expect((await decodeAll(edifact(), text)).map(shown)).toMatchObject([{ segments: [{ elements: [{ repeats: [['x'], ['y', 'z']] }] }] }]);
  });

  test('F28 the syntax identifier is the encoding, unless another one is declared', async () => {
    const text = (syntax: string) => Buffer.from(`UNB+${syntax}:3+A+B+260301:1030+8'UNH+1+X:D:96A:UN'FTX+M\xfcller'UNT+3+1'UNH+2+X:D:96A:UN'UNT+2+2'UNZ+2+8'`, 'latin1');
    const value = (name: string) => ({ segments: [{ tag: 'FTX', elements: [[name]] }] });
    expect((await decodeAll(edifact(), text('UNOC'))).map(shown)[0]).toMatchObject(value('Müller'));
    expect((await decodeAll(edifact(), text('UNOE'))).map(shown)[0]).toMatchObject(value('Mќller'));
    expect((await decodeAll(edifact({ encoding: 'cp1252' }), text('UNOA'))).map(shown)[0]).toMatchObject(value('Müller'));
    expect((await decodeAll(edifact(), text('UNOA'))).map(shown)).toEqual([
      'E341 orders.csv: segment 3 (FTX) at byte 46: byte 0xfc is not us-ascii; set encoding to what the sender really uses',
      expect.objectContaining({ message: expect.objectContaining({ reference: '2' }) }),
    ]);
    expect((await decodeAll(edifact(), text('UNOX'))).map(shown)).toEqual([expect.stringContaining('E365 orders.csv: the syntax "UNOX" is not supported')]);
  });

  test('counts and references that do not fit fail the message or the interchange, the rest goes on', async () => {
    const failures = async (text: string) => (await decodeAll(edifact(), text)).map((record) => record.failure?.message ?? 'ok');
    expect(await failures(ORDERS.replace('UNT+10+1', 'UNT+9+1'))).toEqual([expect.stringContaining('segment 11 (UNT) at byte'), 'ok']);
    expect(await failures(ORDERS.replace('UNT+10+1', 'UNT+10+7'))).toEqual([expect.stringContaining('its reference is "7", the one of UNH is "1"'), 'ok']);
    expect(await failures(ORDERS.replace('UNZ+2', 'UNZ+3'))).toEqual(['ok', 'ok', expect.stringContaining('it says "3" messages, there are 2')]);
    expect(await failures(ORDERS.replace('UNZ+2+4711', 'UNZ+2+4712'))).toEqual(['ok', 'ok', expect.stringContaining('its reference is "4712"')]);
    expect(await failures(ORDERS.replace("UNT+10+1'", ''))).toEqual([expect.stringContaining('UNT is missing before the next UNH'), 'ok']);
    expect(await failures(ORDERS.replace("UNZ+2+4711'", ''))).toEqual(['ok', 'ok', expect.stringContaining('UNZ is missing: the file is not complete')]);
    expect(await failures(ORDERS.slice(0, -3))).toEqual(['ok', 'ok', expect.stringContaining('the segment has no end')]);
    expect(await failures(ORDERS.slice(0, 200))).toEqual([expect.stringContaining('the segment has no end')]);
  });

  test.each([
    ['nothing', '', 'there is no UNB'],
    ['XML', '<a/>', 'expected UNA or UNB, found'],
    ['service characters that are letters', 'UNAAAAAAAUNB', 'cannot be used'],
    ['text between messages', "UNB+UNOA:2+A+B+260301:1030+8'FTX+x'", 'expected UNH or UNZ'],
    ['no tag', "UNB+UNOA:2+A+B+260301:1030+8'UNH+1+X:D:96A:UN'\0\0+x'UNT+3+1'UNZ+1+8'", 'is no tag of a segment'],
  ])('hostile: %s', async (_, text, message) => {
    for (const size of [1, 1000]) expect((await decodeAll(edifact(), text, size)).map(shown)).toEqual([expect.stringContaining(message)]);
  });

  test('hostile: a segment without end and an endless message are bounded', async () => {
    const start = "UNB+UNOA:2+A+B+260301:1030+8'UNH+1+X:D:96A:UN'";
    expect((await decodeAll(edifact(), `${start}FTX+${'x'.repeat(3_000_000)}`)).map(shown)).toEqual([expect.stringContaining('E345 orders.csv: segment 3 (FTX)')]);
    const records = await decodeAll(edifact({ max_record: '64KiB' }), `${start}${"FTX+xxxxxxxxxx'".repeat(10_000)}UNT+10002+1'UNH+2+X:D:96A:UN'UNT+2+2'UNZ+2+8'`);
    expect(records.map(shown)).toEqual([expect.stringContaining('E345'), expect.objectContaining({ segments: [] })]);
    expect(records[0]?.raw.length).toBeLessThanOrEqual(65_536);
  });
});

describe('reading X12', () => {
  test('one record per transaction set; the ISA segment says the separators', async () => {
    for (const size of [1, 3, 1000]) {
      const records = await decodeAll(x12({ groups: { items: { start: 'PO1' } } }), X850, size);
      expect(records.map(shown)).toMatchObject([
        {
          interchange: { sender_qualifier: 'ZZ', sender: 'SENDER', receiver: 'RECEIVER', version: '00501', control_number: '000000905', usage: 'P', security: '' },
          group: { type: 'PO', control_number: '1', version: '005010' },
          message: { type: '850', control_number: '0001' },
          segments: [
            { tag: 'BEG', elements: [['00'], ['NE'], ['A-1'], [''], ['20260301']] },
            { tag: 'REF', elements: [['ZZ'], { repeats: [['A'], ['B']] }] },
          ],
          items: [{ segments: [{ tag: 'PO1', elements: [['1'], ['48'], ['EA'], ['9.20'], [''], ['VC', '1']] }] }],
        },
      ]);
    }
    const newline = X850.replaceAll('~\n', '\n');
    expect((await decodeAll(x12(), newline)).map((record) => record.failure?.message)).toEqual([undefined]);
    expect((await decodeAll(x12(), X850.replace('00501', '00401'))).map(shown)).toMatchObject([{ segments: [{}, { elements: [['ZZ'], ['A^B']] }, {}] }]);
  });

  test('counts and control numbers', async () => {
    const failures = async (text: string) => (await decodeAll(x12(), text)).map((record) => record.failure?.message ?? 'ok');
    expect(await failures(X850.replace('SE*5', 'SE*6'))).toEqual([expect.stringContaining('it says "6" segments, there are 5')]);
    expect(await failures(X850.replace('SE*5*0001', 'SE*5*1'))).toEqual(['ok']);
    expect(await failures(X850.replace('GE*1*1', 'GE*2*1'))).toEqual(['ok', expect.stringContaining('it says "2" messages, there are 1')]);
    expect(await failures(X850.replace('IEA*1*000000905', 'IEA*1*000000906'))).toEqual(['ok', expect.stringContaining('its reference is "000000906"')]);
    expect(await failures(X850.replace('GE*1*1~\n', ''))).toEqual(['ok', expect.stringContaining('GE is missing before it')]);
    expect(await failures(X850.replace(/GS.*\n/, ''))).toEqual([expect.stringContaining('GS is missing before ST')]);
    expect(await failures(X850.replace('ISA*00*', 'ISA*0*'))).toEqual([expect.stringContaining('has not its 106 bytes')]);
    expect(await failures(X850.slice(0, 60))).toEqual([expect.stringContaining('has not its 106 bytes')]);
  });
});

describe('writing', () => {
  test('EDIFACT: counts are counted, separators in values are released, an interchange is written as it was read', async () => {
    const codec = edifact({ groups: { lines: { start: 'LIN' }, summary: { start: 'UNS' } }, line_breaks: true });
    const payloads = (await decodeAll(codec, ORDERS)).map((record) => record.value as Record<string, never>);
    expect(Buffer.from(await codec.encode(payloads)).toString()).toBe(`${ORDERS.replaceAll('\r', '')}\n`);
    const [payload = {}] = payloads;
    expect(() => codec.encode([payload, payload])).toThrow('two messages have the reference 1');
    expect(() => codec.encode([{ ...payload, interchange: {} }])).toThrow('interchange.sender has no value');
    expect(() => codec.encode([{ ...payload, message: null }])).toThrow('the payload has no record message');
    expect(() => codec.encode([{ ...payload, lines: [{ segments: [{ tag: 'QTY', elements: [] }] }] }])).toThrow('lines[0] begins with QTY instead of LIN');
    expect(() => codec.encode([{ ...payload, segments: [{ tag: "A'B", elements: [] }] }])).toThrow('segments[0] needs a tag');
    expect(() => codec.encode([{ ...payload, segments: [{ tag: 'FTX', elements: [['€']] }] }])).toThrow('does not exist in iso-8859-1');
  });

  test('X12: padded, counted, and a separator in a value is refused', async () => {
    const payload = (await decodeAll(x12(), X850))[0]?.value as Record<string, Record<string, string>>;
    expect(Buffer.from(await x12({ component: '>', line_breaks: true }).encode([payload])).toString()).toBe(X850);
    expect(() => x12().encode([{ ...payload, segments: [{ tag: 'REF', elements: [['a*b']] }] }])).toThrow('"*" is a separator of the interchange');
    expect(() => x12().encode([{ ...payload, interchange: { ...payload['interchange'], sender: 'x'.repeat(16) } }])).toThrow('does not fit into 15');
    expect(x12().preview(payload)).toContain('SE*5*0001~');
  });

  test('what was written is read back', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', '1', "'", '+', ':', '?', '*', ' ', 'ü', '^', '~'), minLength: 1, maxLength: 6 });
    const component = fc.array(text, { minLength: 1, maxLength: 3 });
    const element = fc.oneof(
      component,
      fc.array(component, { minLength: 2, maxLength: 3 }).map((repeats) => ({ repeats })),
    );
    const segments = fc.array(fc.record({ tag: fc.constantFrom('BGM', 'FTX', 'NAD'), elements: fc.array(element, { maxLength: 4 }) }), { maxLength: 5 });
    const lines = fc.array(
      segments.map((rest) => ({ segments: [{ tag: 'LIN', elements: [] }, ...rest] })),
      { maxLength: 3 },
    );
    const header = { syntax: 'UNOC', syntax_version: '4', sender: 'A', recipient: "B'", date: '20260301', time: '1030', reference: '7' };
    const codec = edifact({ groups: { lines: { start: 'LIN' } } });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ segments, lines }), { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 60 }), async (messages, size) => {
        const payloads = messages.map((message, at) => ({
          ...message,
          interchange: header,
          message: { reference: String(at + 1), type: 'X', version: 'D', release: '96A', agency: 'UN' },
        }));
        const read = (await decodeAll(codec, await codec.encode(payloads), size)).map(shown);
        expect(read).toMatchObject(payloads);
      }),
      { numRuns: 150 },
    );
  });
});
