// Options that every adapter for files has in common.

import { z } from 'zod';
import { codecOf, type FormatConfig, formatOptions, oneFormat, readWrappers, writeWrappers } from '../codecs/format.js';
import { duration, type FieldTypes, parseTemplate, type SpecFinding, type ValueRecord } from '../contract/index.js';
import { batchNameProblem } from './batch-name.js';
import { collectOptions } from './collect-options.js';
import { markerProblem } from './marker.js';
import { sequenceProblem } from './sequence.js';
import { splitPath } from './space.js';

function oneOrder({ sequence, order }: { readonly sequence?: object | undefined; readonly order: string }, context: z.RefinementCtx): void {
  if (sequence && order === 'time') context.addIssue({ code: 'custom', path: ['order'], message: 'with a sequence the number is the order: leave `order` out' });
}

/** A path from the configuration; `..` never leads anywhere. */
export function pathOption() {
  return z
    .string()
    .min(1)
    .refine((path) => !path.split('/').includes('..'), 'a path may not hold ..')
    .refine((path) => !/[\\\0]/.test(path), 'a path uses / and no \\');
}

const patterns = () => z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).transform((value) => (typeof value === 'string' ? [value] : value));

export const readOptions = z
  .strictObject({
    path: pathOption().meta({ title: 'Folder', description: 'Folder the files arrive in. It must exist.', examples: ['inbox'] }),
    pattern: patterns()
      .prefault('*')
      .meta({
        title: 'Pattern',
        description: 'Names to read: * is any run of characters, ? is one. With a / it is about the path below the folder, where ** is any run of folders too.',
        examples: ['*.csv', ['ORD_*.dat', 'ord_*.dat'], 'branch-*/orders/*.csv'],
      }),
    ignore: patterns()
      .prefault(['.*', '*.part', '*.tmp', '*.filepart'])
      .meta({
        title: 'Ignore',
        description: 'Names that are not finished yet: the temporary suffix of the sender. The strongest proof that a file is complete is a sender who renames it.',
        examples: [['.*', '*.uploading']],
        advanced: true,
      }),
    stable: z
      .strictObject({
        polls: z.int().min(1).max(100).default(2).meta({ title: 'Polls', description: 'Seen with the same size and time at so many polls in a row.' }),
        for: duration().prefault('2s').meta({ title: 'For', description: 'Unchanged for so long, on our own clock.' }),
      })
      .prefault({})
      .meta({ title: 'Stable', description: 'When a file counts as completely written. `{polls: 1, for: 0s}` when senders rename.' }),
    marker: z
      .strictObject({
        name: z
          .string()
          .superRefine((name, context) => {
            const problem = markerProblem(name);
            if (problem) context.addIssue({ code: 'custom', message: problem });
          })
          .meta({ title: 'Name', description: '{name} is the whole name of the file, {stem} the name without its extension.', examples: ['{name}.done', '{stem}.ok'] }),
        remove: z
          .boolean()
          .default(true)
          .meta({ title: 'Remove', description: 'Remove the marker when its file was claimed. If not, a later file of the same name counts as marked.' }),
      })
      .optional()
      .meta({ title: 'Marker', description: 'A file is read only when its marker lies beside it, and `stable` holds. A marker without a file is reported.' }),
    sequence: z
      .strictObject({
        pattern: z
          .string()
          .superRefine((pattern, context) => {
            const problem = sequenceProblem(pattern);
            if (problem) context.addIssue({ code: 'custom', message: problem });
          })
          .meta({ title: 'Pattern', description: 'Regular expression for the whole name, with the number as its only group.', examples: ['ORD_(\\d+)\\.csv'] }),
        start: z.int().min(0).optional().meta({ title: 'Start', description: 'Number of the very first file. Default: the lowest that is there.' }),
        hold: duration()
          .prefault('1h')
          .meta({ title: 'Hold', description: 'How long later files wait for one that is missing, before somebody is told (`wait`) or it is given up (`skip`).' }),
        gap: z.enum(['wait', 'skip']).default('wait').meta({
          title: 'Gap',
          description:
            'wait: a missing file holds up the later ones until it comes or `signalbox files release` lets them go. skip: after `hold` they go on; the missing one is held when it comes.',
        }),
      })
      .optional()
      .meta({ title: 'Sequence', description: 'The file with number n + 1 is not read before the one with number n is on the bus as a whole.' }),
    order: z.enum(['name', 'time']).default('name').meta({ title: 'Order', description: 'Files are read by name, or by time of change and then name.' }),
    recursive: z
      .union([z.boolean(), z.int().min(1).max(32)])
      .default(false)
      .transform((value) => (value === true ? 32 : Number(value)))
      .meta({
        title: 'Recursive',
        description: 'Read folders below too, or so many levels of them. Archive and error folder keep the paths. Links are not followed.',
        examples: [true, 2],
      }),
    max_files: z.int().min(1).max(1_000_000).default(10_000).meta({
      title: 'Files at once',
      description: 'Of a larger folder the first so many in order are watched and read, then the next ones. Bounds the memory a listing takes.',
      advanced: true,
    }),
    archive: pathOption().default('done').meta({ title: 'Archive', description: 'Folder for read files: below the read folder, or with a leading / below the root.' }),
    error: pathOption().default('failed').meta({ title: 'Error folder', description: 'Folder for files with records that failed, each with its reason beside it.' }),
    empty: z
      .enum(['fail', 'archive'])
      .default('fail')
      .meta({ title: 'Empty files', description: 'A file of no bytes goes to the error folder, or to the archive.', advanced: true }),
    identity: z.enum(['content', 'arrival']).default('content').meta({
      title: 'Identity',
      description: 'content: the same name with the same content is the same file, a second delivery is a duplicate. arrival: its time of change counts too.',
      advanced: true,
    }),
    same_name: z.enum(['process', 'reject', 'alert']).default('process').meta({
      title: 'Same name again',
      description: 'A file of a name that was read before, with other content: process: it is new input. reject: to the error folder. alert: held until `signalbox files release`.',
    }),
    same_content: z.enum(['process', 'skip', 'alert']).default('process').meta({
      title: 'Same content again',
      description:
        'A file with the content of one that was read before, under any name: process: read (records of the same name and content are known and dropped). skip: archived unread. alert: held.',
    }),
    remember: duration({ min: '1h' }).prefault('30d').meta({
      title: 'Remember',
      description: 'How long it is known what became of each file, for `same_name`, `same_content`, `signalbox files` and `signalbox reconcile`.',
      advanced: true,
    }),
    all_or_nothing: z.boolean().default(false).meta({
      title: 'All or nothing',
      description: 'The whole file is checked before its first record is handed over: one bad record, or a wrong control total, and all of it goes to the error folder.',
    }),
    ...formatOptions,
    ...readWrappers,
  })
  .superRefine(oneFormat)
  .superRefine(oneOrder);

