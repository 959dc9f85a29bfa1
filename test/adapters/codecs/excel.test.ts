import { describe, expect, test } from '@jest/globals';
import { zipOf } from '../../../adapters/codecs/archive-writer.js';
import { excelCodec, excelOptions } from '../../../adapters/codecs/excel.js';
import { dateText, kindOfFormat } from '../../../adapters/codecs/excel-dates.js';
import { Decimal } from '../../../adapters/contract/index.js';
import { decodeAll, shown } from './decoding.js';
import { openSpools } from './spools.js';

const codec = (options: object = {}) => excelCodec(excelOptions.parse(options));

const STYLES =
  '<styleSheet><numFmts><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd hh:mm"/><numFmt numFmtId="165" formatCode="0.00 &quot;days&quot;"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="21"/></cellXfs></styleSheet>';

/** A workbook with these cells, as Excel lays it out. */
function book(rows: string, change: { readonly strings?: string; readonly properties?: string; readonly parts?: Readonly<Record<string, string>> } = {}): Promise<Buffer> {
  const relation = (id: string, type: string, target: string) =>
    `<Relationship Id="${id}" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/${type}" Target="${target}"/>`;
  const parts: Record<string, string> = {
    '_rels/.rels': `<Relationships>${relation('a', 'officeDocument', 'xl/workbook.xml')}</Relationships>`,
    'xl/workbook.xml': `<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><workbookPr ${change.properties ?? ''}/><sheets><sheet name="Notes" r:id="r1"/><sheet name="Orders" r:id="r2"/></sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': `<Relationships>${relation('r1', 'worksheet', 'worksheets/sheet1.xml')}${relation('r2', 'worksheet', '/xl/worksheets/sheet2.xml')}${relation('r3', 'styles', 'styles.xml')}${relation('r4', 'sharedStrings', 'sharedStrings.xml')}</Relationships>`,
    'xl/styles.xml': STYLES,
    'xl/sharedStrings.xml': `<sst>${change.strings ?? '<si><t>ID</t></si><si><r><t>Na</t></r><r><t>me</t></r><rPh><t>x</t></rPh></si><si><t xml:space="preserve"> 00123_x000D_</t></si>'}</sst>`,
    'xl/worksheets/sheet1.xml': '<worksheet><sheetData/></worksheet>',
    'xl/worksheets/sheet2.xml': `<worksheet><sheetData>${rows}</sheetData></worksheet>`,
    ...change.parts,
  };
  return zipOf(Object.entries(parts).map(([name, text]) => ({ name, bytes: Buffer.from(text) })));
}
const HEADER = '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="AA1" t="inlineStr"><is><t>On</t></is></c></row>';
const rows = async (cells: string, change = {}) => (await decodeAll(codec({ sheet: 'Orders' }), await book(HEADER + cells, change))).map(shown);

describe('reading workbooks', () => {
  test('values stand as in the file: texts, numbers, dates, booleans, results of formulas', async () => {
    expect(
      await rows(
        '<row r="2"><c r="A2" t="s"><v>2</v></c><c r="B2"><v>19.989999999999998</v></c><c r="AA2" s="1"><v>46082</v></c></row><row r="3"/>' +
          '<row r="4"><c r="A4" t="b"><v>1</v></c><c r="B4"><f>1+1</f><v>1E-2</v></c><c r="AA4" s="2"><v>46082.520833333336</v></c></row>' +
          '<row r="5"><c r="A5" t="str"><f>A1</f><v>x</v></c><c r="B5" s="3"><v>5</v></c><c r="AA5" s="4"><v>0.25</v></c></row>',
      ),
    ).toEqual([
      { ID: ' 00123\r', Name: '19.989999999999998', On: '2026-03-01' },
      { ID: true, Name: '1E-2', On: '2026-03-01T12:30:00' },
      { ID: 'x', Name: '5', On: '06:00:00' },
    ]);
    expect(openSpools()).toEqual([]);
  });

  test('a cell that has no value fails its row, with its name; the rest goes on', async () => {
    const records = await decodeAll(
      codec({ sheet: 2 }),
      await book(
        `${HEADER}<row r="2"><c r="A2" t="e"><v>#N/A</v></c></row><row r="3"><c r="C3"><v>1</v></c></row><row r="4"><c r="AA4" s="1"><v>60</v></c></row><row r="5"><c r="A5" t="s"><v>9</v></c></row><row r="6"><c r="A6"><v>7</v></c></row>`,
      ),
      7,
    );
    expect(records.map(shown)).toEqual([
      'E368 orders.csv/Orders:2: cell A2: it holds the error #N/A',
      'E368 orders.csv/Orders:3: cell C3 has a value, and its column has no name',
      'E368 orders.csv/Orders:4: cell AA4: day 60 is 29 February 1900 in Excel, which did not exist',
      'E368 orders.csv/Orders:5: cell A5: text 9 is not there',
      { ID: '7', Name: null, On: null },
    ]);
    expect(records.map(({ line }) => line)).toEqual([2, 3, 4, 5, 6]);
    expect(String(records[0]?.raw)).toBe('{"A2":"it holds the error #N/A"}');
  });

  test.each([
    ['1', 'date', false, '1900-01-01'],
    ['59', 'date', false, '1900-02-28'],
    ['61', 'date', false, '1900-03-01'],
    ['0', 'date', true, '1904-01-01'],
    ['44620', 'date', true, '2026-03-01'],
    ['46082.999999999', 'timestamp', false, '2026-03-02T00:00:00'],
    ['46082.5000000116', 'date', false, '2026-03-01T12:00:00.001'],
    ['2958465', 'date', false, '9999-12-31'],
  ] as const)('serial %s as %s (1904: %s) is %s', (serial, kind, is1904, text) => {
    expect(dateText(serial, kind, is1904)).toBe(text);
  });

  test.each([
    ['dd.mm.yyyy', 'date'],
    ['[$-407]d. mmmm yyyy;@', 'date'],
    ['m/d/yy h:mm AM/PM', 'timestamp'],
    ['[h]:mm', undefined],
    ['h:mm:ss', 'time'],
    ['#,##0.00 "days"', undefined],
    ['General', undefined],
    ['0.00E+00', undefined],
    ['[Red]#,##0', undefined],
    ['mmm', 'date'],
  ])('the format %s is %s', (code, kind) => {
    expect(kindOfFormat(code)).toBe(kind);
  });

  test('header, first row, sheets, the 1904 calendar', async () => {
    const bytes = await book('<row r="3"><c r="A3" t="inlineStr"><is><t>a</t></is></c></row><row><c s="1"><v>0</v></c></row>', { properties: 'date1904="1"' });
    expect((await decodeAll(codec({ sheet: 2, first_row: 3 }), bytes)).map(shown)).toEqual([{ a: '1904-01-01' }]);
    expect((await decodeAll(codec({ sheet: 2, header: false, columns: ['x'] }), bytes)).map(shown)).toEqual([{ x: 'a' }, { x: '1904-01-01' }]);
    const failed = async (options: object) => (await decodeAll(codec(options), bytes)).map(shown);
    expect(await failed({ sheet: 2 })).toEqual(['E367 orders.csv: row 1, the header, is empty']);
    expect(await failed({ sheet: 1 })).toEqual(['E367 orders.csv: row 1 of the sheet Notes, the header, is empty']);
    expect(await failed({ sheet: 'orders' })).toEqual(['E367 orders.csv: there is no sheet "orders"; there are: Notes, Orders']);
    expect(await failed({ sheet: 2, first_row: 3, columns: ['b'] })).toEqual(['E367 orders.csv: column b is missing; there are: a']);
  });

  test('hostile: what is no such workbook says what to do', async () => {
    const old = Buffer.concat([Buffer.from('d0cf11e0a1b11ae1', 'hex'), Buffer.alloc(2_000)]);
    const failed = async (bytes: Buffer, options: object = {}) => (await decodeAll(codec(options), bytes)).map(shown);
    expect(await failed(old)).toEqual([expect.stringContaining('it is an old .xls workbook (Excel 97 to 2003): save it as .xlsx')]);
    expect(await failed(Buffer.concat([old, Buffer.from('EncryptedPackage', 'utf16le')]))).toEqual([expect.stringContaining('protected by a password')]);
    expect(await failed(Buffer.alloc(0))).toEqual(['E367 orders.csv: it is empty']);
    expect(await failed(Buffer.from('a;b\n'))).toEqual([expect.stringContaining('E369')]);
    expect(await failed(await zipOf([{ name: 'a.csv', bytes: Buffer.from('a') }]))).toEqual(['E367 orders.csv: it is no .xlsx workbook']);
    const doctype = { parts: { 'xl/worksheets/sheet2.xml': '<!DOCTYPE x><worksheet/>' } };
    expect(await failed(await book('', doctype), { sheet: 2 })).toEqual([expect.stringContaining('a DOCTYPE is not accepted')]);
    const strings = { strings: '<si><t>xxxxxxxxxx</t></si>'.repeat(10_000) };
    expect(await failed(await book('', strings), { max_strings: '64KiB' })).toEqual([expect.stringContaining('more than 65536 characters')]);
    const long = await book(
      `<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row><row r="2"><c r="A2" t="inlineStr"><is><t>${'x'.repeat(200_000)}</t></is></c></row><row r="3"><c r="A3"><v>3</v></c></row>`,
    );
    expect(await failed(long, { sheet: 2, max_record: '64KiB' })).toEqual(['E345 orders.csv/Orders:2: the row is longer than max_record', { a: '3' }]);
    for (const cell of ['<c r="XFE1"><v>1</v></c>', '<c r="1A"><v>1</v></c>']) expect(await rows(`<row r="2">${cell}</row>`)).toEqual([expect.stringContaining('is no cell')]);
    expect(openSpools()).toEqual([]);
  });
});

