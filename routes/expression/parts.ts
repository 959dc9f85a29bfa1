import type { ASTNode } from '@marcbachmann/cel-js';
import { Decimal } from '../../bus/decimal.js';
import { nearest } from '../../bus/finding.js';
import { isRecord, newRecord, type Value } from '../../bus/value.js';
import { compileCall, compileHas, compileMacro, macros } from './calls.js';
import { compileBinary } from './operators.js';
import { type Bindings, type Evaluate, fail } from './runtime.js';
import { broken, type Context, condition, fieldType, type Part, problem, sourceOf } from './scope.js';
import { isListType, isNumeric, isRecordType, join, kindOf, nameOf, type Type } from './type.js';

/** Checks one node of the syntax tree and compiles it to a closure. Problems are collected in `context`; the tree is visited once, when the configuration is loaded. */
export function compilePart(node: ASTNode, context: Context): Part {
  switch (node.op) {
    case 'value':
      return literal(node, context);
    case 'id':
      return variable(node.args, node.range, context);
    case '.':
      return field(node, node.args[0], node.args[1], { start: node.range.end - node.args[1].length, end: node.range.end }, context);
    case '[]':
      return index(node, context);
    case '?:':
      return choice(node, context);
    case '&&':
    case '||':
      return logic(node, context);
    case '!_':
      return not(node, context);
    case '-_':
      return negated(node, context);
    case 'list':
      return list(node.args, context);
    case 'map':
      return record(node.args, context);
    case 'call':
      return node.args[0] === 'has' ? compileHas(node, context) : compileCall(node, node.args[0], node.args[1], context);
    case 'rcall': {
      const [name, target, given] = node.args;
      return macros.has(name) ? compileMacro(node, context) : compileCall(node, name, [target, ...given], context);
    }
    case '.?':
    case '[?]':
      return problem(context, node, { code: 'E215', message: 'optional access does not exist', help: 'use has(...)' });
    default:
      return compileBinary(node, context);
  }
}

function literal(node: Extract<ASTNode, { op: 'value' }>, context: Context): Part {
  const value = node.args;
  if (typeof value === 'string') return { type: 'text', run: () => value, literal: value };
  if (typeof value === 'bigint') return { type: 'integer', run: () => value };
  if (typeof value === 'boolean') return { type: 'boolean', run: () => value };
  if (value === null) return { type: 'null', run: () => null };
  if (typeof value === 'number') {
    // The parser made a float of it; the digits are read again from the text, so that none is lost.
    const exact = Decimal.parse(context.source.slice(node.range.start, node.range.end).replace(/^\./, '0.'));
    return exact ? { type: 'decimal', run: () => exact } : problem(context, node, { code: 'E200', message: 'the number is out of range' });
  }
  return problem(context, node, { code: 'E215', message: 'unsigned numbers and byte literals do not exist', label: 'write a plain number or text' });
}

function variable(name: string, range: { readonly start: number; readonly end: number }, context: Context): Part {
  const local = context.locals.get(name);
  if (local) return { type: local.type, run: ({ locals }) => locals[local.slot] ?? null };
  const type = context.scope.get(name);
  if (type === undefined) {
    const known = [...context.scope.keys(), ...context.locals.keys()];
    const near = nearest(name, known);
    return problem(context, undefined, {
      code: 'E210',
      range,
      message: `unknown variable \`${name}\``,
      label: 'not known here',
      help: near ? `did you mean \`${near}\`?` : `if it is text, write "${name}" in quotes`,
      note: `known: ${known.join(' ')}`,
    });
  }
  return { type, run: ({ variables }) => variables[name] ?? null };
}

/** `target.name`, also for `target["name"]`. */
function field(node: ASTNode, targetNode: ASTNode, name: string, range: { readonly start: number; readonly end: number }, context: Context): Part {
  const target = compilePart(targetNode, context);
  const type = fieldType(target.type, name, sourceOf(targetNode, context), range, context);
  if (!type) return broken;
  return { type: type.type, run: fieldReader(target.run, name, type.optional, sourceOf(targetNode, context), sourceOf(node, context)) };
}

function fieldReader(target: Evaluate, name: string, optional: boolean, targetSource: string, source: string): Evaluate {
  // Records of an adapter may have a prototype: `constructor` and its like must be own fields.
  const inherited = name in Object.prototype;
  return (bindings) => {
    const base = target(bindings);
    if (!isRecord(base)) return fail(base === null ? 'E312' : 'E313', `${source}: ${targetSource} is ${kindOf(base)}`);
    const value = base[name];
    if (value !== undefined && !(inherited && !Object.hasOwn(base, name))) return value;
    return optional ? null : fail('E310', `${source} is missing`);
  };
}