export type ReadOptions = z.output<typeof readOptions>;

export const writeOptions = z
  .strictObject({
    path: pathOption().meta({
      title: 'Path',
      description:
        'Folder and name of each file, with places: `{id}`, `{key}`, `{message.id}`, `{message.time}`, `{message.type}`, `{payload.FIELD}`; of collected files `{batch.number}`, `{batch.id}`, `{batch.date}`, `{batch.time}`.',
      examples: ['/in/ORD_{key}_{id}.dat', '/in/ORD_{batch.number}.csv'],
    }),
    atomic: z.literal('rename').default('rename').meta({ title: 'Atomic', description: 'Written under a temporary name (.name.id.part) and renamed when complete.' }),
    exists: z
      .enum(['fail', 'replace'])
      .default('fail')
      .meta({ title: 'Exists', description: 'When a file of the name is there with another content. With the same content it counts as written.' }),
    marker: z
      .string()
      .min(1)
      .refine((marker) => /\{(name|stem)\}/.test(marker) && !/[/\\]/.test(marker), 'expected a name with {name} or {stem}, such as {name}.done')
      .optional()
      .meta({
        title: 'Marker',
        description: 'Name of an empty file that is written beside the file when it is complete: `{name}` is the name of the file, `{stem}` the name without its extension.',
        examples: ['{name}.done', '{stem}.ok'],
      }),
    collect: collectOptions.optional().meta({ title: 'Collect', description: 'Many messages in one file. A message counts as delivered when it waits, durably, for its file.' }),
    ...formatOptions,
    ...writeWrappers,
  })
  .superRefine(oneFormat)
  .superRefine(({ path, collect }, context) => {
    const { folder, name } = splitPath(path);
    const template = collect ? batchNameProblem(name) : parseTemplate(path);
    const problem =
      typeof template === 'string'
        ? template
        : name === ''
          ? 'the path ends with the name of the file'
          : folder.includes('{')
            ? 'places such as {key} stand in the name of the file, not in its folder'
            : name.startsWith('.')
              ? 'the name of the file may not start with a dot'
              : undefined;
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['path'], message: problem });
  });

export type WriteOptions = z.output<typeof writeOptions>;

/** Parts of the specs of both directions. The configuration has passed the schema when they are called. */
export function formatFields(config: unknown): FieldTypes | undefined {
  return codecOf(config as FormatConfig).fields;
}

export function formatPreview(config: unknown, payload: ValueRecord): string {
  return codecOf(config as FormatConfig).preview(payload);
}

export function lintWrite(config: unknown): readonly SpecFinding[] {
  const { path, exists, csv, collect, pgp } = config as WriteOptions;
  const findings: SpecFinding[] = [];
  if (!collect && !/\{(id|message\.id|key|payload\.\w+)\}/.test(path)) {
    findings.push({
      severity: 'warning',
      path: ['path'],
      message: exists === 'fail' ? 'every message writes the same file; the second one fails' : 'every message replaces the file of the one before',
      fix: 'add {id} or {key} to the name',
    });
  }
  if (pgp && !path.includes(collect ? '{batch.id}' : '{id}')) {
    findings.push({
      severity: 'error',
      path: ['path'],
      message: 'an encrypted or signed file is different each time, so that a repeat is only known by its name',
      fix: `add ${collect ? '{batch.id}' : '{id}'} to the name`,
    });
  }
  if (csv && !csv.columns)
    findings.push({ severity: 'warning', path: ['csv'], message: 'without columns the mapping decides which columns there are, and in which order', fix: 'list the columns' });
  return findings;
}
