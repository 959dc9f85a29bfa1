// What an index can know about a condition: equality or `in` with literals, on typed fields of the message, standing in front.
import { Decimal } from '../../bus/decimal.js';
import type { Value } from '../../bus/value.js';
import type { Expression, SyntaxNode } from '../expression/expression.js';
import type { Scope } from '../expression/scope.js';
import { isRecordType, type Type } from '../expression/type.js';

/** The condition can be true only when the field has one of these values. */
export interface Access {
  readonly variable: string;
  readonly field: string;
  /** As `keyOf` writes them, so that 1, 1.0 and "1" are told apart as the language does. */
  readonly keys: readonly string[];
}

const INDEXED: ReadonlySet<Type> = new Set<Type>(['text', 'integer', 'decimal', 'number', 'boolean', 'date']);

/**
 * The accesses in the leading conjuncts of a condition. Only leading ones that cannot fail: what the index leaves out, evaluation from
 * left to right would have found false as well, and never an error.
 */
export function accessesOf(condition: Expression, scope: Scope): readonly Access[] {
  const accesses: Access[] = [];
  for (const conjunct of conjuncts(condition.tree)) {
    const access = accessOf(conjunct, condition.source, scope);
    if (!access) break;
    accesses.push(access);
  }
  return accesses;
}

export function keyOf(value: Value): string | undefined {
  if (typeof value === 'string') return `t${value}`;
  if (typeof value === 'bigint') return `n${value}`;
  if (typeof value === 'boolean') return `b${value}`;
  if (!(value instanceof Decimal)) return undefined;
  const text = value.toString();
  return `n${text.includes('.') ? text.replace(/\.?0+$/, '') : text}`.replace(/^n-0$/, 'n0');
}

function conjuncts(node: SyntaxNode): readonly SyntaxNode[] {
  return node.op === '&&' ? [...conjuncts(node.args[0]), ...conjuncts(node.args[1])] : [node];
}

function accessOf(node: SyntaxNode, source: string, scope: Scope): Access | undefined {
  if (node.op === 'in') {
    const field = fieldOf(node.args[0], scope);
    const list = node.args[1];
    if (!field || list.op !== 'list') return undefined;
    const keys = list.args.map((element) => literalKey(element, source));
    return keys.includes(undefined) ? undefined : { ...field, keys: [...new Set(keys.filter((key) => key !== undefined))] };
  }
  if (node.op !== '==') return undefined;
  const [left, right] = node.args;
  const field = fieldOf(left, scope) ?? fieldOf(right, scope);
  const key = literalKey(fieldOf(left, scope) ? right : left, source);
  return field && key !== undefined ? { ...field, keys: [key] } : undefined;
}

function fieldOf(node: SyntaxNode, scope: Scope): { readonly variable: string; readonly field: string } | undefined {
  if (node.op !== '.' || node.args[0].op !== 'id') return undefined;
  const [{ args: variable }, field] = [node.args[0], node.args[1]];
  const type = scope.get(variable);
  const known = type !== undefined && isRecordType(type) ? type.fields().get(field) : undefined;
  return known && INDEXED.has(known.type) ? { variable, field } : undefined;
}

function literalKey(node: SyntaxNode, source: string): string | undefined {
  if (node.op === '-_') {
    const key = literalKey(node.args, source);
    return key?.startsWith('n') ? (key === 'n0' ? key : `n-${key.slice(1)}`) : undefined;
  }
  if (node.op !== 'value') return undefined;
  const value = node.args;
  if (typeof value === 'number') return keyOf(Decimal.parse(source.slice(node.range.start, node.range.end).replace(/^\./, '0.')) ?? null);
  return typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean' ? keyOf(value) : undefined;
}
