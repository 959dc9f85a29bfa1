// A draft as files of a configuration: YAML that people go on with, and a sample for its test.
import { Document, isMap, isSeq, type Node, visit, type YAMLMap } from 'yaml';
import { Decimal } from '../../bus/decimal.js';
import { writeJson } from '../../bus/json.js';
import { isRecord, newRecord, type Value, type ValueRecord } from '../../bus/value.js';
import { variableOf } from '../../routes/types.js';
import type { Draft, DraftField, Plain, PlainMap } from './draft.js';
import { fieldOf } from './names.js';

/** Most characters of a map or list on one line. */
const LINE = 110;

export interface Rendered {
  /** All parts as one file, without the endpoint of a system that stands elsewhere. */
  readonly yaml: string;
  readonly sample: string;
}

/** @param expected what the sample's first record becomes; undefined when there is no record, or it becomes nothing */
export function render(draft: Draft, command: string, samplePath: string, expected: ValueRecord | undefined): Rendered {
  const { system, endpoint, make, type, key } = draft;
  const source = `${system}.${endpoint}`;
  const variable = variableOf(type);
  const [first] = key;
  const keyField = first === undefined ? undefined : draft.fields.find(({ path }) => path.length === 1 && path[0] === first);
  const content = {
    ...(make ? { systems: { [system]: { adapter: make.adapter, connect: make.connect, read: { [endpoint]: draft.read } } } } : {}),
    types: typesOf(type, draft.fields),
    routes: {
      [`${draft.route}-in`]: {
        from: source,
        publish: type,
        ...(keyField === undefined ? {} : { key: keyField.words.startsWith('required text') ? `${variable}.${keyField.as}` : `text(${variable}.${keyField.as})` }),
        map: mapOf('record', draft.fields),
      },
      [`${draft.route}-out`]: { subscribe: type, deliver: [], otherwise: { to: 'drop', reason: `nobody takes ${type} yet` } },
    },
    ...(expected === undefined
      ? {}
      : {
          tests: [
            { name: `a record of ${source} becomes ${/^[AEIOU]/.test(type) ? 'an' : 'a'} ${type}`, given: { [source]: samplePath }, expect: { [type]: [plainOf(expected)] } },
          ],
        }),
  };
  const notes = [`Written by \`${command}\`, and yours from here on.`, ...draft.notes].map((note) => note.replace(/^/gm, '# ')).join('\n');
  return { yaml: `${notes}\n${yamlOf(content)}`, sample: sampleText(draft.samples.slice(0, 1)) };
}

/** Block style, with maps and lists that fit on one line in flow style. */
export function yamlOf(value: unknown): string {
  const document = new Document(value);
  const compact = (node: Node): void => {
    if ((isMap(node) || isSeq(node)) && depthOf(node) <= 2 && JSON.stringify(node).length <= LINE) node.flow = true;
  };
  visit(document, {
    Pair: (_, pair) => (isMap(pair.value) || isSeq(pair.value) ? compact(pair.value) : undefined),
    Map: (key, node) => (typeof key === 'number' ? compact(node) : undefined),
  });
  // Other readers of YAML take these words for true and false.
  visit(document, { Scalar: (_, node) => void (typeof node.value === 'string' && /^(y|n|yes|no|on|off)$/i.test(node.value) && Object.assign(node, { type: 'QUOTE_DOUBLE' })) });
  // The parts people look for stand open.
  for (const section of ['types', 'routes', 'systems']) {
    const part = document.get(section);
    if (isMap(part)) opened(part);
  }
  return document.toString({ lineWidth: 0, flowCollectionPadding: false, singleQuote: false });
}

function opened(map: YAMLMap): void {
  map.flow = false;
  for (const { value } of map.items) {
    if (!isMap(value)) continue;
    value.flow = false;
    const inner = value.get('map');
    if (isMap(inner)) inner.flow = false;
  }
}

function depthOf(node: unknown): number {
  if (isMap(node)) return 1 + Math.max(0, ...node.items.map(({ value }) => depthOf(value)));
  return isSeq(node) ? 1 + Math.max(0, ...node.items.map(depthOf)) : 0;
}

function typesOf(name: string, fields: readonly DraftField[]): PlainMap {
  const own = Object.fromEntries(fields.map(({ as, words, each }) => [as, each ? `${words === 'required' ? 'required ' : ''}list of ${each.type}` : words]));
  return Object.assign({ [name]: own }, ...fields.map(({ each }) => (each ? typesOf(each.type, each.fields) : {}))) as PlainMap;
}

function mapOf(record: string, fields: readonly DraftField[]): PlainMap {
  return Object.fromEntries(
    fields.map(({ path, as, map, each, mayBeAbsent }): [string, Plain] => {
      const place = path.reduce(fieldOf, record);
      const from = mayBeAbsent && /^[\w.]+$/.test(place) ? `has(${place}) ? ${place} : null` : place;
      if (!each) return [as, map ? { from, ...map } : from];
      // Of the first level it is called `it`.
      const element = record === 'record' ? 'it' : as;
      return [as, { each: from, ...(element === 'it' ? {} : { as: element }), map: mapOf(element, each.fields) }];
    }),
  );
}

function plainOf(value: Value): unknown {
  if (value instanceof Decimal) return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.map(plainOf);
  return isRecord(value) ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plainOf(each)])) : value;
}

/** One field on each line, numbers with all their digits. */
function sampleText(records: readonly ValueRecord[]): string {
  const one = (record: ValueRecord): string =>
    `{\n${Object.entries(record)
      .map(([name, value]) => `  ${JSON.stringify(name)}: ${writeJson(value)}`)
      .join(',\n')}\n}`;
  return `${records.length === 1 && records[0] ? one(records[0]) : `[${records.map(one).join(', ')}]`}\n`;
}

/** The records without what no canonical type holds. */
export function withoutBytes(record: ValueRecord): ValueRecord {
  const kept = newRecord();
  for (const [name, value] of Object.entries(record)) if (!(value instanceof Uint8Array)) kept[name] = value;
  return kept;
}
