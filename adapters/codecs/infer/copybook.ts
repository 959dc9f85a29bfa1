import type { z } from 'zod';
import { layoutsOf } from '../copybook/layout.js';
import { choices, type copybookOptions } from '../copybook/options.js';
import { inferEncoding } from './encoding.js';

export interface InferredCopybook {
  /** Accepted by the schema of `copybook:`. */
  readonly options: z.input<typeof copybookOptions>;
  /** 01 levels with their bytes. */
  readonly records: readonly { readonly name: string; readonly length: number }[];
  readonly notes: readonly string[];
}

/** Options for a copybook, with what only a person knows said in the notes. `sample`: the beginning of a file it describes. @throws CopybookProblem */
export function copybookToOptions(text: string, sample?: Uint8Array): InferredCopybook {
  const layouts = layoutsOf(text);
  const notes: string[] = [];
  const found = sample && inferEncoding(sample);
  const encoding = found?.encoding.startsWith('utf-16') ? 'utf-8' : (found?.encoding ?? 'cp037');
  if (!found) notes.push('encoding: cp037 is a guess, a file from a mainframe that was not converted; give a sample');
  else for (const note of found.notes) notes.push(`encoding ${encoding}: ${note}`);
  const redefines: NonNullable<z.input<typeof copybookOptions>['redefines']> = {};
  for (const slot of layouts.flatMap(({ group }) => [...choices(group)])) {
    const [first, ...others] = slot.members.flatMap(({ cobol }) => cobol ?? []);
    if (first === undefined) continue;
    redefines[first] = { use: first };
    notes.push(`${others.join(', ')} redefines ${first}: ${first} is taken; say {by: ITEM, when: {VALUE: NAME}} if an item decides`);
  }
  const lengths = new Set(layouts.map(({ length }) => length));
  const variable = sample === undefined ? undefined : formatOf(sample, Math.max(...lengths));
  if (variable !== undefined) notes.push(`record_format: ${variable}, as the sample looks`);
  const several = layouts.length > 1;
  if (several) notes.push(`the copybook has ${layouts.length} records: replace ? under when by the text that each begins with`);
  return {
    options: {
      layout: text,
      encoding,
      ...(variable === undefined ? {} : { record_format: variable }),
      ...(Object.keys(redefines).length === 0 ? {} : { redefines }),
      ...(several ? { records: Object.fromEntries(layouts.map(({ name }) => [name.toLowerCase().replaceAll('-', '_'), { level: name, when: { at: 1, is: '?' } }])) } : {}),
    },
    records: layouts.map(({ name, length }) => ({ name, length })),
    notes,
  };
}

/** Descriptor words that lead from one to the next, or lines. */
function formatOf(sample: Uint8Array, longest: number): 'variable' | 'blocked' | 'lines' | undefined {
  const bytes = Buffer.from(sample.buffer, sample.byteOffset, sample.byteLength);
  const chain = (start: number, end: number): number => {
    let [at, words] = [start, 0];
    while (at + 4 <= end && words < 1_000) {
      const length = bytes.readUInt16BE(at);
      if (length < 5 || length > longest + 4 || bytes.readUInt16BE(at + 2) !== 0) return -1;
      at += length;
      words++;
    }
    return words;
  };
  if (chain(0, bytes.length) > 1) return 'variable';
  if (bytes.length >= 8 && bytes.readUInt16BE(2) === 0 && chain(4, Math.min(bytes.length, bytes.readUInt16BE(0))) > 0) return 'blocked';
  const line = Math.max(bytes.indexOf(0x0a), bytes.indexOf(0x15));
  return line > 0 && line <= longest + 1 && bytes.length > line ? 'lines' : undefined;
}
