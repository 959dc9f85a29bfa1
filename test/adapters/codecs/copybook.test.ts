import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { copybookCodec, copybookOptions } from '../../../adapters/codecs/copybook/codec.js';
import { parsePicture } from '../../../adapters/codecs/copybook/picture.js';
import { decodeAll, shown } from './decoding.js';

const codec = (options: object) => copybookCodec(copybookOptions.parse(options));
const problem = (options: object): string =>
  copybookOptions
    .safeParse(options)
    .error?.issues.map((issue) => issue.message)
    .join('; ') ?? 'none';
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

// As a programmer would send it: sequence numbers, comments, condition names, the identification area.
const ORDER = [
  '000100* ORDER INTERFACE                                                 ORDIF001',
  '000200 01  ORDER-REC.                                                   ORDIF001',
  '000300     05  ORD-NO            PIC 9(8).                              ORDIF001',
  '000400     05  ORD-STATUS        PIC X.                                 ORDIF001',
  "000500         88  OPEN-ORDER    VALUE 'O' 'P'.                         ORDIF001",
  '000600     05  CUSTOMER.                                                ORDIF001',
  '000700         10  CUST-NO       PIC S9(7) COMP-3.                      ORDIF001',
  '000800         10  CUST-NAME     PIC X(10).                             ORDIF001',
  '000900     05  FILLER            PIC X(2).                              ORDIF001',
  '001000     05  TOTAL             PIC S9(7)V99 COMP-3.                   ORDIF001',
  '001100     05  DISCOUNT          PIC S9(3)V9(2).                        ORDIF001',
  '001200     05  LINE-COUNT        PIC S9(4) COMP.                        ORDIF001',
  '001300     05  LINES-T OCCURS 0 TO 5 TIMES                              ORDIF001',
  '001400              DEPENDING ON LINE-COUNT INDEXED BY LX.              ORDIF001',
  '001500         10  SKU           PIC X(4).                              ORDIF001',
  '001600         10  QTY           PIC 9(3).                              ORDIF001',
  '001700         10  PRICES        PIC S9(3)V9 SIGN LEADING SEPARATE      ORDIF001',
  '001800                           OCCURS 2 TIMES.                        ORDIF001',
].join('\n');

const order = {
  ORD_NO: '00004711',
  ORD_STATUS: 'O',
  CUSTOMER: { CUST_NO: -815, CUST_NAME: 'MÜLLER' },
  TOTAL: '-1234.50',
  DISCOUNT: '-1.25',
  LINE_COUNT: 2,
  LINES_T: [
    { SKU: 'A1', QTY: '007', PRICES: ['1.5', '-2.0'] },
    { SKU: 'B', QTY: '100', PRICES: ['0.0', '0.0'] },
  ],
};
const payload = JSON.parse(JSON.stringify(order), (_, value: unknown) => (typeof value === 'number' ? BigInt(value) : value)) as never;

