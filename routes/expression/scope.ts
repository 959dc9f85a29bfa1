import type { ASTNode } from '@marcbachmann/cel-js';
import { type Finding, nearest } from '../../bus/finding.js';
import { type Bindings, type Evaluate, fail } from './runtime.js';
import { isListType, isRecordType, kindOf, nameOf, type RecordField, type RecordType, type Type } from './type.js';

/** The variables an expression may use, by name. */
export type Scope = ReadonlyMap<string, Type>;

/** A problem within one expression; whoever knows where the expression stands adds the path. */
export type ExpressionFinding = Omit<Finding, 'path'>;

/** A compiled part of an expression: what it gives, and how. */
export interface Part {
  readonly type: Type;
  readonly run: Evaluate;
  /** Set for a text literal. */
  readonly literal?: string;
}

/** What the parts of one expression share while they are compiled. */
export interface Context {
  readonly source: string;
  readonly findings: ExpressionFinding[];
  /** Elements of exists, all, filter and map around this place: their slot and type. */
  readonly locals: ReadonlyMap<string, { readonly slot: number; readonly type: Type }>;
  readonly scope: Scope;
  /** Compiles one part of the tree (`compilePart`); here, so that the files of the language need not import each other in a circle. */
  readonly compile: (node: ASTNode, context: Context) => Part;
}

/** Stands in for a part with a problem, so that the rest is checked too. */
export const broken: Part = { type: 'any', run: () => null };

export function problem(context: Context, node: Pick<ASTNode, 'range'> | undefined, finding: Omit<ExpressionFinding, 'severity'>): Part {
  context.findings.push({ severity: 'error', ...(node ? { range: { start: node.range.start, end: node.range.end } } : {}), ...finding });
  return broken;
}

export function sourceOf(node: ASTNode, context: Context): string {
  const text = context.source.slice(node.range.start, node.range.end);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

/** The part as a condition; a finding when it can never be one. */
export function condition(node: ASTNode, context: Context): (bindings: Bindings) => boolean {
  const part = context.compile(node, context);
  const source = sourceOf(node, context);
  if (part.type !== 'boolean' && part.type !== 'any') {
    problem(context, node, { code: 'E214', message: `\`${source}\` is ${nameOf(part.type)}, not true or false`, label: 'compare it with something' });
  }
  const run = part.run;
  return (bindings) => {
    const value = run(bindings);
    return typeof value === 'boolean' ? value : fail(value === null ? 'E312' : 'E313', `${source} is ${kindOf(value)}, not true or false`);
  };
}

/** Type of a field that an expression reads; a finding when there is no such field. */
export function fieldType(target: Type, name: string, source: string, range: { readonly start: number; readonly end: number }, context: Context): RecordField | undefined {
  if (target === 'any' || target === 'null') return { type: 'any', optional: false };
  if (!isRecordType(target)) {
    problem(context, undefined, {
      code: 'E211',
      range,
      message: `\`${source}\` is ${nameOf(target)} and has no fields`,
      ...(isListType(target) ? { help: `use ${source}.exists(x, x.${name} == ...) or ${source}[0].${name}` } : {}),
    });
    return undefined;
  }
  const found = target.fields().get(name);
  if (found) return found;
  if (target.others) return { type: target.others, optional: false };
  unknownField(target, name, range, context);
  return undefined;
}

function unknownField(target: RecordType, name: string, range: { readonly start: number; readonly end: number }, context: Context): void {
  const known = [...target.fields().keys()];
  const near = nearest(name, known);
  problem(context, undefined, {
    code: 'E211',
    range,
    message: `unknown field \`${name}\` in ${target.name}`,
    label: `not in ${target.origin ?? target.name}`,
    ...(near ? { help: `did you mean \`${near}\`?` } : {}),
    note: `known: ${known.join(' ')}`,
  });
}
