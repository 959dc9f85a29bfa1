import type { ASTNode } from '@marcbachmann/cel-js';
import { isDay } from '../../bus/dates.js';
import { Decimal } from '../../bus/decimal.js';
import { isRecord, type Value } from '../../bus/value.js';
import { checkLength, isTimestamp } from './functions.js';
import { type Bindings, compare, compareTimestamps, equals, fail, isNumber, limits, spend } from './runtime.js';
import { type Context, type Part, problem, sourceOf } from './scope.js';
import { isListType, isNumeric, isRecordType, join, kindOf, nameOf, type Type } from './type.js';

type Binary = Extract<ASTNode, { args: [ASTNode, ASTNode]; op: '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | '+' | '-' | '*' | '/' | '%' }>;

export function compileBinary(node: Binary, context: Context): Part {
  const left = context.compile(node.args[0], context);
  const right = context.compile(node.args[1], context);
  const source = sourceOf(node, context);
  switch (node.op) {
    case '==':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return comparison(node, left, right, source, context);
    case 'in':
      return membership(node, left, right, source, context);
    default:
      return arithmetic(node, left, right, source, context);
  }
}

function comparison(node: Binary, left: Part, right: Part, source: string, context: Context): Part {
  const ordered = node.op !== '==' && node.op !== '!=';
  if (!comparable(left, right) || (ordered && !(orderable(left.type) && orderable(right.type)))) return mismatch(node, left, right, source, context);
  const [a, b] = [left.run, right.run];
  const inTime = left.type === 'timestamp' || right.type === 'timestamp';
  if (!ordered) {
    const same = inTime ? (x: Value, y: Value) => (x === null || y === null ? x === y : compareTimestamps(x, y, source) === 0) : (x: Value, y: Value) => equals(x, y, source);
    return { type: 'boolean', run: node.op === '==' ? (bindings) => same(a(bindings), b(bindings)) : (bindings) => !same(a(bindings), b(bindings)) };
  }
  const order = inTime ? compareTimestamps : compare;
  if (node.op === '<') return { type: 'boolean', run: (bindings) => order(a(bindings), b(bindings), source) < 0 };
  if (node.op === '<=') return { type: 'boolean', run: (bindings) => order(a(bindings), b(bindings), source) <= 0 };
  if (node.op === '>') return { type: 'boolean', run: (bindings) => order(a(bindings), b(bindings), source) > 0 };
  return { type: 'boolean', run: (bindings) => order(a(bindings), b(bindings), source) >= 0 };
}

function comparable(left: Part, right: Part): boolean {
  const [a, b] = [left.type, right.type];
  if (a === b || a === 'any' || b === 'any' || a === 'null' || b === 'null') return true;
  if (isNumeric(a) && isNumeric(b)) return true;
  if (isListType(a) && isListType(b)) return true;
  if (isRecordType(a) && isRecordType(b)) return true;
  return datedLiteral(a, right) || datedLiteral(b, left);
}

/** A date may be compared with a text literal that is a date. */
function datedLiteral(type: Type, other: Part): boolean {
  if (other.literal === undefined) return false;
  return (type === 'date' && isDay(other.literal)) || (type === 'timestamp' && isTimestamp(other.literal));
}

function orderable(type: Type): boolean {
  return isNumeric(type) || type === 'text' || type === 'date' || type === 'timestamp' || type === 'any';
}

function mismatch(node: Binary, left: Part, right: Part, source: string, context: Context): Part {
  const side = right.literal === undefined && left.literal !== undefined ? 0 : 1;
  const [literal, other] = side === 0 ? [left.literal, right.type] : [right.literal, left.type];
  const label =
    literal !== undefined && isNumeric(other) && Decimal.parse(literal)
      ? `remove the quotes: ${literal}`
      : literal !== undefined && (other === 'date' || other === 'timestamp')
        ? `${other === 'date' ? 'a date looks like "2026-03-01"' : 'a timestamp looks like "2026-03-01T08:00:00Z"'}`
        : other === 'text' && node.args[side].op === 'value' && isNumeric(right.type)
          ? `add quotes: "${sourceOf(node.args[side], context)}"`
          : `this is ${nameOf(side === 0 ? left.type : right.type)}`;
  return problem(context, node.args[side], { code: 'E212', message: `\`${source}\` compares ${nameOf(left.type)} with ${nameOf(right.type)}`, label });
}

function membership(node: Binary, left: Part, right: Part, source: string, context: Context): Part {
  const [a, b] = [left.run, right.run];
  if (right.type !== 'any' && !isListType(right.type) && !isRecordType(right.type)) {
    const help = right.type === 'text' ? { help: 'for a part of a text use contains(text, part)' } : {};
    return problem(context, node.args[1], { code: 'E213', message: `\`in\` needs a list, not ${nameOf(right.type)}`, ...help });
  }
  const listed = node.args[1];
  if (isListType(right.type) && listed.op === 'list') {
    const parts = listed.args.map((element) => ({ element, part: context.compile(element, { ...context, findings: [] }) }));
    for (const { element, part } of parts) {
      if (!comparable(left, part)) {
        return problem(context, element, { code: 'E212', message: `\`${source}\` compares ${nameOf(left.type)} with ${nameOf(part.type)}`, label: `this is ${nameOf(part.type)}` });
      }
    }
    if (left.type === 'text' && parts.every(({ part }) => part.literal !== undefined)) {
      const known = new Set<Value>(parts.map(({ part }) => part.literal ?? null));
      return { type: 'boolean', run: (bindings) => known.has(a(bindings)) };
    }
  } else if (isListType(right.type) && !comparable(left, { type: right.type.list, run: b })) {
    return mismatch(node, left, { type: right.type.list, run: b }, source, context);
  }
  return {
    type: 'boolean',
    run: (bindings) => {
      const value = a(bindings);
      const among = b(bindings);
      if (Array.isArray(among)) {
        if (among.length > limits.list) fail('E315', `${source}: a list of ${among.length} elements`);
        spend(bindings, among.length, source);
        return (among as readonly Value[]).some((element) => equals(value, element, source));
      }
      if (isRecord(among) && typeof value === 'string') return Object.hasOwn(among, value);
      return fail(among === null ? 'E312' : 'E313', `${source}: ${kindOf(among)} is no list`);
    },
  };
}

function arithmetic(node: Binary, left: Part, right: Part, source: string, context: Context): Part {
  const operator = node.op;
  const type = resultType(operator, left.type, right.type);
  if (type === undefined) {
    const texts = operator === '+' && (left.type === 'text' || right.type === 'text');
    const side = left.type === 'text' ? 1 : 0;
    const help = texts ? { help: `write text(${sourceOf(node.args[side], context)})` } : operator === '/' ? { help: 'decimals are not divided: the result need not be exact' } : {};
    return problem(context, node, { code: 'E213', message: `\`${operator}\` does not exist for ${nameOf(left.type)} and ${nameOf(right.type)}`, ...help });
  }
  const [a, b] = [left.run, right.run];
  return { type, run: (bindings) => calculate(operator, a(bindings), b(bindings), source, bindings) };
}

function resultType(operator: string, a: Type, b: Type): Type | undefined {
  if (a === 'null' || b === 'null') return undefined;
  if (operator === '+' && isListType(a) && isListType(b)) return join(a, b);
  const [simpleA, simpleB] = [a === 'any', b === 'any'];
  if (simpleA && simpleB) return 'any';
  if (simpleA || simpleB) {
    const known = simpleA ? b : a;
    if (operator === '+' && (known === 'text' || isListType(known))) return known;
    return isNumeric(known) ? (operator === '/' || operator === '%' ? 'integer' : 'number') : undefined;
  }
  if (operator === '+' && a === 'text' && b === 'text') return 'text';
  if (!isNumeric(a) || !isNumeric(b)) return undefined;
  if (operator === '/' || operator === '%') return a === 'decimal' || b === 'decimal' ? undefined : 'integer';
  return a === b ? a : a === 'decimal' || b === 'decimal' ? 'decimal' : 'number';
}

function calculate(operator: string, a: Value, b: Value, source: string, bindings: Bindings): Value {
  if (operator === '+' && typeof a === 'string' && typeof b === 'string') {
    checkLength(a.length + b.length);
    spend(bindings, (a.length + b.length) >>> 6, source);
    return a + b;
  }
  if (operator === '+' && Array.isArray(a) && Array.isArray(b)) {
    if (a.length + b.length > limits.list) return fail('E315', `${source}: a list of ${a.length + b.length} elements`);
    spend(bindings, a.length + b.length, source);
    return [...a, ...b];
  }
  if (a === null || b === null) return fail('E312', `${source}: ${a === null ? 'the left side' : 'the right side'} is null`);
  if (!isNumber(a) || !isNumber(b)) return fail('E313', `${source}: \`${operator}\` does not exist for ${kindOf(a)} and ${kindOf(b)}`);
  if (typeof a === 'bigint' && typeof b === 'bigint') return wholeNumbers(operator, a, b, source);
  const [x, y] = [Decimal.of(a), Decimal.of(b)];
  if (operator === '+') return x.plus(y);
  if (operator === '-') return x.minus(y);
  if (operator === '*')
    return bitsOf(x.unscaled) + bitsOf(y.unscaled) > limits.bits || x.scale + y.scale > limits.scale ? fail('E314', `${source}: the result has thousands of digits`) : x.times(y);
  return fail('E313', `${source}: decimals are not divided`);
}

function wholeNumbers(operator: string, a: bigint, b: bigint, source: string): bigint {
  if (operator === '+') return a + b;
  if (operator === '-') return a - b;
  if (operator === '*') return bitsOf(a) + bitsOf(b) > limits.bits ? fail('E314', `${source}: the result has thousands of digits`) : a * b;
  if (b === 0n) return fail('E314', `${source}: division by zero`);
  return operator === '/' ? a / b : a % b;
}

/** Size of a number without writing it out when it is small. */
function bitsOf(value: bigint): number {
  return BigInt.asIntN(64, value) === value ? 64 : value.toString(16).length * 4;
}
