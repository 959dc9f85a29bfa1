import { z } from 'zod';
import { byteSize } from '../../contract/index.js';
import { encodingOption } from '../encodings.js';
import { asOption, atOption, checkKinds, groupOptions, kindOptions } from '../kinds.js';
import { totalOptions } from '../totals.js';
import { type Group, layoutsOf, type RecordLayout, type Slot } from './layout.js';
import { CopybookProblem } from './parse.js';

const dataName = () =>
  z
    .string()
    .min(1)
    .transform((name) => name.toUpperCase());
const level = dataName()
  .optional()
  .meta({ title: 'Level', description: 'Name of the 01 level that describes it. Needed where the copybook has several.', examples: ['ORDER-REC'] });
const control = { level, when: atOption, ...totalOptions };
const choice = z.union([
  z.strictObject({ use: dataName().meta({ title: 'Use', description: 'It is always this item.' }) }),
  z.strictObject({
    by: dataName().meta({ title: 'By', description: 'Item that says which one it is: it stands before, or inside at a fixed place.' }),
    when: z.record(z.string(), dataName()).meta({ title: 'When', description: 'Values of that item, and the item that is meant.' }),
    otherwise: dataName().optional().meta({ title: 'Otherwise', description: 'Item for all other values. Default: the record fails.' }),
  }),
]);

export const copybookOptions = z
  .strictObject({
    layout: z
      .string()
      .min(1)
      .meta({
        title: 'Layout',
        description: 'Text of the copybook, as it is: with or without sequence numbers. Names become fields with _ for -.',
        examples: ['01 ORDER-REC.\n  05 ORD-NO PIC 9(8).\n  05 AMT PIC S9(7)V99 COMP-3.'],
      }),
    encoding: encodingOption(false).meta({
      title: 'Encoding',
      description: 'Code page of the text: EBCDIC such as cp037, cp273, cp500, cp1047, cp1140, cp1141, or an ASCII one.',
      examples: ['cp037', 'cp1141'],
    }),
    record_format: z.enum(['fixed', 'variable', 'blocked', 'lines']).default('fixed').meta({
      title: 'Record format',
      description: 'fixed: records of one length. variable: each behind its record descriptor word. blocked: in blocks with block descriptor words. lines: text lines.',
    }),
    record_length: z
      .int()
      .min(1)
      .max(16_777_216)
      .optional()
      .meta({ title: 'Record length', description: 'With fixed: bytes of every record, when there are more than the copybook has.' }),
    redefines: z
      .record(z.string().min(1), choice)
      .default({})
      .transform((rules) => Object.fromEntries(Object.entries(rules).map(([name, rule]) => [name.toUpperCase(), rule])))
      .meta({
        title: 'Redefines',
        description: 'For each item that others redefine: which one is right.',
        examples: [{ DETAIL: { by: 'REC-TYPE', when: { L: 'LINE', C: 'COMMENT' } } }],
      }),
    records: z
      .record(z.string().min(1), z.strictObject({ level, when: atOption.optional(), ...kindOptions }))
      .optional()
      .meta({
        title: 'Records',
        description: 'Kinds of records, for files with several: the 01 level of each, how it is recognised, and which records belong below it.',
      }),
    header_record: z
      .strictObject({ ...control, as: asOption })
      .optional()
      .meta({ title: 'Header record', description: 'First record of the file, which is handed to nobody; its totals are checked.' }),
    trailer_record: z
      .strictObject(control)
      .optional()
      .meta({ title: 'Trailer record', description: 'Last record of the file, which is handed to nobody; its totals are checked.' }),
    ...groupOptions,
    digits: z.enum(['text', 'number']).default('text').meta({
      title: 'Digits',
      description: 'PIC 9(n) without sign, point and COMP is often a key: text keeps its zeros (00123), number makes it an integer.',
    }),
    byte_order: z.enum(['big', 'little']).default('big').meta({ title: 'Byte order', description: 'Of COMP-5 and floating point. COMP is always big-endian.', advanced: true }),
    floats: z
      .enum(['ieee', 'hexadecimal'])
      .optional()
      .meta({ title: 'Floats', description: 'Form of COMP-1 and COMP-2. Default: hexadecimal in EBCDIC files, else ieee.', advanced: true }),
    overpunch: z.enum(['translated', 'micro_focus']).default('translated').meta({
      title: 'Overpunch',
      description: 'How signs in ASCII digits are written: { A-I and } J-R, or p-y for minus. Both are read.',
      advanced: true,
    }),
    short_records: z
      .enum(['fail', 'pad'])
      .default('fail')
      .meta({ title: 'Short records', description: 'With lines: a record with too few bytes fails, or is read as if spaces followed.' }),
    max_record: byteSize().prefault('1MiB').meta({ title: 'Longest record', advanced: true }),
  })
  .superRefine((options, context) => {
    try {
      const layouts = layoutsOf(options.layout);
      checkLevels(layouts, options, context);
      checkRedefines(layouts, options, context);
      checkKinds(options.records ?? {}, context);
    } catch (error) {
      if (!(error instanceof CopybookProblem)) throw error;
      context.addIssue({ code: 'custom', path: ['layout'], message: error.message });
    }
  });

