// Tests with the records they are given: inline, or from a recorded sample.

import { nearest } from '../bus/finding.js';
import { JsonError, parseJson } from '../bus/json.js';
import { isRecord, type Value, type ValueRecord } from '../bus/value.js';
import type { LoadedTest } from '../routes/input.js';
import { testConfig } from '../routes/model.js';
import type { Check } from './check.js';
import type { InputFiles } from './inputs.js';
import { exactValue, type Path, SourceText } from './tree.js';

/** @param known inbound endpoints and types, which a test may be given records of */
export async function readTests(check: Check, inputs: InputFiles, known: ReadonlySet<string>): Promise<readonly LoadedTest[]> {
  const section = check.tree.node(['tests']);
  if (!section) return [];
  if (section.kind !== 'list') {
    check.report({ severity: 'error', code: 'E106', path: ['tests'], atKey: true, message: '`tests`: expected a list', help: 'begin each test with `- name:`' });
    return [];
  }
  const tests: LoadedTest[] = [];
  for (const index of section.items.keys()) {
    const path = ['tests', index];
    const config = check.parse(testConfig, path);
    if (config) tests.push({ config, given: await readGiven(check, inputs, known, [...path, 'given']) });
  }
  return tests;
}

async function readGiven(check: Check, inputs: InputFiles, known: ReadonlySet<string>, path: Path): Promise<ReadonlyMap<string, readonly ValueRecord[]>> {
  const given = new Map<string, readonly ValueRecord[]>();
  const node = check.tree.node(path);
  if (node?.kind !== 'map') return given;
  const set = node.entries.get('set');
  const changes = set ? exactValue(set.value) : undefined;
  for (const [name, { value }] of node.entries) {
    if (name === 'set') continue;
    if (!known.has(name)) {
      const near = nearest(name, known);
      const help = near === undefined ? {} : { help: `did you mean \`${near}\`?` };
      check.report({
        severity: 'error',
        code: 'E104',
        path: [...path, name],
        atKey: true,
        message: `unknown endpoint \`${name}\``,
        label: 'no such source',
        ...help,
        note: `known: ${[...known].toSorted().join(' ')}`,
      });
    }
    const at = [...path, name];
    const content = value.kind === 'scalar' ? await sample(inputs, String(check.resolver.value(at)), at) : exactValue(value);
    if (content === undefined) continue;
    const records = (Array.isArray(content) ? (content as readonly Value[]) : [content]).filter((record): record is ValueRecord => isRecord(record));
    given.set(name, isRecord(changes) ? records.map((record) => ({ ...record, ...changes })) : records);
  }
  return given;
}

async function sample(inputs: InputFiles, name: string, at: Path): Promise<Value | undefined> {
  const file = await inputs.text(name, at, 'E121');
  if (!file) return undefined;
  const problem = (offset: number, message: string): undefined => {
    const place = new SourceText(file.path, file.text).place({ start: offset, end: offset + 1 });
    inputs.problem({ code: 'E121', ...place, message });
    return undefined;
  };
  try {
    const value = parseJson(file.text);
    const list = Array.isArray(value) ? (value as readonly Value[]) : [value];
    return list.every(isRecord) ? value : problem(0, 'a sample is a JSON object, or a list of them');
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return problem(error.offset, `no JSON: ${error.message.replace(/ at offset \d+$/, '')}`);
  }
}