describe('writing workbooks', () => {
  const columns = ['ID', 'AMT', 'ON', 'NOTE'];
  const options = { columns, numbers: ['AMT'], dates: ['ON'], sheet: 'Orders & more' };

  test('text stays text, numbers and dates are such, and it is read back', async () => {
    const payloads = [
      { ID: '00123', AMT: new Decimal(123450n, 2), ON: '2026-03-01', NOTE: '=1+1 <&> _x000D_ \r\n' },
      { ID: ' ', AMT: 7n, ON: null, NOTE: null },
    ];
    const bytes = await codec(options).encode(payloads);
    expect((await decodeAll(codec({ sheet: 'Orders & more' }), bytes)).map(shown)).toEqual([
      { ID: '00123', AMT: '1234.50', ON: '2026-03-01', NOTE: '=1+1 <&> _x000D_ \r\n' },
      { ID: ' ', AMT: '7', ON: null, NOTE: null },
    ]);
    expect(Buffer.compare(bytes, await codec(options).encode(payloads))).toBe(0);
  });

  test.each([
    [{ AMT: '1e5' }, 'is no number'],
    [{ AMT: '1234567890123456' }, 'more than the 15 digits'],
    [{ ON: '2026-02-30' }, 'is no date'],
    [{ ON: '1899-12-31' }, 'is no date from 1900-03-01'],
    [{ NOTE: 'x'.repeat(32_768) }, 'more than the 32767 characters'],
    [{ OTHER: '1' }, 'there is no column "OTHER"'],
  ])('what has no place is refused %#: %.0j%s', (payload, message) => {
    expect(() => codec(options).encode([payload])).toThrow(message);
  });
});
