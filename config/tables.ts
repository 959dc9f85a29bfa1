// Code lists: rows of the configuration itself, or of a CSV file.
import { CsvError, parse } from 'csv-parse/sync';
import { nearest } from '../bus/finding.js';
import type { LoadedTable } from '../routes/input.js';
import { type TableConfig, tableConfig } from '../routes/model.js';
import type { Check } from './check.js';
import type { InputFiles } from './inputs.js';
import type { Path } from './tree.js';

type CsvTable = Extract<TableConfig, { readonly csv: string }>;

export async function readTables(check: Check, inputs: InputFiles): Promise<Record<string, LoadedTable>> {
  const tables: Record<string, LoadedTable> = {};
  for (const name of check.tree.names('tables')) {
    const path = ['tables', name];
    const config = check.parse(tableConfig, path);
    // Known by name even when something is wrong with it, so that one mistake is reported once.
    if (!config) tables[name] = { config: { rows: {}, missing: 'keep' }, rows: new Map() };
    else tables[name] = { config, rows: 'csv' in config ? await csvRows(check, inputs, config, path) : new Map(Object.entries(config.rows)) };
  }
  return tables;
}

async function csvRows(check: Check, inputs: InputFiles, config: CsvTable, path: Path): Promise<ReadonlyMap<string, string>> {
  const rows = new Map<string, string>();
  const file = await inputs.text(config.csv, [...path, 'csv'], 'E120');
  if (!file) return rows;
  const lines = readCsv(file.path, file.text, inputs);
  const [header, ...records] = lines;
  if (!header) {
    if (lines.length === 0 && file.text.trim() === '')
      check.report({ severity: 'error', code: 'E120', path: [...path, 'csv'], message: `\`${config.csv}\` is empty`, help: 'the first line names the columns' });
    return rows;
  }
  const key = column(check, header.record, config.key, [...path, 'key'], file.path);
  const value = column(check, header.record, config.value, [...path, 'value'], file.path);
  if (key === undefined || value === undefined) return rows;
  const firstLine = new Map<string, number>();
  for (const { record, line } of records) {
    const code = record[key] ?? '';
    const before = firstLine.get(code);
    if (before === undefined) {
      rows.set(code, record[value] ?? '');
      firstLine.set(code, line);
      continue;
    }
    const related = [{ file: file.path, line: before, column: 1, length: 0, label: 'first here' }];
    inputs.problem({ code: 'E120', file: file.path, line, column: 1, length: 0, message: `the key \`${code}\` is given twice`, label: 'again here', related });
  }
  return rows;
}

interface CsvLine {
  readonly record: readonly string[];
  readonly line: number;
}

function readCsv(path: string, text: string, inputs: InputFiles): readonly CsvLine[] {
  const head = text.split('\n', 1)[0] ?? '';
  const delimiter = head.split(';').length > head.split(',').length ? ';' : ',';
  const lines: CsvLine[] = [];
  try {
    // `on_record` sees each record with the line it ends in.
    parse(text, {
      delimiter,
      skip_empty_lines: true,
      max_record_size: 1_000_000,
      on_record: (record: string[], { lines: line }) => {
        lines.push({ record, line });
        return null;
      },
    });
    return lines;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error['lines'] === 'number' ? error['lines'] : 0;
    inputs.problem({ code: 'E120', file: path, line, column: line > 0 ? 1 : 0, length: 0, message: `malformed CSV: ${error.message.replace(/ (at|on) line \d+.*/s, '')}` });
    return [];
  }
}

function column(check: Check, header: readonly string[], name: string, path: Path, file: string): number | undefined {
  const index = header.indexOf(name);
  if (index >= 0) return index;
  const near = nearest(name, header);
  check.report({
    severity: 'error',
    code: 'E120',
    path,
    message: `${file} has no column \`${name}\``,
    label: 'not in the header line',
    ...(near === undefined ? {} : { help: `did you mean \`${near}\`?` }),
    note: `known: ${header.join(' ')}`,
  });
  return undefined;
}
