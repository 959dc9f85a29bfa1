import type { FieldType, FieldTypes, SpecFinding } from '../contract/index.js';
import type { Call, Connect, Read, Write } from './config.js';
import { CAPABILITIES } from './dialects/capabilities.js';
import { STRATEGIES, strategyOf } from './reading/strategies.js';
import type { Strategy } from './reading/strategy.js';
import { parseStatement } from './statement.js';

/** What a way of reading cannot see, and what weakens the connection: said before anything runs. */
export function lintRead(config: unknown, connect: unknown): readonly SpecFinding[] {
  const read = config as Read;
  const strategy: Strategy = STRATEGIES[strategyOf(read)];
  const findings: SpecFinding[] = [...lintLink(connect), ...strategy.lint(read, connect as Connect)];
  if (strategy.seesChildren) return findings;
  for (const name of Object.keys(read.include)) {
    findings.push({ severity: 'warning', path: ['include', name], message: 'a change of child rows alone is not seen: the row itself has to change' });
  }
  return findings;
}

export function lintWrite(config: unknown, connect: unknown): readonly SpecFinding[] {
  const { mode, key, version, missing, include } = config as Write;
  const { driver } = connect as Connect;
  const findings: SpecFinding[] = [...lintLink(connect)];
  const error = (path: SpecFinding['path'], message: string, fix?: string) => findings.push({ severity: 'error', path, message, ...(fix === undefined ? {} : { fix }) });
  const warn = (path: SpecFinding['path'], message: string, fix: string) => findings.push({ severity: 'warning', path, message, fix });
  if (mode === 'procedure') {
    if (driver === 'sqlite' || driver === 'odbc') error(['mode'], `stored procedures of ${CAPABILITIES[driver].title} cannot be called`);
    return findings;
  }
  if (mode !== 'insert' && !key) error(['mode'], `${mode} needs the key of the row`, 'key: ORD_NO');
  if (mode === 'insert' && version) error(['version'], 'version guards changes, and insert makes none');
  if (mode !== 'update' && missing === 'ignore') error(['missing'], 'only an update can find its row missing', 'mode: update');
  if ((mode === 'upsert' || mode === 'update') && !version)
    warn(['mode'], 'an older message that arrives late overwrites a newer row', 'version: a column that grows with every change');
  if (mode === 'delete') warn(['mode'], 'an older message that arrives late brings a deleted row back', 'mark the row as deleted with a status column and mode: update');
  for (const [field, child] of Object.entries(include)) {
    const at = ['include', field];
    if (child.mode === 'upsert' && !child.key) error(at, 'upsert needs the key of a child', 'key: [ORD_NO, LINE_NO]');
    if (child.mode === 'replace' && child.key) error([...at, 'key'], 'replace writes all children anew and finds none by its key', 'mode: upsert');
    if (child.parent && child.parent.length !== child.by.length) error([...at, 'parent'], 'by and parent need the same number of columns');
  }
  return findings;
}

export function lintCall(config: unknown, connect: unknown): readonly SpecFinding[] {
  const problem = parseStatement((config as Call).sql);
  return [...lintLink(connect), ...(typeof problem === 'string' ? [{ severity: 'error', path: ['sql'], message: problem } as const] : [])];
}

function lintLink(connect: unknown): readonly SpecFinding[] {
  const { title, tested } = CAPABILITIES[(connect as Connect).driver];
  const untested = `${title} is not tested against a server: the statements are compared with what its maker documents`;
  return [
    ...(tested ? [] : [{ severity: 'warning', path: [], message: untested, fix: 'try every endpoint with a copy of the database before it matters' } as const]),
    ...lintTls(connect),
  ];
}

function lintTls(connect: unknown): readonly SpecFinding[] {
  const link = connect as Connect;
  if (!('tls' in link) || link.tls !== 'off' || /^(localhost|127\.\d+\.\d+\.\d+|::1)$/.test(link.host)) return [];
  return [{ severity: 'warning', path: [], message: `tls is off: password and data cross the network to ${link.host} in clear text`, fix: 'tls: {ca: path of the CA file}' }];
}

export function readFields(config: unknown): FieldTypes | undefined {
  const read = config as Read;
  if (!read.columns) return undefined;
  const strategy: Strategy = STRATEGIES[strategyOf(read)];
  const fields: Record<string, FieldType> = { ...Object.fromEntries((read.key ?? []).map((name) => [name, 'any' as const])), ...strategy.fields?.(read) };
  Object.assign(fields, read.columns);
  for (const [name, child] of Object.entries(read.include))
    fields[name] = child.columns ? { list: { ...Object.fromEntries(child.by.map((by) => [by, 'any' as const])), ...child.columns } } : 'any';
  return fields;
}

export function writeFields(config: unknown): FieldTypes | undefined {
  const { columns, include } = config as Write;
  if (!columns) return undefined;
  const lists = Object.entries(include).map(([name, child]): [string, FieldType] => [name, child.columns ? { list: child.columns } : 'any']);
  return { ...columns, ...Object.fromEntries(lists) };
}
