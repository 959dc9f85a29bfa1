import { RE2JS } from '@bufbuild/re2';
import type { ASTNode } from '@marcbachmann/cel-js';
import { nearest } from '../../bus/finding.js';
import { isRecord, type Value } from '../../bus/value.js';
import { accepts, type FunctionDefinition, functions, type Parameter } from './functions.js';
import { type Bindings, type Evaluate, fail, limits } from './runtime.js';
import { broken, type Context, condition, fieldType, type Part, problem, sourceOf } from './scope.js';
import { isListType, isRecordType, kindOf, nameOf, type Type } from './type.js';

export const macros: ReadonlySet<string> = new Set(['exists', 'all', 'exists_one', 'filter', 'map']);
const known = [...functions.keys(), 'has', 'rx', ...macros];

/** `name(arguments)`, or `first.name(rest)`. */
export function compileCall(node: ASTNode, name: string, args: readonly ASTNode[], context: Context): Part {
  if (name === 'matches') return problem(context, node, { code: 'E202', message: 'matches() is not available', help: 'use rx(text, "pattern")' });
  if (name === 'rx') return searched(node, args, context);
  const definition = functions.get(name);
  if (!definition) return unknownFunction(node, name, args, context);
  const parts = args.map((argument) => context.compile(argument, context));
  if (args.length < definition.required || args.length > definition.parameters.length) {
    const wanted = definition.required === definition.parameters.length ? `${definition.required}` : `${definition.required} to ${definition.parameters.length}`;
    return problem(context, node, { code: 'E204', message: `${name}() takes ${wanted} arguments, not ${args.length}` });
  }
  for (const [i, part] of parts.entries()) {
    const parameter = definition.parameters[i] ?? [];
    if (!fits(part.type, parameter)) {
      return problem(context, args[i] ?? node, {
        code: 'E205',
        message: `${name}() takes ${parameter.join(' or ')} here, not ${nameOf(part.type)}`,
        ...(parameter.includes('text') ? { help: 'write text(...) around it' } : {}),
      });
    }
  }
  return { type: definition.result(parts.map((part) => part.type)), run: caller(name, definition, parts, sourceOf(node, context)) };
}

function unknownFunction(node: ASTNode, name: string, args: readonly ASTNode[], context: Context): Part {
  // `has.x` and `cel.bind` arrive here too; the arguments are not looked at, because the name decides what they mean.
  const near = nearest(name, known);
  return problem(context, node, {
    code: 'E204',
    message: `unknown function \`${name}\` with ${args.length} arguments`,
    ...(near ? { help: `did you mean \`${near}\`?` } : {}),
    note: `known: ${known.join(' ')}`,
  });
}

function fits(type: Type, parameter: Parameter): boolean {
  if (type === 'any' || type === 'null' || parameter.includes('any')) return true;
  if (isListType(type)) return parameter.includes('list');
  if (isRecordType(type)) return parameter.includes('record');
  return parameter.includes(type);
}

function caller(name: string, definition: FunctionDefinition, parts: readonly Part[], source: string): Evaluate {
  const runs = parts.map((part) => part.run);
  const { parameters, nulls, run } = definition;
  return (bindings) => {
    const values: Value[] = [];
    for (let i = 0; i < runs.length; i++) {
      const value = runs[i]?.(bindings) ?? null;
      if (value === null) {
        if (nulls === 'pass') return null;
        return fail('E312', `${source}: an argument of ${name}() is null`);
      }
      if (!accepts(parameters[i] ?? [], value)) return fail('E313', `${source}: ${name}() does not take ${kindOf(value)}`);
      if (typeof value === 'string' && value.length > limits.text) return fail('E315', `${source}: a text of ${value.length} characters`);
      values.push(value);
    }
    return run(values, bindings, source);
  };
}

/** `rx(text, "pattern")`: RE2, whose time grows with the text and never with the pattern's ambiguity. */
function searched(node: ASTNode, args: readonly ASTNode[], context: Context): Part {
  const [textNode, patternNode] = args;
  if (!textNode || !patternNode || args.length !== 2) return problem(context, node, { code: 'E204', message: `rx() takes 2 arguments, not ${args.length}` });
  const text = context.compile(textNode, context);
  if (!fits(text.type, ['text'])) return problem(context, textNode, { code: 'E205', message: `rx() takes text here, not ${nameOf(text.type)}`, help: 'write text(...) around it' });
  if (patternNode.op !== 'value' || typeof patternNode.args !== 'string')
    return problem(context, patternNode, { code: 'E203', message: 'the pattern of rx() must be a text literal' });
  const pattern = patternNode.args;
  const engine = compilePattern(pattern);
  if (typeof engine === 'string') return problem(context, patternNode, { code: 'E203', message: `the pattern of rx() is not usable: ${engine}` });
  const source = sourceOf(node, context);
  return {
    type: 'boolean',
    run: (bindings) => {
      const value = text.run(bindings);
      if (typeof value !== 'string') return fail(value === null ? 'E312' : 'E313', `${source}: the text is ${kindOf(value)}`);
      if (value.length > limits.searched) return fail('E315', `${source}: a text of ${value.length} characters`);
      return engine.test(value);
    },
  };
}

