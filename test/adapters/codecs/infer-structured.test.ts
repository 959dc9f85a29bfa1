import { describe, expect, test } from '@jest/globals';
import { edifactCodec, edifactOptions } from '../../../adapters/codecs/edifact.js';
import { inferEdi } from '../../../adapters/codecs/infer/edi.js';
import { inferXml } from '../../../adapters/codecs/infer/xml.js';
import { x12Codec, x12Options } from '../../../adapters/codecs/x12.js';
import { xmlCodec, xmlOptions } from '../../../adapters/codecs/xml.js';
import { decodeAll, shown } from './decoding.js';

describe('XML', () => {
  const text =
    '<Orders xmlns="urn:o" xmlns:x="urn:x"><Head><Day>2026-03-01</Day></Head><Order no="1"><Cust><Name>A</Name></Cust><Line><Qty>1</Qty></Line><Line><Qty>2</Qty></Line><x:Ref>7</x:Ref><Price>1</Price></Order><Order no="2"><Cust><Name>B</Name></Cust><Line><Qty>3</Qty></Line><Price cur="EUR">2</Price></Order></Orders>';

  test('the options read the sample, every record in the same form', async () => {
    const { options, fields, records, notes } = await inferXml(Buffer.from(text));
    expect(options).toEqual({ each: 'Orders/Order', lists: ['Line'], records: ['Price'], namespace: 'urn:o', namespaces: { ns2: 'urn:x' } });
    expect(records).toBe(2);
    expect(notes).toEqual([]);
    expect(fields).toHaveLength(6);
    expect(fields).toEqual(
      expect.arrayContaining([
        { path: '@no', list: false, optional: false, examples: ['1', '2'] },
        { path: 'Cust/Name', list: false, optional: false, examples: ['A', 'B'] },
        { path: 'Line/Qty', list: true, optional: false, examples: ['1', '2', '3'] },
        { path: 'ns2:Ref', list: false, optional: true, examples: ['7'] },
        { path: 'Price/@cur', list: false, optional: true, examples: ['EUR'] },
        { path: 'Price/#text', list: false, optional: false, examples: ['1', '2'] },
      ]),
    );
    expect((await decodeAll(xmlCodec(xmlOptions.parse(options)), text)).map(shown)).toEqual([
      { '@no': '1', Cust: { Name: 'A' }, Line: [{ Qty: '1' }, { Qty: '2' }], 'ns2:Ref': '7', Price: { '#text': '1' } },
      { '@no': '2', Cust: { Name: 'B' }, Line: [{ Qty: '3' }], Price: { '@cur': 'EUR', '#text': '2' } },
    ]);
  });

  test('a sample that is cut off, a document that is one record, and no XML', async () => {
    expect((await inferXml(Buffer.from(text.slice(0, -60)))).options.each).toBe('Orders/Order');
    const one = await inferXml(Buffer.from('<o><a>1</a></o>'));
    expect(one).toMatchObject({ options: {}, records: 1, fields: [{ path: 'o/a' }] });
    expect(one.notes).toContain('no element repeats below the root: the document is one record');
    await expect(inferXml(Buffer.from('a;b'))).rejects.toThrow();
  });
});

describe('EDI', () => {
  const edifact = "UNB+UNOA:3+A+B+260301:1030+8'UNH+1+ORDERS:D:96A:UN'BGM+220+M\xfc'LIN+1'QTY+21:1'LIN+2'QTY+21:2'UNS+S'UNT+8+1'UNZ+1+8'";
  const x12 =
    'ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260301*1030*^*00501*000000905*0*P*>~GS*PO*S*R*20260301*1030*1*X*005010~ST*850*0001~BEG*00*NE*A-1**20260301~PO1*1*48*EA~PO1*2*1*EA~CTT*2~SE*6*0001~GE*1*1~IEA*1*000000905~';

  test('EDIFACT: messages, segments, loops, and the encoding that is really used', async () => {
    const bytes = Buffer.from(edifact, 'latin1');
    const inferred = await inferEdi(bytes);
    expect(inferred).toMatchObject({
      format: 'edifact',
      options: { groups: { lines: { start: 'LIN' }, summary: { start: 'UNS' } }, encoding: 'windows-1252' },
      messages: [{ type: 'ORDERS D 96A', seen: 1 }],
    });
    expect(inferred?.segments.map(({ tag, most }) => [tag, most])).toEqual([
      ['BGM', 1],
      ['LIN', 2],
      ['QTY', 2],
      ['UNS', 1],
    ]);
    const [record] = await decodeAll(edifactCodec(edifactOptions.parse(inferred?.options)), bytes);
    expect(shown(record)).toMatchObject({ segments: [{ elements: [['220'], ['Mü']] }], lines: [{}, {}], summary: [{}] });
  });

  test('X12, and what is neither', async () => {
    const inferred = await inferEdi(Buffer.from(x12));
    expect(inferred).toMatchObject({ format: 'x12', options: { groups: { lines: { start: 'PO1' }, summary: { start: 'CTT' } } }, messages: [{ type: '850 005010' }] });
    expect((await decodeAll(x12Codec(x12Options.parse(inferred?.options)), x12)).map(shown)).toMatchObject([{ lines: [{}, {}], summary: [{}] }]);
    expect((await inferEdi(Buffer.from(x12.slice(0, -20))))?.notes.join()).toContain('the file is not complete');
    expect(await inferEdi(Buffer.from('a;b'))).toBeUndefined();
  });
});
