// Options that every adapter for files has in common.

import { z } from 'zod';
import { codecOf, type FormatConfig, formatOptions, oneFormat, readWrappers, writeWrappers } from '../codecs/format.js';
import { duration, type FieldTypes, parseTemplate, type SpecFinding, type ValueRecord } from '../contract/index.js';
import { batchNameProblem } from './batch-name.js';
import { collectOptions } from './collect-options.js';
import { splitPath } from './space.js';

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
      .meta({ title: 'Pattern', description: 'Names to read: * is any run of characters, ? is one.', examples: ['*.csv', ['ORD_*.dat', 'ord_*.dat']] }),
    ignore: patterns()
      .prefault(['.*', '*.part', '*.tmp', '*.filepart'])
      .meta({ title: 'Ignore', description: 'Names that are not finished yet. The strongest proof that a file is complete is a sender who renames it.', advanced: true }),
    stable: z
      .strictObject({
        polls: z.int().min(1).max(100).default(2).meta({ title: 'Polls', description: 'Seen with the same size and time at so many polls in a row.' }),
        for: duration().prefault('2s').meta({ title: 'For', description: 'Unchanged for so long, on our own clock.' }),
      })
      .prefault({})
      .meta({ title: 'Stable', description: 'When a file counts as completely written. `{polls: 1, for: 0s}` when senders rename.' }),
    order: z.enum(['name', 'time']).default('name').meta({ title: 'Order', description: 'Files are read by name, or by time of change and then name.' }),
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
    all_or_nothing: z.boolean().default(false).meta({
      title: 'All or nothing',
      description: 'The whole file is checked before its first record is handed over: one bad record, or a wrong control total, and all of it goes to the error folder.',
    }),
    ...formatOptions,
    ...readWrappers,
  })
  .superRefine(oneFormat);

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
