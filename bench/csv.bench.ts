import { Readable } from 'node:stream';
import { parseArgs } from 'node:util';
import { parse } from 'csv-parse';
import { csvCodec, csvOptions } from '../adapters/codecs/csv.js';
import { chunks, measured, report } from './codec-figures.js';

// CSV to records, in one thread: the codec, its dialects, and the bare csv-parse on the same bytes.
const { values } = parseArgs({ options: { rows: { type: 'string', default: '500000' }, runs: { type: 'string', default: '3' } } });
const [rows, runs] = [Number(values.rows), Number(values.runs)];
const head = Buffer.from('ORD_NO,CUST,NAME,STREET,CITY,COUNTRY,AMT,CURRENCY,DUE,NOTE\n');
const lines = Array.from(
  { length: 500 },
  (_, n) => `${100_000 + n},C${n},"Müller, ${n}",Hauptstraße ${n},Köln,DE,${n}.50,EUR,2026-03-01,${n % 5 === 0 ? '"says ""now"""' : 'plain text of some length'}\n`,
);
const block = Buffer.from(lines.join(''));
const times = Math.ceil(rows / lines.length);
const ascii = Buffer.from(block.toString().replaceAll('ü', 'ue').replaceAll('ß', 'ss').replaceAll('ö', 'oe'));
const trailer = { when: { is: 'T' }, columns: ['K', 'N', 'S'], count: 'N', sum: { S: 'AMT' }, required: false };

const decode = async (bytes: Buffer, options: object = {}): Promise<number> => {
  let count = 0;
  for await (const list of csvCodec(csvOptions.parse(options)).decode(chunks(head, bytes, times), 'bench.csv')) count += list.length;
  return count;
};
const bare = async (columns: boolean): Promise<number> => {
  let count = 0;
  for await (const _ of Readable.from(chunks(head, block, times)).pipe(parse({ columns }))) count++;
  return count;
};

report(
  [
    await measured('codec', runs, () => decode(block)),
    await measured('codec, ASCII only', runs, () => decode(ascii)),
    await measured('codec, relaxed quotes', runs, () => decode(block, { quotes: 'relaxed' })),
    await measured('codec, trailer with sum', runs, () => decode(block, { trailer_record: trailer })),
    await measured('bare csv-parse, arrays', runs, () => bare(false)),
    await measured('bare csv-parse, objects', runs, () => bare(true)),
  ],
  times * block.length,
);