export type CopybookOptions = z.output<typeof copybookOptions>;

function checkLevels(layouts: readonly RecordLayout[], options: CopybookOptions, context: z.RefinementCtx): void {
  const issue = (path: (string | number)[], message: string): void => context.addIssue({ code: 'custom', path, message });
  const names = layouts.map(({ name }) => name).join(', ');
  const { records, header_record: header, trailer_record: trailer } = options;
  const kinds: [(string | number)[], string | undefined][] = Object.entries(records ?? {}).map(([name, record]) => [['records', name, 'level'], record.level]);
  if (!records) kinds.push([['records'], undefined]);
  if (header) kinds.push([['header_record', 'level'], header.level]);
  if (trailer) kinds.push([['trailer_record', 'level'], trailer.level]);
  for (const [path, name] of kinds) {
    if (name !== undefined && !layouts.some((layout) => layout.name === name)) issue(path, `there is no 01 level ${name}; there are: ${names}`);
    const certain = layouts.length === 1 || (path.length === 1 && otherLayouts(layouts, options).length === 1);
    if (name === undefined && !certain) issue(path, `the copybook has several 01 levels, say which: ${names}`);
  }
  const open = Object.entries(records ?? {}).filter(([, record]) => !record.when);
  for (const [name] of open.slice(1)) issue(['records', name, 'when'], 'only one record may be without when');
  if (options.record_format === 'lines' && layouts.some(({ group }) => isBinary(group))) {
    issue(['record_format'], 'COMP items hold bytes that look like line ends: such a file has fixed or variable records');
  }
  if (layouts.some(({ length }) => length > (options.record_length ?? length))) issue(['record_length'], 'the copybook has longer records');
}

function checkRedefines(layouts: readonly RecordLayout[], options: CopybookOptions, context: z.RefinementCtx): void {
  const issue = (path: (string | number)[], message: string): void => context.addIssue({ code: 'custom', path, message });
  const redefined = new Map(layouts.flatMap(({ group }) => [...choices(group)]).map((slot) => [slot.members[0]?.cobol ?? '', slot]));
  for (const [name, slot] of redefined) {
    const rule = options.redefines[name];
    const members = slot.members.flatMap(({ cobol }) => cobol ?? []);
    if (!rule) {
      issue(['redefines'], `${members.slice(1).join(', ')} redefines ${name}: say under redefines: {${name}: ...} which one is right`);
      continue;
    }
    const used = 'use' in rule ? [rule.use] : [...Object.values(rule.when), ...(rule.otherwise === undefined ? [] : [rule.otherwise])];
    for (const other of used) if (!members.includes(other)) issue(['redefines', name], `${other} is none of ${members.join(', ')}`);
  }
  for (const name of Object.keys(options.redefines)) if (!redefined.has(name)) issue(['redefines', name], `nothing redefines ${name}`);
}

/** 01 levels that are neither header nor trailer. */
export function otherLayouts(
  layouts: readonly RecordLayout[],
  { header_record, trailer_record }: Pick<CopybookOptions, 'header_record' | 'trailer_record'>,
): readonly RecordLayout[] {
  return layouts.filter(({ name }) => name !== header_record?.level && name !== trailer_record?.level);
}

/** Slots with more than one member. */
export function* choices(group: Group): Generator<Slot> {
  for (const slot of group.slots) {
    if (slot.members.length > 1) yield slot;
    for (const { content } of slot.members) if (content.kind === 'group') yield* choices(content);
  }
}

function isBinary(group: Group): boolean {
  return group.slots.some(({ members }) => members.some(({ content }) => (content.kind === 'group' ? isBinary(content) : content.usage !== 'text' && content.usage !== 'display')));
}
