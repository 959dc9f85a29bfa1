import { parseArgs } from 'node:util';
import type { Codec } from '../adapters/codecs/codec.js';
import { copybookCodec, copybookOptions } from '../adapters/codecs/copybook/codec.js';
import { fixedWidthCodec, fixedWidthOptions } from '../adapters/codecs/fixed-width.js';
import { chunks, measured, report } from './codec-figures.js';

// Records of fixed fields, in one thread: fixed width in ASCII and EBCDIC, the same by copybook, and a bare slicer of the same bytes.
const { values } = parseArgs({ options: { records: { type: 'string', default: '500000' }, runs: { type: 'string', default: '3' } } });
const [records, runs] = [Number(values.records), Number(values.runs)];
const fields = [
  { name: 'ORD_NO', width: 10 },
  { name: 'CUST', width: 8 },
  { name: 'NAME', width: 30 },
  { name: 'CITY', width: 20 },
  { name: 'COUNTRY', width: 2 },
  { name: 'DUE', width: 8, date: 'yyyyMMdd' },
  { name: 'AMT', width: 11, decimals: 2, point: 'none', align: 'right', pad: '0' },
];
const layout = '01 R. 05 ORD-NO PIC X(10). 05 CUST PIC X(8). 05 NAME PIC X(30).\n 05 CITY PIC X(20). 05 COUNTRY PIC X(2). 05 DUE PIC X(8). 05 AMT PIC 9(9)V99.';
const length = fields.reduce((sum, { width }) => sum + width, 0);
const fixed = (encoding: string): Codec => fixedWidthCodec(fixedWidthOptions.parse({ encoding, fields, record_separator: 'none' }));
const payloads = Array.from({ length: 500 }, (_, n) => ({
  ORD_NO: String(100_000 + n),
  CUST: `C${n}`,
  NAME: `Muller and Sons ${n}`,
  CITY: 'Koln',
  COUNTRY: 'DE',
  DUE: '2026-03-01',
  AMT: `${n}.50`,
}));
const ascii = Buffer.from(await fixed('us-ascii').encode(payloads));
const ebcdic = Buffer.from(await fixed('cp273').encode(payloads));
const times = Math.ceil(records / payloads.length);

const decode = async (codec: Codec, block: Buffer): Promise<number> => {
  let count = 0;
  for await (const list of codec.decode(chunks(Buffer.alloc(0), block, times), 'bench.dat')) count += list.length;
  return count;
};
const slice = async (): Promise<number> => {
  let count = 0;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks(Buffer.alloc(0), ascii, times)) {
    rest = Buffer.concat([rest, chunk]);
    let at = 0;
    for (; rest.length - at >= length; at += length) {
      const record: Record<string, string> = {};
      let from = at;
      for (const { name, width } of fields) {
        record[name] = rest.toString('latin1', from, from + width).trim();
        from += width;
      }
      count++;
    }
    rest = rest.subarray(at);
  }
  return count;
};

report(
  [
    await measured('fixed_width, ASCII', runs, () => decode(fixed('us-ascii'), ascii)),
    await measured('fixed_width, EBCDIC', runs, () => decode(fixed('cp273'), ebcdic)),
    await measured('copybook, EBCDIC', runs, () => decode(copybookCodec(copybookOptions.parse({ layout, encoding: 'cp273' })), ebcdic)),
    await measured('bare slicer, all text', runs, slice),
  ],
  times * ascii.length,
);
