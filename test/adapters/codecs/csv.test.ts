import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { csvCodec, csvOptions } from '../../../adapters/codecs/csv.js';
import { Decimal, newRecord } from '../../../adapters/contract/index.js';
import { decodeAll, shown } from './decoding.js';

const codec = (options: object = {}) => csvCodec(csvOptions.parse(options));

describe('csv in', () => {
  test('every value is text as it stands: 00123, spaces, empty', async () => {
    const [record] = await decodeAll(codec(), 'a,b,c,d\n00123, x ,,1e3\n');
    expect(shown(record)).toEqual({ a: '00123', b: ' x ', c: '', d: '1e3' });
    expect(record).toMatchObject({ number: 1, line: 2, offset: 8 });
  });

  test('F27 a byte order mark is no part of the first column, also when it is split over chunks', async () => {
    for (const size of [1, 2, 3, 100]) {
      expect((await decodeAll(codec(), '\ufeffa;b\n1;2\n', size)).map(shown)).toHaveLength(1);
      expect(shown((await decodeAll(codec({ delimiter: ';' }), '\ufeffa;b\n1;2\n', size))[0])).toEqual({ a: '1', b: '2' });
    }
  });

  test('F28 UTF-16 with either byte order mark is read', async () => {
    const little = Buffer.from('\ufeffname\nMüller €\n', 'utf16le');
    const big = Buffer.from(little).swap16();
    for (const bytes of [little, big]) {
      for (const size of [1, 3, 100]) expect((await decodeAll(codec({ encoding: 'utf-16' }), bytes, size)).map(shown)).toEqual([{ name: 'Müller €' }]);
    }
  });

  test('F28 windows-1252 is read as declared; a byte that is not in the encoding fails its row with the offset, the rest goes on', async () => {
    expect((await decodeAll(codec({ encoding: 'cp1252' }), Buffer.from('n\nM\xfcller \x80\n', 'latin1'))).map(shown)).toEqual([{ n: 'Müller €' }]);
    const records = await decodeAll(codec({ columns: ['n'], header: false }), Buffer.from('ok\nM\xfcller\nok\n', 'latin1'));
    expect(records.map((record) => record.failure?.code)).toEqual([undefined, 'E341', undefined]);
    expect(String(records[1]?.failure?.cause)).toContain('byte 0xfc at offset 4 is not utf-8');
    expect(Buffer.from(records[1]?.raw ?? [])).toEqual(Buffer.from('M\xfcller', 'latin1'));
  });

  test('F29 CRLF and LF mix; line ends inside quotes are kept exactly', async () => {
    const text = 'a,b\r\n1,"x\r\ny"\n2,"z\n"\r\n3,"q""q"';
    for (const size of [1, 2, 5, 100]) {
      const records = await decodeAll(codec(), text, size);
      expect(records.map(shown)).toEqual([
        { a: '1', b: 'x\r\ny' },
        { a: '2', b: 'z\n' },
        { a: '3', b: 'q"q' },
      ]);
      expect(records.map((record) => record.line)).toEqual([2, 4, 6]);
    }
  });

  test('F30 a stray quote fails its own row with file, line and column; the rest goes on', async () => {
    const records = await decodeAll(codec(), 'a,b\n1,x\n2,Oh snap its "b"\n3,"y"z\n4,w\n');
    expect(records.map(shown)).toEqual([
      { a: '1', b: 'x' },
      'E340 orders.csv:3: column 2: a quote inside a field that does not start with one',
      'E340 orders.csv:4: column 2: expected the delimiter or the end of the line after the closing quote',
      { a: '4', b: 'w' },
    ]);
    expect(String(records[1]?.raw)).toBe('2,Oh snap its "b"');
  });

  test('F30 a quote that is never closed takes its own line only', async () => {
    for (const size of [1, 7, 100]) {
      const records = await decodeAll(codec(), 'a,b\n1,"x\n2,y\n3,z\n', size);
      expect(records.map(shown)).toEqual(['E340 orders.csv:2: column 2: the quote is not closed', { a: '2', b: 'y' }, { a: '3', b: 'z' }]);
    }
  });

  test('F31 ragged rows fail alone, empty lines are no rows', async () => {
    const records = await decodeAll(codec(), 'a,b\n1\n\n1,2,3\n1,2\n\n');
    expect(records.map(shown)).toEqual([
      'E340 orders.csv:2: 1 columns instead of 2, see from "a" on',
      'E340 orders.csv:4: 3 columns instead of 2, see from "b" on',
      { a: '1', b: '2' },
    ]);
  });

  test.each([
    ['a,b,a\n1,2,3\n', 'E349 orders.csv:1: column "a" is there twice'],
    ['a,,c\n1,2,3\n', 'E349 orders.csv:1: column 2 has no name'],
  ])('F31 header %j is refused, no row is read', async (text, problem) => {
    expect((await decodeAll(codec(), text)).map(shown)).toEqual([problem]);
  });

  test('F31 a missing column is named', async () => {
    expect((await decodeAll(codec({ columns: ['a', 'z'] }), 'a,b\n1,2\n')).map(shown)).toEqual(['E349 orders.csv:1: column z is missing; there are: a, b']);
  });

  test('a column __proto__ is plain data', async () => {
    const [record] = await decodeAll(codec(), '__proto__,constructor\nx,y\n');
    expect(Object.entries(record?.value as object)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
    expect(Object.prototype).not.toHaveProperty('x');
  });

  test('a row that is too long fails in bounded memory, the rows after it go on', async () => {
    const long = 'x'.repeat(3_000_000);
    for (const text of [`a\n1\n${long}\n2\n`, `a\n1\n"${long}\n2\n`]) {
      const records = await decodeAll(codec(), text, 65_536);
      expect(records.map((record) => record.failure?.code)).toEqual([undefined, 'E345', undefined]);
      expect(records[1]?.raw.length).toBeLessThanOrEqual(65_536);
      expect(records[2]).toMatchObject({ line: 4, value: { a: '2' }, offset: text.length - 2 });
    }
  });

  test('rows do not depend on where chunks end, and read back what was written', async () => {
    const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', 'ü', ' '), maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 9 }), async (rows, size) => {
        const payloads = rows.map(([a, b]) => ({ a: `${a}.`, b }));
        const options = codec({ columns: ['a', 'b'] });
        expect((await decodeAll(options, await options.encode(payloads), size)).map(shown)).toEqual(payloads);
      }),
    );
  });
});

