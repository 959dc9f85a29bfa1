import { datePatternProblem } from '../../bus/dates.js';
import { InvalidMessage } from '../../bus/errors.js';
import { nearest } from '../../bus/finding.js';
import type { Value } from '../../bus/value.js';
import { compileExpression, type Expected, type Expression } from '../expression/expression.js';
import { fail, limits } from '../expression/runtime.js';
import type { Scope } from '../expression/scope.js';
import { isListType, isNumeric, nameOf, type Type } from '../expression/type.js';
import type { FieldConfig, MapConfig } from '../model.js';
import type { FieldMapping, MappingContext, Path } from './context.js';
import { type Conversion, datePrinted, dateRead, decimalPrinted, decimalRead, emptied, lookedUp, padded, textOf, trimmed } from './conversions.js';

import { canBecome, convert, type Shape, shown, wordsOf } from './shape.js';

interface Step {
  readonly run: Conversion;
  /** For the history: `table country`, `date`. */
  readonly note?: string;
}

const nothing: FieldMapping = () => null;

/** One target field: an expression, or the long form. */
export function compileField(name: string, config: string | FieldConfig, shape: Shape, scope: Scope, path: Path, context: MappingContext): FieldMapping {
  if (typeof config === 'string') {
    const expression = compileAt(config, scope, 'any', path, context);
    if (expression && !canBecome(expression.type, shape)) reportType(expression.type, shape, name, path, context);
    return expression ? expression.evaluate : nothing;
  }
  const wrong = contradiction(config);
  if (wrong) {
    context.report({ severity: 'error', code: 'E232', path, message: wrong });
    return nothing;
  }
  if (config.map)
    return config.each === undefined ? nestedRecord(name, config.map, shape, scope, path, context) : nestedList(name, config, config.each, config.map, shape, scope, path, context);
  return converted(name, config, shape, scope, path, context);
}

/** Compiles an expression of the configuration and reports its problems at `path`. */
export function compileAt(source: string, scope: Scope, expected: Expected, path: Path, context: Pick<MappingContext, 'report'>): Expression | undefined {
  const compiled = compileExpression(source, scope, expected);
  for (const finding of compiled.findings) context.report({ ...finding, path });
  return compiled.evaluate ? compiled : undefined;
}

function contradiction(config: FieldConfig): string | undefined {
  const conversions = [config.trim, config.empty, config.table, config.date, config.decimal, config.default, config.pad].some((part) => part !== undefined);
  if (config.map) {
    if (config.from !== undefined) return '`map` does not go with `from`; a list needs `each`';
    return conversions ? '`map` does not go with conversions' : config.as !== undefined && config.each === undefined ? '`as` needs `each`' : undefined;
  }
  if (config.each !== undefined) return '`each` needs `map`';
  if (config.as !== undefined) return '`as` needs `each`';
  if (config.date !== undefined && config.decimal !== undefined) return '`date` and `decimal` do not go together';
  if (config.with !== undefined && config.pad === undefined) return '`with` needs `pad`';
  return config.from === undefined && config.default === undefined ? 'nothing says where the value comes from: `from` is missing' : undefined;
}

function reportType(type: Type, shape: Shape, name: string, path: Path, context: MappingContext): void {
  const help = shape.kind === 'list' ? { help: 'use {each: ..., map: {...}}' } : {};
  context.report({ severity: 'error', code: 'E235', path, message: `${name} is ${wordsOf(shape)} and cannot take ${nameOf(type)}`, ...help });
}

function nestedRecord(name: string, map: MapConfig, shape: Shape, scope: Scope, path: Path, context: MappingContext): FieldMapping {
  if (shape.kind !== 'record' && shape.kind !== 'any') reportType('any', shape, name, path, context);
  return context.compileNested(map, shape.kind === 'record' ? shape.record : undefined, scope, [...path, 'map'], context);
}

function nestedList(name: string, config: FieldConfig, each: string, map: MapConfig, shape: Shape, scope: Scope, path: Path, context: MappingContext): FieldMapping {
  const list = compileAt(each, scope, 'any', [...path, 'each'], context);
  if (list && list.type !== 'any' && list.type !== 'null' && !isListType(list.type)) {
    context.report({ severity: 'error', code: 'E214', path: [...path, 'each'], message: `\`${each}\` is ${nameOf(list.type)}, not a list` });
  }
  const variable = config.as ?? 'it';
  if (scope.has(variable))
    context.report({
      severity: 'error',
      code: 'E242',
      path: [...path, config.as === undefined ? 'each' : 'as'],
      message: `\`${variable}\` is a variable already`,
      help: 'give the element another name with `as`',
    });
  const of = shape.kind === 'list' ? shape.of : shape.kind === 'any' ? shape : undefined;
  if (!of || (of.kind !== 'record' && of.kind !== 'any'))
    context.report({ severity: 'error', code: 'E235', path, message: `${name} is ${wordsOf(shape)} and cannot take a list of records` });
  const inner = new Map([...scope, [variable, list && isListType(list.type) ? list.type.list : 'any'] as const]);
  const mapping = context.compileNested(map, of?.kind === 'record' ? of.record : undefined, inner, [...path, 'map'], context);
  const evaluate = list?.evaluate ?? nothing;
  return (bindings) => {
    const elements = evaluate(bindings);
    if (elements === null) return null;
    if (!Array.isArray(elements)) return fail('E313', `${name}: \`${each}\` is no list`);
    if (elements.length > limits.list) return fail('E315', `${name}: a list of ${elements.length} elements`);
    return (elements as readonly Value[]).map((element) => mapping(bindings.with(variable, element)));
  };
}