function index(node: Extract<ASTNode, { op: '[]' }>, context: Context): Part {
  const [targetNode, keyNode] = node.args;
  if (keyNode.op === 'value' && typeof keyNode.args === 'string') return field(node, targetNode, keyNode.args, keyNode.range, context);
  const target = compilePart(targetNode, context);
  const key = compilePart(keyNode, context);
  const source = sourceOf(node, context);
  const keyed = isListType(target.type) ? 'integer' : 'text';
  if (target.type !== 'any' && !isListType(target.type) && !isRecordType(target.type))
    return problem(context, node, { code: 'E213', message: `\`[]\` does not exist for ${nameOf(target.type)}` });
  if (target.type !== 'any' && key.type !== 'any' && key.type !== keyed)
    return problem(context, keyNode, { code: 'E213', message: `an index of ${nameOf(target.type)} is ${keyed}, not ${nameOf(key.type)}` });
  const type = isListType(target.type) ? target.type.list : isRecordType(target.type) ? (target.type.others ?? 'any') : 'any';
  return { type, run: (bindings) => element(target.run(bindings), key.run(bindings), source) };
}

function element(base: Value, key: Value, source: string): Value {
  const list = Array.isArray(base) ? (base as readonly Value[]) : undefined;
  if (list && typeof key === 'bigint') {
    const found = key >= 0n && key < BigInt(list.length) ? list[Number(key)] : undefined;
    return found === undefined ? fail('E310', `${source} is missing: the list has ${list.length} elements`) : found;
  }
  if (isRecord(base) && typeof key === 'string') {
    const found = Object.hasOwn(base, key) ? base[key] : undefined;
    return found === undefined ? fail('E310', `${source} is missing`) : found;
  }
  return fail(base === null ? 'E312' : 'E313', `${source}: ${kindOf(base)} has no element by ${kindOf(key)}`);
}

function choice(node: Extract<ASTNode, { op: '?:' }>, context: Context): Part {
  const test = condition(node.args[0], context);
  const yes = compilePart(node.args[1], context);
  const no = compilePart(node.args[2], context);
  return { type: join(yes.type, no.type), run: (bindings) => (test(bindings) ? yes.run(bindings) : no.run(bindings)) };
}

/** Left to right: the right side is not looked at when the left decides. Other than in the CEL specification an error on the left is an error, never absorbed by the right. */
function logic(node: Extract<ASTNode, { op: '&&' | '||' }>, context: Context): Part {
  const left = condition(node.args[0], context);
  const right = condition(node.args[1], context);
  return { type: 'boolean', run: node.op === '&&' ? (bindings) => left(bindings) && right(bindings) : (bindings) => left(bindings) || right(bindings) };
}

function not(node: Extract<ASTNode, { op: '!_' }>, context: Context): Part {
  const test = condition(node.args, context);
  return { type: 'boolean', run: (bindings) => !test(bindings) };
}

function negated(node: Extract<ASTNode, { op: '-_' }>, context: Context): Part {
  const part = compilePart(node.args, context);
  const source = sourceOf(node, context);
  if (part.type !== 'any' && !isNumeric(part.type)) return problem(context, node, { code: 'E213', message: `\`-\` does not exist for ${nameOf(part.type)}` });
  return {
    type: part.type,
    run: (bindings) => {
      const value = part.run(bindings);
      if (typeof value === 'bigint') return -value;
      return value instanceof Decimal ? value.negated() : fail(value === null ? 'E312' : 'E313', `${source}: ${kindOf(value)} is no number`);
    },
  };
}

function list(nodes: readonly ASTNode[], context: Context): Part {
  const parts = nodes.map((node) => compilePart(node, context));
  const type = parts.map((part) => part.type).reduce((a, b) => join(a, b), 'null' as Type);
  const runs = parts.map((part) => part.run);
  if (nodes.every((node) => node.op === 'value')) {
    const fixed = runs.map((run) => run(noBindings));
    return { type: { list: type === 'null' ? 'any' : type }, run: () => fixed };
  }
  return { type: { list: type === 'null' ? 'any' : type }, run: (bindings) => runs.map((run) => run(bindings)) };
}

function record(entries: readonly [ASTNode, ASTNode][], context: Context): Part {
  const fields = entries.map(([key, value]) => {
    if (key.op !== 'value' || typeof key.args !== 'string') problem(context, key, { code: 'E215', message: 'the names of a record are text literals' });
    return { name: String(key.op === 'value' ? key.args : ''), part: compilePart(value, context) };
  });
  const known = new Map(fields.map(({ name, part }) => [name, { type: part.type, optional: false }]));
  return {
    type: { name: 'record', fields: () => known },
    run: (bindings) => {
      const made = newRecord();
      for (const { name, part } of fields) made[name] = part.run(bindings);
      return made;
    },
  };
}

const noBindings: Bindings = { now: new Date(0), variables: {}, locals: [], with: () => noBindings };