describe('dialects of csv', () => {
  const read = async (options: object, text: string, size = 100): Promise<unknown[]> => (await decodeAll(codec(options), text, size)).map(shown);

  test.each<[string, object, string, unknown[]]>([
    ['pipes', { delimiter: '|' }, 'a|b\n1|2\n', [{ a: '1', b: '2' }]],
    ['tabs', { delimiter: '\t' }, 'a\tb\n1\t\n', [{ a: '1', b: '' }]],
    ['the unit separator', { delimiter: '\x1f' }, 'a\x1fb\n1\x1f2\n', [{ a: '1', b: '2' }]],
    ['several characters', { delimiter: '~|~' }, 'a~|~b\n1~|2~|~"x~|~"\n', [{ a: '1~|2', b: 'x~|~' }]],
    ['no ASCII', { delimiter: '¦' }, 'a¦b\n1¦ü\n', [{ a: '1', b: 'ü' }]],
    ['no quotes', { quote: 'none' }, 'a,b\n1",""\n', [{ a: '1"', b: '""' }]],
    ['another quote', { quote: "'" }, "a,b\n'1,''x''',\"\n", [{ a: "1,'x'", b: '"' }]],
    [
      'backslashes',
      { escape: 'backslash', null_text: '\\N' },
      'a,b\n"x\\"\\\\",y\\,z\n\\N,"\\N"\n',
      [
        { a: 'x"\\', b: 'y,z' },
        { a: null, b: 'N' },
      ],
    ],
    ['backslash before a line end', { escape: 'backslash', quote: 'none' }, 'a,b\n1\\\r\n2,3\n', [{ a: '1\r\n2', b: '3' }]],
    ['null text', { null_text: 'NULL' }, 'a,b\nNULL,"NULL"\n', [{ a: null, b: 'NULL' }]],
    ['comments and lines before the header', { comment: '#', skip_lines: 2 }, 'Report, "x\n\na,b\n#1,2\n1,2\n#', [{ a: '1', b: '2' }]],
    ['spaces around', { trim: true }, 'a , b\n 1 , "2 " \n', [{ a: '1', b: '2 ' }]],
    [
      'a delimiter behind the last field',
      { delimiter: ';', trailing_delimiter: true },
      'a;b;\n1;2;\n3;;\n4;5\n',
      [
        { a: '1', b: '2' },
        { a: '3', b: '' },
        { a: '4', b: '5' },
      ],
    ],
    [
      'CR only',
      {},
      'a,b\r1,2\r"3\r4",5\r',
      [
        { a: '1', b: '2' },
        { a: '3\r4', b: '5' },
      ],
    ],
    ['names in one case, renamed', { header_case: 'lower', rename: { 'order no.': 'id' } }, ' Order No. ,Amt\n1,2\n', [{ id: '1', amt: '2' }]],
    ['a name twice', { duplicate_columns: 'number' }, 'a,b,a\n1,2,3\n', [{ a: '1', b: '2', a_2: '3' }]],
    ['short rows', { short_rows: 'empty' }, 'a,b\n1\n', [{ a: '1', b: '' }]],
    ['long rows', { long_rows: 'ignore' }, 'a,b\n1,2,3\n', [{ a: '1', b: '2' }]],
    ['blank lines are rows', { blank_lines: 'record' }, 'a\n\n1\n', [{ a: '' }, { a: '1' }]],
    ['blank lines are wrong', { blank_lines: 'fail' }, 'a\n\n1\n', ['E340 orders.csv:2: the line is empty', { a: '1' }]],
    ['header only', {}, 'a,b\n', []],
    ['nothing', {}, '', []],
  ])('F31 %s', async (_, options, text, records) => {
    for (const size of [1, 2, 3, 7, 1000]) expect(await read(options, text, size)).toEqual(records);
  });

  test('F30 quotes: relaxed takes a stray quote as it stands', async () => {
    const text = 'a,b,c\n1,Oh snap its "field3",2\n"x "y" z",3,"4"\n"5""6",7,"8\n9"\n';
    for (const size of [1, 2, 5, 1000]) {
      expect(await read({ quotes: 'relaxed' }, text, size)).toEqual([
        { a: '1', b: 'Oh snap its "field3"', c: '2' },
        { a: 'x "y" z', b: '3', c: '4' },
        { a: '5"6', b: '7', c: '8\n9' },
      ]);
    }
  });

  test('F31 hostile rows: NUL, 20,000 columns, a quote that opens 5 MB; each fails alone', async () => {
    const text = `a\nx\0y\n${'1,'.repeat(20_000)}\n"${'z\n'.repeat(20)}\n1\n`;
    expect((await read({ max_record: '64KiB' }, text)).slice(0, 3)).toEqual([
      'E340 orders.csv:2: there is a NUL character: the file is damaged, or its encoding is another',
      'E345 orders.csv:3: the row has more than 10000 columns',
      'E340 orders.csv:4: column 1: the quote is not closed',
    ]);
  });

  test('a million backslashes cost no quadratic time', async () => {
    const records = await read({ escape: 'backslash', max_record: '8MiB' }, `a\n"${'\\\\'.repeat(1_000_000)}\n1\n`, 65_536);
    expect(records).toEqual(['E340 orders.csv:2: column 1: the quote is not closed', { a: '1' }]);
  });

  test.each<[object, string]>([
    [{ delimiter: '\n' }, 'no line end'],
    [{ delimiter: 'a"b' }, 'same character'],
    [{ records: { a: { children: { bs: 'b' } } } }, 'there is no record'],
    [{ records: { a: { children: { bs: 'b' } }, b: { when: { is: 'B' }, children: { as: 'a' } } } }, 'stands below itself'],
    [{ records: { a: {}, b: {} } }, 'only one record may be without when'],
  ])('%j is refused', (options, problem) => {
    expect(csvOptions.safeParse(options).error?.message).toContain(problem);
  });

  test.each<[object, object, string]>([
    [{ delimiter: '~|~', columns: ['a', 'b'] }, { a: 'x~|~', b: '1' }, '"x~|~"~|~1'],
    [{ escape: 'backslash', columns: ['a', 'b'] }, { a: 'x"\\', b: 'y' }, '"x\\"\\\\",y'],
    [{ null_text: '\\N', columns: ['a', 'b'] }, { a: null, b: '\\N' }, '\\N,"\\N"'],
    [{ trailing_delimiter: true, columns: ['a'] }, { a: '1' }, '1,'],
    [{ guard_formulas: true, columns: ['a', 'b'] }, { a: '=cmd()', b: '-1.5' }, "'=cmd(),-1.5"],
    [{ quote: 'none', escape: 'backslash', columns: ['a'] }, { a: 'x,\ny' }, 'x\\,\\\ny'],
  ])('%j writes %j', async (options, payload, text) => {
    expect(codec(options).preview(payload as never)).toBe(text);
  });

  test('what is written in any dialect is read back', async () => {
    const cell = fc.string({ unit: fc.constantFrom('a', '"', "'", ',', '\\', ';', '\n', '\r', 'ü', ' ', '#', 'N', '='), maxLength: 5 });
    const dialect = fc.record({
      delimiter: fc.constantFrom(',', ';;', ' ,', '\t'),
      quote: fc.constantFrom('"', "'"),
      escape: fc.constantFrom('double', 'backslash'),
      trim: fc.boolean(),
      comment: fc.constantFrom('#', '//'),
      null_text: fc.constantFrom('\\N', 'N'),
      trailing_delimiter: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        dialect,
        fc.array(fc.tuple(cell, fc.oneof(cell, fc.constant(null))), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 9 }),
        async (options, rows, size) => {
          if (options.trim && options.delimiter.startsWith(' ')) return;
          const payloads = rows.map(([a, b]) => ({ a: `${a}.`, b }));
          const csv = codec({ ...options, columns: ['a', 'b'], encoding: 'utf-16' });
          expect((await decodeAll(csv, await csv.encode(payloads), size)).map(shown)).toEqual(payloads);
        },
      ),
    );
  });
});

