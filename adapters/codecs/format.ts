// The format of an endpoint that moves files or bodies: exactly one of the keys below.
// There is no default: a file read in a format nobody chose is a guess.

import { z } from 'zod';
import type { Codec } from './codec.js';
import { compressed, compressionOption } from './compression.js';
import { copybookCodec, copybookOptions } from './copybook/codec.js';
import { csvCodec, csvOptions } from './csv.js';
import { edifactCodec, edifactOptions } from './edifact.js';
import { excelCodec, excelOptions } from './excel.js';
import { fixedWidthCodec, fixedWidthOptions } from './fixed-width.js';
import { jsonCodec, jsonOptions } from './json.js';
import { type PgpOptions, pgpCodec, pgpReadOptions, pgpWriteOptions } from './pgp.js';
import { textCodec, textOptions } from './text.js';
import { x12Codec, x12Options } from './x12.js';
import { xmlCodec, xmlOptions } from './xml.js';

/** Spread into the `strictObject` of an endpoint, together with `.superRefine(oneFormat)`. */
export const formatOptions = {
  csv: csvOptions.optional().meta({ title: 'CSV', description: 'Rows of fields between delimiters (RFC 4180). All values are text.' }),
  json: jsonOptions.optional().meta({ title: 'JSON', description: 'A document, lines or an array. Numbers keep all digits.' }),
  fixed_width: fixedWidthOptions.optional().meta({ title: 'Fixed width', description: 'Records of fields with a fixed number of bytes.' }),
  copybook: copybookOptions.optional().meta({ title: 'Copybook', description: 'Records laid out by a COBOL copybook: EBCDIC or ASCII, packed, zoned and binary numbers.' }),
  text: textOptions.optional().meta({ title: 'Text', description: 'The whole file as one record with the field `text`.' }),
  xml: xmlOptions.optional().meta({ title: 'XML', description: 'Elements of a document, one record each. All values are text.' }),
  edifact: edifactOptions
    .optional()
    .meta({ title: 'EDIFACT', description: 'Messages of UN/EDIFACT interchanges (ISO 9735), one record each, checked against counts and references.' }),
  x12: x12Options.optional().meta({ title: 'X12', description: 'Transaction sets of ANSI X12 interchanges, one record each, checked against counts and control numbers.' }),
  excel: excelOptions.optional().meta({ title: 'Excel', description: 'Rows of a sheet of an .xlsx workbook. Numbers are text, as they stand in the file.' }),
};

/** What is around the format, when reading and when writing. Spread beside `formatOptions`. */
const wrapperOptions = { compression: compressionOption.optional() };
export const readWrappers = {
  ...wrapperOptions,
  pgp: pgpReadOptions.optional().meta({ title: 'PGP', description: 'The file is encrypted or signed (OpenPGP), around compression and format.' }),
};
export const writeWrappers = {
  ...wrapperOptions,
  pgp: pgpWriteOptions
    .optional()
    .meta({ title: 'PGP', description: 'The file is encrypted or signed (OpenPGP), around compression and format. Its name needs {id}, collected {batch.id}.' }),
};

export type FormatConfig = z.output<z.ZodObject<typeof formatOptions & typeof wrapperOptions>> & { readonly pgp?: PgpOptions | undefined };

const NAMES = ['csv', 'json', 'fixed_width', 'copybook', 'text', 'xml', 'edifact', 'x12', 'excel'] as const;

export function oneFormat(config: Partial<FormatConfig>, context: z.RefinementCtx): void {
  const given = NAMES.filter((name) => config[name] !== undefined);
  if (given.length === 0) context.addIssue({ code: 'custom', message: `a format is missing: one of ${NAMES.join(', ')}` });
  for (const name of given.slice(1)) context.addIssue({ code: 'custom', path: [name], message: `there is ${given[0]} already; an endpoint has one format` });
}

export function codecOf(config: FormatConfig): Codec {
  const format = formatOf(config);
  const packed = config.compression ? compressed(format, config.compression, config.excel !== undefined) : format;
  return config.pgp ? pgpCodec(packed, config.pgp) : packed;
}

/** Without compression and PGP around it: cheap to ask whether a payload fits. */
export function formatOf(config: FormatConfig): Codec {
  if (config.csv) return csvCodec(config.csv);
  if (config.json) return jsonCodec(config.json);
  if (config.fixed_width) return fixedWidthCodec(config.fixed_width);
  if (config.copybook) return copybookCodec(config.copybook);
  if (config.text) return textCodec(config.text);
  if (config.xml) return xmlCodec(config.xml);
  if (config.edifact) return edifactCodec(config.edifact);
  if (config.x12) return x12Codec(config.x12);
  if (config.excel) return excelCodec(config.excel);
  throw new TypeError('an endpoint without a format passed its schema');
}