function compilePattern(pattern: string): RE2JS | string {
  if (pattern.length > limits.pattern) return `it has more than ${limits.pattern} characters`;
  // The engine repeats what stands before {n}; large counts would make the compiled program large.
  if ([...pattern.matchAll(/\{(\d+)(?:,(\d*))?\}/g)].some(([, from = '', to = '']) => Math.max(Number(from), Number(to)) > 250)) return 'a repetition of more than 250';
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    return Error.isError(error) ? (error as Error).message : String(error);
  }
}

/** `has(a.b)`: the field is there and is not null. */
export function compileHas(node: Extract<ASTNode, { op: 'call' }>, context: Context): Part {
  const [argument] = node.args[1];
  const path = argument && accessOf(argument);
  if (!path || node.args[1].length !== 1) return problem(context, node, { code: 'E204', message: 'has() takes one field, such as has(record.NOTE)' });
  const target = context.compile(path.target, context);
  if (!fieldType(target.type, path.name, sourceOf(path.target, context), path.range, context)) return broken;
  return {
    type: 'boolean',
    run: (bindings) => {
      const base = target.run(bindings);
      return isRecord(base) && Object.hasOwn(base, path.name) && base[path.name] !== null;
    },
  };
}

function accessOf(node: ASTNode): { readonly target: ASTNode; readonly name: string; readonly range: { readonly start: number; readonly end: number } } | undefined {
  if (node.op === '.') return { target: node.args[0], name: node.args[1], range: { start: node.range.end - node.args[1].length, end: node.range.end } };
  if (node.op === '[]' && node.args[1].op === 'value' && typeof node.args[1].args === 'string') return { target: node.args[0], name: node.args[1].args, range: node.args[1].range };
  return undefined;
}

/** `list.exists(x, condition)` and its like. */
export function compileMacro(node: Extract<ASTNode, { op: 'rcall' }>, context: Context): Part {
  const [name, targetNode, args] = node.args;
  const target = context.compile(targetNode, context);
  const [nameNode, bodyNode, resultNode] = args;
  const source = sourceOf(node, context);
  if (!nameNode || !bodyNode || args.length > (name === 'map' ? 3 : 2) || nameNode.op !== 'id')
    return problem(context, node, { code: 'E204', message: `${name}() takes a name and an expression: ${sourceOf(targetNode, context)}.${name}(x, ...)` });
  if (context.locals.size > 0) return problem(context, node, { code: 'E201', message: `${name}() inside another exists, all, filter or map`, help: 'split the message first' });
  if (target.type !== 'any' && !isListType(target.type)) return problem(context, targetNode, { code: 'E213', message: `${name}() needs a list, not ${nameOf(target.type)}` });
  if (context.scope.has(nameNode.args)) return problem(context, nameNode, { code: 'E242', message: `\`${nameNode.args}\` is a variable already` });
  const slot = 0;
  const inner: Context = { ...context, locals: new Map([[nameNode.args, { slot, type: isListType(target.type) ? target.type.list : 'any' }]]) };
  const elements = (bindings: Bindings): readonly Value[] => {
    const list = target.run(bindings);
    if (!Array.isArray(list)) return fail(list === null ? 'E312' : 'E313', `${source}: ${kindOf(list)} is no list`);
    return list.length > limits.list ? fail('E315', `${source}: a list of ${list.length} elements`) : list;
  };
  if (name === 'map') {
    const test = resultNode ? condition(bodyNode, inner) : () => true;
    const result = inner.compile(resultNode ?? bodyNode, inner);
    return { type: { list: result.type }, run: (bindings) => over(elements(bindings), bindings, slot, test).map((element) => with1(bindings, slot, element, result.run)) };
  }
  const test = condition(bodyNode, inner);
  if (name === 'filter') return { type: isListType(target.type) ? target.type : { list: 'any' }, run: (bindings) => over(elements(bindings), bindings, slot, test) };
  const at = (bindings: Bindings, element: Value) => with1(bindings, slot, element, test);
  if (name === 'exists') return { type: 'boolean', run: (bindings) => elements(bindings).some((element) => at(bindings, element)) };
  if (name === 'all') return { type: 'boolean', run: (bindings) => elements(bindings).every((element) => at(bindings, element)) };
  return { type: 'boolean', run: (bindings) => over(elements(bindings), bindings, slot, test).length === 1 };
}

function over(list: readonly Value[], bindings: Bindings, slot: number, test: (bindings: Bindings) => boolean): readonly Value[] {
  return list.filter((element) => with1(bindings, slot, element, test));
}

function with1<T>(bindings: Bindings, slot: number, element: Value, run: (bindings: Bindings) => T): T {
  bindings.locals[slot] = element;
  return run(bindings);
}
