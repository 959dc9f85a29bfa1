import { type ASTNode, Environment } from '@marcbachmann/cel-js';
import { compilePart } from './parts.js';
import { type Bindings, type Evaluate, fail } from './runtime.js';
import { type Context, type ExpressionFinding, problem, type Scope } from './scope.js';
import { isListType, isRecordType, kindOf, nameOf, type Type } from './type.js';

/** What the place of an expression asks for; `key` is text or a number, `any` is checked by whoever uses the value. */
export type Expected = 'boolean' | 'list' | 'key' | 'any';

/** A node of the parsed expression, as the library's parser gives it. */
export type SyntaxNode = ASTNode;

export type CompiledExpression = ExpressionProblems | Expression;

export interface ExpressionProblems {
  readonly findings: readonly ExpressionFinding[];
  readonly evaluate?: undefined;
}

export interface Expression {
  readonly findings: readonly [];
  readonly source: string;
  readonly type: Type;
  /** The syntax tree, for the rule index. */
  readonly tree: SyntaxNode;
  /**
   * Gives the value; the result is data and is never evaluated again. Synchronous, no side effects, time bounded by the limits of expressions.
   * @throws InvalidMessage for what the message contains
   */
  readonly evaluate: Evaluate;
}

// Only the parser of the library is used. Checks and evaluation are ours: exact decimals, null apart from missing, errors with
// codes and places, and closures instead of an interpreter, which are several times as fast.
const parser = new Environment({ limits: { maxAstNodes: 400, maxDepth: 24, maxListElements: 400, maxMapEntries: 200, maxCallArguments: 8 } });

/** Parses, checks and compiles one expression, when the configuration is loaded. Never throws for what the source says. */
export function compileExpression(source: string, scope: Scope, expected: Expected): CompiledExpression {
  const tree = parse(source);
  if (!('op' in tree)) return { findings: [tree] };
  const context: Context = { source, findings: [], locals: new Map(), scope, compile: compilePart };
  const part = compilePart(tree, context);
  if (context.findings.length === 0 && !satisfies(part.type, expected)) {
    problem(context, tree, {
      code: 'E214',
      message: `\`${source.slice(0, 120)}\` is ${nameOf(part.type)}, not ${wanted[expected]}`,
      ...(expected === 'boolean' ? { label: 'compare it with something' } : {}),
    });
  }
  if (context.findings.length > 0) return { findings: context.findings };
  const evaluate = checked(part, expected, source);
  return {
    findings: [],
    source,
    type: part.type,
    tree,
    evaluate: (bindings) => {
      bindings.steps = 0;
      return evaluate(bindings);
    },
  };
}

const wanted: Readonly<Record<Expected, string>> = { boolean: 'true or false', list: 'a list', key: 'text or a number', any: 'a value' };

function parse(source: string): ASTNode | ExpressionFinding {
  try {
    return parser.parse(source).ast;
  } catch (error) {
    return syntaxProblem(error, source);
  }
}

function syntaxProblem(error: unknown, source: string): ExpressionFinding {
  const { summary, code, range } = typeof error === 'object' && error !== null ? (error as { summary?: unknown; code?: unknown; range?: { start: number; end: number } }) : {};
  const text = typeof summary === 'string' ? summary : Error.isError(error) ? ((error as Error).message.split('\n')[0] ?? '') : String(error);
  const at = range && { start: Math.min(range.start, source.length), end: Math.min(Math.max(range.end, range.start + 1), source.length) };
  if (code === 'limit_exceeded')
    return { severity: 'error', code: 'E201', message: `the expression is too large: ${text.toLowerCase()}`, ...(at && at.start > 0 ? { range: at } : {}) };
  const reserved = /^Reserved identifier: (\w+)/.exec(text) ?? (/Unexpected token: IN\b/.test(text) ? ['', 'in'] : null);
  const help = reserved ? { help: reserved[1] === 'in' ? 'an inbound record is `record`' : `\`${reserved[1]}\` is a reserved word of CEL` } : syntaxHelp(text, source);
  return { severity: 'error', code: 'E200', message: `the expression is not understood: ${text.charAt(0).toLowerCase()}${text.slice(1)}`, ...(at ? { range: at } : {}), ...help };
}

/** What people write who know other languages. */
function syntaxHelp(text: string, source: string): { readonly help?: string } {
  if (/unterminated string/i.test(text)) return { help: 'text begins and ends with the same quote' };
  if (/(^|[^=!<>])=([^=]|$)/.test(source)) return { help: 'equal is `==`' };
  if (/<>/.test(source)) return { help: 'not equal is `!=`' };
  if (/\s(and|or|not)\s/i.test(` ${source} `)) return { help: 'and is `&&`, or is `||`, not is `!`' };
  return {};
}

function satisfies(type: Type, expected: Expected): boolean {
  if (expected === 'any' || type === 'any') return true;
  if (expected === 'boolean') return type === 'boolean';
  if (expected === 'list') return isListType(type);
  return !isListType(type) && !isRecordType(type) && type !== 'boolean' && type !== 'bytes' && type !== 'null';
}

/** Whatever could be decided only at run time is decided there, so that a condition is always true or false. */
function checked(part: { readonly type: Type; readonly run: Evaluate }, expected: Expected, source: string): Evaluate {
  if (expected === 'any' || (expected === 'boolean' && part.type === 'boolean') || expected === 'key') return part.run;
  const accepted = (kind: string) => kind === expected;
  return (bindings: Bindings) => {
    const value = part.run(bindings);
    const kind = kindOf(value);
    if (accepted(kind)) return value;
    return fail(value === null ? 'E312' : 'E313', `${source.slice(0, 120)} is ${kind}, not ${wanted[expected]}`);
  };
}
