// The canonical types: `Order: {id: required text, total: decimal 12.2}`.
import { type Finding, nearest } from '../bus/finding.js';
import type { RecordField, RecordType, Type } from './expression/type.js';
import type { FieldShape, RecordShape, Shape } from './mapping/shape.js';
import type { TypeConfig } from './model.js';

export interface CanonicalType {
  readonly name: string;
  /** Name of the variable in expressions: `order`. */
  readonly variable: string;
  /** For mapping and validation. */
  readonly shape: RecordShape;
  /** For expressions. */
  readonly type: RecordType;
}

/** Words that name no variable: those of the expression language, and ours. */
export const RESERVED: ReadonlySet<string> = new Set(
  'as break const continue else false for function if import in let loop package namespace null return true var void while record msg it'.split(' '),
);
const WORDS = ['text', 'integer', 'decimal', 'boolean', 'date', 'timestamp', 'any'] as const;

/** Reads all types. A type with a problem is still there, so that what uses it can be checked. */
export function readTypes(configs: Readonly<Record<string, TypeConfig>>, report: (finding: Finding) => void): ReadonlyMap<string, CanonicalType> {
  const types = new Map<string, CanonicalType>();
  const fieldsOf = new Map<string, ReadonlyMap<string, FieldShape>>();
  // Types may use one another, and themselves, in any order: their fields are looked up when they are used.
  const shapes = new Map(Object.keys(configs).map((name): [string, RecordShape] => [name, { name, fields: () => fieldsOf.get(name) ?? new Map<string, FieldShape>() }]));
  for (const [name, config] of Object.entries(configs)) {
    const path = ['types', name];
    const variable = variableOf(name);
    if (RESERVED.has(variable)) {
      report({
        severity: 'error',
        code: 'E242',
        path,
        atKey: true,
        message: `type ${name} would be the variable \`${variable}\`, which is taken or a reserved word`,
        help: 'choose another name',
      });
    }
    const fields = new Map<string, FieldShape>();
    for (const [field, words] of Object.entries(config)) {
      const read = readWords(words, shapes);
      if (typeof read === 'string') {
        fields.set(field, { shape: { kind: 'any' }, required: false });
        report(wordsFinding(field, words, read, [...path, field], Object.keys(configs)));
      } else fields.set(field, read);
    }
    fieldsOf.set(name, fields);
    const shape = shapes.get(name);
    if (shape) types.set(name, { name, variable, shape, type: expressionType(shape) });
  }
  return types;
}

/** `SalesOrder` -> `salesOrder`, `sales-order` -> `salesOrder`. */
export function variableOf(type: string): string {
  const joined = type.replace(/[-_]+(.)?/g, (_, letter: string | undefined) => letter?.toUpperCase() ?? '');
  return joined.charAt(0).toLowerCase() + joined.slice(1);
}

const expressionTypes = new WeakMap<RecordShape, RecordType>();

function expressionType(shape: RecordShape): RecordType {
  const known = expressionTypes.get(shape);
  if (known) return known;
  let fields: ReadonlyMap<string, RecordField> | undefined;
  const type: RecordType = {
    name: shape.name,
    fields: () => {
      fields ??= new Map([...shape.fields()].map(([field, { shape: of, required }]) => [field, { type: typeOfShape(of), optional: !required }]));
      return fields;
    },
  };
  expressionTypes.set(shape, type);
  return type;
}

function typeOfShape(shape: Shape): Type {
  if (shape.kind === 'list') return { list: typeOfShape(shape.of) };
  return shape.kind === 'record' ? expressionType(shape.record) : shape.kind;
}

/** @returns the word that is not understood when the field cannot be read */
function readWords(words: string, shapes: ReadonlyMap<string, RecordShape>): FieldShape | string {
  const parts = words.trim().split(/\s+/);
  const required = parts[0] === 'required';
  if (required) parts.shift();
  const shape = readShape(parts, shapes);
  return typeof shape === 'string' ? shape : { shape, required };
}

function readShape(parts: readonly string[], shapes: ReadonlyMap<string, RecordShape>): Shape | string {
  const [word = '', size, ...rest] = parts;
  if (word === 'list') {
    if (size !== 'of' || rest.length === 0) return size ?? word;
    const of = readShape(rest, shapes);
    return typeof of === 'string' ? of : { kind: 'list', of };
  }
  const plain = WORDS.find((known) => known === word);
  const record = shapes.get(word);
  if (!plain && !record) return word;
  if (rest[0] !== undefined) return rest[0];
  if (plain === 'text') return size === undefined ? { kind: 'text' } : /^[1-9]\d{0,8}$/.test(size) ? { kind: 'text', length: Number(size) } : size;
  if (plain === 'decimal') return readDecimal(size);
  if (size !== undefined) return size;
  if (plain) return { kind: plain };
  return record ? { kind: 'record', record } : word;
}

function readDecimal(size: string | undefined): Shape | string {
  if (size === undefined) return { kind: 'decimal' };
  const match = /^([1-9]\d{0,2})(?:\.(\d{1,3}))?$/.exec(size);
  const [digits, scale] = [Number(match?.[1]), Number(match?.[2] ?? 0)];
  return match && scale <= digits ? { kind: 'decimal', digits, scale } : size;
}

function wordsFinding(field: string, words: string, wrong: string, path: readonly string[], names: readonly string[]): Finding {
  if (field === 'schema' && words.endsWith('.json'))
    return { severity: 'error', code: 'E220', path, message: 'not yet: types from a JSON Schema come in a later release', help: 'describe the fields by words' };
  const start = Math.max(0, words.lastIndexOf(wrong));
  const near = wrong === 'required' ? undefined : nearest(wrong, [...WORDS, ...names, 'list', 'required']);
  const unknownType = /^[A-Z]/.test(wrong);
  return {
    severity: 'error',
    code: unknownType ? 'E221' : 'E220',
    path,
    range: { start, end: start + wrong.length },
    message: unknownType ? `unknown type \`${wrong}\`` : `\`${words}\` is not understood`,
    label: unknownType ? 'not declared under types' : 'not understood here',
    ...(near ? { help: `did you mean \`${near}\`?` } : wrong === 'required' ? { help: 'write `required` first' } : {}),
    note: `known: ${[...WORDS, 'list of', ...names].join(' ')}`,
  };
}