describe('copybook', () => {
  test('F28 an order of variable length in EBCDIC, bytes written down by hand', async () => {
    const options = codec({ layout: ORDER, encoding: 'cp273', record_format: 'variable' });
    const bytes = await options.encode([payload]);
    const text = (ebcdic: string): string => spawnSync('iconv', ['-f', 'UTF-8', '-t', 'IBM273'], { input: ebcdic }).stdout.toString('hex');
    expect(hex(bytes)).toBe(
      ['004b0000', text('00004711O'), '0000815d', text('MÜLLER      '), '000123450d', 'f0f0f1f2d5', '0002', text('A1  007+0015-0020'), text('B   100+0000+0000')].join(''),
    );
    for (const size of [1, 3, 7, 1000]) {
      const two = await decodeAll(options, Buffer.concat([bytes, bytes]), size);
      expect(two.map(shown)).toEqual([order, order]);
    }
    expect(options.fields).toMatchObject({ ORD_NO: 'text', CUSTOMER: { record: { CUST_NO: 'integer' } }, TOTAL: 'decimal', LINES_T: { list: { PRICES: 'any' } } });
  });

  test('the same in ASCII: overpunched signs as both kinds of compilers write them', async () => {
    const layout = '01 R.\n 05 A PIC S9(3).\n 05 B PIC S99V9 SIGN LEADING.\n 05 C PIC 9(3).';
    const options = codec({ layout, record_format: 'lines' });
    expect(Buffer.from(await options.encode([{ A: -120n, B: '-1.5', C: '7' }])).toString()).toBe('12}}15007\n');
    expect((await decodeAll(options, '12}}15007\n12pp15007\n12{{15007\n120015007\n         \n')).map(shown)).toEqual([
      { A: -120, B: '-1.5', C: '007' },
      { A: -120, B: '-1.5', C: '007' },
      { A: 120, B: '1.5', C: '007' },
      { A: 120, B: '1.5', C: '007' },
      { A: null, B: null, C: null },
    ]);
    expect(Buffer.from(await codec({ layout, record_format: 'lines', overpunch: 'micro_focus' }).encode([{ A: -120n, B: '0', C: null }])).toString()).toBe('12p000000\n');
  });

  test('binary numbers, scaling, floats', async () => {
    const layout = `
      01 R.
        05 A PIC S9(4) BINARY.   05 B PIC 9(9) COMP.
        05 C PIC S9(18) COMP-5.  05 D PIC S9(5)PPP COMP-3.
        05 E PIC VPP9(3).        05 F COMP-1.
        05 G COMPUTATIONAL-2.    05 H PIC Z,ZZ9.99-.`;
    const options = codec({ layout, byte_order: 'little', record_format: 'fixed' });
    const value = { A: -2n, B: 4000000000n - 3999999999n, C: -3n, D: 12000n, E: '0.00123', F: '1.5', G: '0.1', H: '1,234.50-' };
    const bytes = await options.encode([value as never]);
    expect(hex(bytes)).toBe('fffe' + '00000001' + 'fdffffffffffffff' + '00012c' + '313233' + '0000c03f' + '9a9999999999b93f' + '312c3233342e35302d');
    expect((await decodeAll(options, bytes, 4)).map(shown)).toEqual([{ A: -2, B: 1, C: -3, D: 12000, E: '0.00123', F: '1.5', G: '0.1', H: '1,234.50-' }]);
    expect(() => options.encode([{ ...value, D: 12001n } as never])).toThrow('more digits behind the point');
    expect(() => options.encode([{ ...value, F: '0.1000000001' } as never])).toThrow('cannot be written exactly as COMP-1');
    const hexadecimal = codec({ layout: '01 R.\n 05 F COMP-1.\n 05 G COMP-2.', encoding: 'cp037' });
    expect((await decodeAll(hexadecimal, Buffer.from('c276a000' + '4110000000000000', 'hex'))).map(shown)).toEqual([{ F: '-118.625', G: '1' }]);
  });

  test('REDEFINES: an item before, or inside, says which one it is', async () => {
    const layout = `
      01 R.
        05 KIND PIC X.
        05 LINE-D. 10 SKU PIC X(3). 10 QTY PIC 9(2).
        05 NOTE-D REDEFINES LINE-D PIC X(4).
        05 ANY-D REDEFINES LINE-D. 10 FILLER PIC X(5).`;
    const options = codec({ layout, record_format: 'lines', redefines: { 'line-d': { by: 'KIND', when: { L: 'LINE-D', N: 'NOTE-D' } } } });
    const records = await decodeAll(options, 'LA0107\nNhey! \nXabcde\n');
    expect(records.map(shown)).toEqual([
      { KIND: 'L', LINE_D: { SKU: 'A01', QTY: '07' } },
      { KIND: 'N', NOTE_D: 'hey!' },
      'E355 orders.csv#3: LINE_D: KIND is "X", and redefines says nothing for it',
    ]);
    expect(options.preview({ KIND: 'N', NOTE_D: 'x' })).toBe('Nx    ');
    expect(options.preview({ KIND: 'L' })).toBe('L   00');
    expect(() => options.preview({ KIND: 'N', NOTE_D: 'x', LINE_D: {} })).toThrow('stand in the same place');
    const inside = codec({
      layout: '01 R.\n 05 A. 10 AK PIC X. 10 AV PIC 9.\n 05 B REDEFINES A. 10 BK PIC X. 10 BV PIC X.',
      record_format: 'lines',
      redefines: { A: { by: 'AK', when: { '1': 'A' }, otherwise: 'B' } },
    });
    expect((await decodeAll(inside, '12\nxy\n')).map(shown)).toEqual([{ A: { AK: '1', AV: '2' } }, { B: { BK: 'x', BV: 'y' } }]);
  });

  test('several 01 levels: header, orders with their lines, trailer with totals; blocks of variable records', async () => {
    const options = codec({
      encoding: 'cp037',
      record_format: 'blocked',
      layout: `
       01 HDR. 05 K PIC X. 05 DAY-D PIC 9(8).
       01 ORD. 05 K PIC X. 05 NO-D PIC X(4).
       01 LIN. 05 K PIC X. 05 AMT PIC S9(5)V99 COMP-3.
       01 TRL. 05 K PIC X. 05 CNT PIC 9(3).
        05 SUM-D PIC S9(9)V99 COMP-3.`,
      header_record: { level: 'HDR', when: { at: 1, is: 'H' }, as: 'file' },
      records: { order: { level: 'ORD', when: { at: 1, is: 'O' }, children: { lines: 'line' } }, line: { level: 'LIN', when: { at: 1, is: 'L' } } },
      trailer_record: { level: 'TRL', when: { at: 1, is: 'T' }, count: { CNT: 'all' }, sum: { SUM_D: 'line.AMT' } },
    });
    const orders = [
      {
        K: 'O',
        NO_D: '1',
        lines: [
          { K: 'L', AMT: '1.50' },
          { K: 'L', AMT: '-0.25' },
        ],
      },
    ];
    const bytes = Buffer.from(await options.encode(orders));
    expect((await decodeAll(options, bytes, 5)).map(shown)).toEqual([{ ...orders[0], file: { K: 'H', DAY_D: '00000000' } }]);
    bytes[bytes.length - 1] = 0x0d;
    expect((await decodeAll(options, bytes)).map((record) => record.failure?.message ?? 'read')).toEqual(['read', 'orders.csv:5: SUM_D says -1.20, the sum of line.AMT is 1.25']);
  });

  test('bytes that are no number are named with item, place and hex; the records around go on', async () => {
    const options = codec({ layout: '01 R.\n 05 A PIC 9(3).\n 05 G.\n  10 B PIC S9(3) COMP-3.', encoding: 'cp037' });
    const good = Buffer.from('f0f0f1' + '001c', 'hex');
    const bytes = Buffer.concat([good, Buffer.from('f0f0f1' + '4040', 'hex'), Buffer.from('f0c1f1' + '001c', 'hex'), good, Buffer.of(0xf0)]);
    expect((await decodeAll(options, bytes, 3)).map(shown)).toEqual([
      { A: '001', G: { B: 1 } },
      'E355 orders.csv#2: G.B at byte 4 (4040)',
      'E355 orders.csv#3: A at byte 1 (f0c1f1)',
      { A: '001', G: { B: 1 } },
      'E347 orders.csv#5: the record has 1 bytes, its copybook needs more than 0',
    ]);
  });

  test.each<[string, string, string]>([
    ['fixed', '01 R. 05 N PIC 9. 05 T PIC X OCCURS 1 TO 3 DEPENDING ON N.', 'f9c1c2c3'],
    ['variable', '01 R. 05 A PIC X.', '00030000c1'],
    ['variable', '01 R. 05 A PIC X.', '00050001c1'],
    ['variable', '01 R. 05 A PIC X.', '7fff0000c1'],
    ['blocked', '01 R. 05 A PIC X.', '0008000000050000c1'],
    ['blocked', '01 R. 05 A PIC X.', '00090000ffff0000c1'],
    ['variable', '01 R. 05 A PIC X.', '00060000c1c1'],
  ])('hostile %s records of %s: %s is one clear failure', async (record_format, layout, bytes) => {
    const records = await decodeAll(codec({ layout, encoding: 'cp037', record_format }), Buffer.from(bytes, 'hex'), 2);
    expect(records.filter((record) => record.failure).map((record) => record.failure?.code)).toEqual([expect.stringMatching(/E355|E356|E347/)]);
  });

  test.each<[string, string]>([
    ['01 R. 05 A PIC X(10) OCCURS 999999999 TIMES.', 'more than 16777216'],
    [`01 R. ${Array.from({ length: 9 }, (_, at) => `${String(at + 2).padStart(2, '0')} G${at} OCCURS 99.`).join(' ')} 20 A PIC X.`, 'more than 16777216'],
    ['01 R. 05 G OCCURS 9999. 10 A PIC X. 10 B PIC X OCCURS 99.', 'its OCCURS are too large'],
    ['01 R. 05 A REDEFINES A PIC X.', 'there is nothing before it'],
    ['01 R. 05 A PIC X. 05 B REDEFINES C PIC X. 05 C REDEFINES B PIC X.', 'it must follow that item'],
    ['01 R. 05 A PIC X. 05 M PIC X. 05 B REDEFINES A PIC X.', 'it must follow that item'],
    ['01 R. 05 A PIC X. 05 A PIC X.', 'A is there twice'],
    ['01 R. 05 A-B PIC X. 05 FILLER. 10 A_B PIC X.', 'A_B is there twice'],
    ['01 R. 05 A PIC 9(99).', 'no number of 1 to 38 digits'],
    ['01 R. 05 A PIC N(4).', 'cannot be read'],
    ['01 R. 05 A PIC X(9999999).', 'more than 1048576 characters'],
    ['01 R. 05 A.', 'neither PICTURE nor anything below it'],
    ['01 R. 05 A PIC X. 03 B PIC X.', 'level 3 fits neither'],
    ['COPY ORDREC.', 'COPY and EXEC are not followed'],
    ['01 R. 05 :TAG:-A PIC X.', 'no data name'],
    ['01 R. 05 A PIC X', 'no full stop behind'],
    ['01 R. 05 A POINTER.', 'USAGE POINTER cannot be read'],
    ['01 R. 05 X PIC X. 05 A PIC S9(4) COMP SYNC.', 'not on its boundary'],
    ['01 R. 05 A PIC X. 05 B REDEFINES A PIC X.', 'say under redefines'],
    ['01 A. 05 X PIC X. 01 B. 05 X PIC X.', 'several 01 levels, say which: A, B'],
    ['', 'expected string to have'],
    [' . . ', 'there is no data description'],
  ])('%s is refused', (layout, text) => {
    expect(problem({ layout })).toMatch(new RegExp(text === 'expected string to have' ? 'small|characters' : text.replaceAll('.', '\\.')));
  });

  test('a megabyte of copybook, and levels as deep as they go', () => {
    expect(problem({ layout: '01 A. '.repeat(200_000) })).toContain('at most 524288 characters');
    expect(problem({ layout: `${Array.from({ length: 48 }, (_, at) => `${at + 1} G${at}.`).join('\n')} 49 A PIC X.` })).toBe('none');
    expect(problem({ layout: '01 R. 05 A PIC S9(4) COMP.', record_format: 'lines' })).toContain('look like line ends');
  });

  test.each<[string, unknown]>([
    ['X(10)', { kind: 'text', length: 10, edited: false }],
    ['XXAA9', { kind: 'text', length: 5, edited: false }],
    ['S9(7)V9(2)', { kind: 'number', digits: 9, scale: 2, signed: true }],
    ['9(3)PP', { kind: 'number', digits: 3, scale: -2, signed: false }],
    ['PP9', { kind: 'number', digits: 1, scale: 3, signed: false }],
    ['SV99', { kind: 'number', digits: 2, scale: 2, signed: true }],
    ['Z,ZZ9.99CR', { kind: 'text', length: 10, edited: true }],
    ['-(5)9.99', { kind: 'text', length: 9, edited: true }],
  ])('PICTURE %s', (picture, meaning) => {
    expect(parsePicture(picture)).toEqual(meaning);
  });
});