describe('csv out', () => {
  test('quotes only what needs it, numbers keep their digits', async () => {
    const options = codec({ columns: ['id', 'name', 'total', 'note'], delimiter: ';', line_end: 'crlf' });
    const payload = { id: '00123', name: 'a;"b"', total: new Decimal(123450n, 2), note: null };
    expect(options.preview(payload)).toBe('00123;"a;""b""";1234.50;');
    expect(String(await options.encode([payload]))).toBe('id;name;total;note\r\n00123;"a;""b""";1234.50;\r\n');
  });

  test('a character the encoding has not, an unknown field and a list are errors', async () => {
    const options = codec({ columns: ['a'], encoding: 'cp1252' });
    expect([...(await options.encode([{ a: '€' }]))].at(-2)).toBe(0x80);
    expect(() => options.encode([{ a: 'Ж' }])).toThrow('"Ж" (U+0416) does not exist in windows-1252');
    expect(() => options.encode([{ a: '1', b: '2' }])).toThrow('there is no column "b"');
    expect(() => options.encode([{ a: [1n] }])).toThrow('a list or a record');
  });

  test('columns of the payload are the header when none are listed', async () => {
    const payload = newRecord();
    payload['x'] = 1n;
    expect(String(await codec().encode([payload]))).toBe('x\n1\n');
  });
});
