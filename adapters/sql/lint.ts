import type { FieldType, FieldTypes, SpecFinding } from '../contract/index.js';
import type { Call, Connect, Read, Write } from './config.js';
import { CAPABILITIES } from './dialects/capabilities.js';
import { parseStatement } from './statement.js';

/** What a way of reading cannot see, and what weakens the connection: said before anything runs. */
export function lintRead(config: unknown, connect: unknown): readonly SpecFinding[] {
  const { cursor, key, include, columns } = config as Read;
  const { driver } = connect as Connect;
  const { title, watermark } = CAPABILITIES[driver];
  const findings: SpecFinding[] = [...lintTls(connect)];
  const warn = (path: SpecFinding['path'], message: string, fix?: string) => findings.push({ severity: 'warning', path, message, ...(fix === undefined ? {} : { fix }) });
  warn(['table'], 'deleted rows are not seen: reading finds what is there', 'mark deleted rows with a status column, and read that');
  if (cursor && 'transaction' in cursor) {
    if (watermark === undefined) findings.push({ severity: 'error', path: ['cursor', 'transaction'], message: `${title} has no transaction numbers`, fix: 'name a cursor column' });
  } else if (watermark === 'transaction' || watermark === 'scn') {
    if (cursor?.overlap) warn(['cursor', 'overlap'], `not needed for a table of ${title}: reading never passes an open transaction; it is used for views only`);
  } else {
    const column = cursor?.column ?? key[0] ?? '';
    if (cursor === undefined && key.length > 1) {
      findings.push({ severity: 'error', path: ['key'], message: `${title} needs a cursor column when the key has several columns`, fix: 'cursor: {column: ...}' });
    }
    if (key.includes(column))
      warn(['cursor'], `changes of rows that were read are not seen: ${column} does not change with the row`, 'use a column that changes with every change as cursor');
    else warn(['cursor', 'column'], `rows whose ${column} is NULL are never read, and a change that leaves ${column} as it is may be missed`);
    if (!cursor?.overlap && (driver === 'mariadb' || !key.includes(column))) {
      warn(['cursor'], `a row that is committed late with a lower ${column} is missed`, 'cursor: {column: ..., overlap: 5m} with more than the longest transaction');
    }
    if (cursor?.overlap && 'ms' in cursor.overlap && columns?.[column] === 'integer') {
      findings.push({ severity: 'error', path: ['cursor', 'overlap'], message: `${column} is a number: the overlap must be a distance such as 1000` });
    }
  }
  for (const name of Object.keys(include)) warn(['include', name], 'a change of child rows alone is not seen: the row itself has to change');
  return findings;
}

export function lintWrite(config: unknown, connect: unknown): readonly SpecFinding[] {
  const { mode, key, version } = config as Write;
  const findings: SpecFinding[] = [...lintTls(connect)];
  if (mode === 'upsert' && !key) findings.push({ severity: 'error', path: ['mode'], message: 'upsert needs the key of the row', fix: 'key: ORD_NO' });
  if (mode === 'insert' && version) findings.push({ severity: 'error', path: ['version'], message: 'version guards changes, and insert makes none' });
  if (mode === 'upsert' && !version) {
    findings.push({
      severity: 'warning',
      path: ['mode'],
      message: 'an older message that arrives late overwrites a newer row',
      fix: 'version: a column that grows with every change',
    });
  }
  return findings;
}

export function lintCall(config: unknown, connect: unknown): readonly SpecFinding[] {
  const problem = parseStatement((config as Call).sql);
  return [...lintTls(connect), ...(typeof problem === 'string' ? [{ severity: 'error', path: ['sql'], message: problem } as const] : [])];
}

function lintTls(connect: unknown): readonly SpecFinding[] {
  const link = connect as Connect;
  if (!('tls' in link) || link.tls !== 'off' || /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(link.host)) return [];
  return [{ severity: 'warning', path: [], message: `tls is off: password and data cross the network to ${link.host} in clear text`, fix: 'tls: {ca: path of the CA file}' }];
}

export function readFields(config: unknown): FieldTypes | undefined {
  const { columns, key, cursor, include } = config as Read;
  if (!columns) return undefined;
  const fields: Record<string, FieldType> = {};
  for (const name of [...key, ...(cursor ? ['column' in cursor ? cursor.column : cursor.transaction] : [])]) fields[name] = 'any';
  Object.assign(fields, columns);
  for (const [name, child] of Object.entries(include))
    fields[name] = child.columns ? { list: { ...Object.fromEntries(child.by.map((by) => [by, 'any' as const])), ...child.columns } } : 'any';
  return fields;
}

export function writeFields(config: unknown): FieldTypes | undefined {
  return (config as Write).columns;
}