function converted(name: string, config: FieldConfig, shape: Shape, scope: Scope, path: Path, context: MappingContext): FieldMapping {
  const from = config.from === undefined ? undefined : compileAt(config.from, scope, 'any', [...path, 'from'], context);
  const steps = conversionSteps(config, from?.type ?? 'any', shape, path, context);
  const result = resultType(config, from?.type ?? 'text', shape);
  if (from && !canBecome(result, shape)) reportType(result, shape, name, path, context);
  const fallback = config.default === undefined ? undefined : defaultValue(name, config.default, shape, path, context);
  const pad = config.pad === undefined ? undefined : padded(config.pad, config.with ?? '0');
  const evaluate = from?.evaluate ?? nothing;
  return (bindings, note) => {
    let value: Value;
    try {
      value = evaluate(bindings);
    } catch (error) {
      // Who gives a default has said what a missing field means.
      if (fallback === undefined || !(error instanceof InvalidMessage) || error.code !== 'E310') throw error;
      value = null;
    }
    for (const step of steps) {
      const before = value;
      value = step.run(before, name);
      if (note && step.note !== undefined && before !== null && value !== null) note(`${name} ${shown(textOf(before) ?? '')}>${shown(textOf(value) ?? '')} (${step.note})`);
    }
    if (value === null && fallback !== undefined) value = fallback;
    return pad ? pad(value, name) : value;
  };
}

function conversionSteps(config: FieldConfig, source: Type, shape: Shape, path: Path, context: MappingContext): readonly Step[] {
  const steps: Step[] = [];
  if (config.trim) steps.push({ run: trimmed });
  if (config.empty !== undefined) steps.push({ run: emptied(config.empty) });
  if (config.table !== undefined) steps.push(...tableSteps(config.table, path, context));
  if (config.date !== undefined) {
    const problem = datePatternProblem(config.date);
    if (problem !== undefined) context.report({ severity: 'error', code: 'E234', path: [...path, 'date'], message: problem });
    if ((source === 'date' || source === 'timestamp') && shape.kind === source) {
      context.report({
        severity: 'error',
        code: 'E232',
        path: [...path, 'date'],
        message: `the value is a ${source} already, and ${wordsOf(shape)} is wanted`,
        help: 'remove `date`',
      });
    }
    steps.push({ run: reads(source, shape, context) ? dateRead(config.date) : datePrinted(config.date), note: `date ${config.date}` });
  }
  if (config.decimal !== undefined) {
    const prints = shape.kind === 'text' || (shape.kind === 'any' && context.direction === 'outbound');
    steps.push({ run: prints && isNumberLike(source) ? decimalPrinted(config.decimal) : decimalRead(config.decimal) });
  }
  return steps;
}

function tableSteps(table: string, path: Path, context: MappingContext): readonly Step[] {
  const found = Object.hasOwn(context.tables, table) ? context.tables[table] : undefined;
  if (found) {
    context.usedTables.add(table);
    return [{ run: lookedUp(table, found), note: `table ${table}` }];
  }
  const near = nearest(table, Object.keys(context.tables));
  context.report({
    severity: 'error',
    code: 'E233',
    path: [...path, 'table'],
    message: `unknown table \`${table}\``,
    ...(near ? { help: `did you mean \`${near}\`?` } : {}),
    note: `known: ${Object.keys(context.tables).join(' ')}`,
  });
  return [];
}

/** `date:` reads text into a date or prints a date as text: what the types are decides, and the direction where they do not. */
function reads(source: Type, shape: Shape, context: MappingContext): boolean {
  if (source === 'date' || source === 'timestamp') return false;
  if (shape.kind === 'date' || shape.kind === 'timestamp') return true;
  return context.direction === 'inbound';
}

function isNumberLike(type: Type): boolean {
  return isNumeric(type) || type === 'any';
}

/** Type after the conversions, as far as it is known. */
function resultType(config: FieldConfig, source: Type, shape: Shape): Type {
  if (config.pad !== undefined) return 'text';
  if (config.date !== undefined) return source === 'date' || source === 'timestamp' ? 'text' : 'any';
  if (config.decimal !== undefined) return shape.kind === 'text' ? 'text' : 'decimal';
  return config.table === undefined ? source : 'text';
}

function defaultValue(name: string, text: string, shape: Shape, path: Path, context: MappingContext): Value {
  try {
    return convert(text, shape, name);
  } catch (error) {
    context.report({
      severity: 'error',
      code: 'E235',
      path: [...path, 'default'],
      message: error instanceof InvalidMessage ? error.message : `\`${text}\` is no ${wordsOf(shape)}`,
    });
    return null;
  }
}
