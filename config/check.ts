// Checks parts of the merged tree against schemas and collects what is wrong.
import { z } from 'zod';
import type { Finding } from '../bus/finding.js';
import { findingsOf } from './issues.js';
import type { MergedTree } from './merge.js';
import type { Resolver } from './references.js';
import { alternatives, schemasAt } from './schema-walk.js';
import type { Path } from './tree.js';

export class Check {
  readonly findings: Finding[] = [];

  constructor(
    readonly tree: MergedTree,
    readonly resolver: Resolver,
  ) {}

  report(finding: Finding): void {
    this.findings.push(finding);
  }

  /** What `schema` makes of the value; undefined when it is wrong, which is then reported. */
  parse<T>(schema: z.ZodType<T>, path: Path, value: unknown = this.resolver.value(path), extraKeys: readonly string[] = []): T | undefined {
    let result = schema.safeParse(value);
    if (!result.success) {
      const retyped = this.#retype(schema, path, value, result.error.issues);
      if (retyped) result = schema.safeParse(value);
    }
    if (result.success) return result.data;
    for (const finding of findingsOf(result.error.issues, schema, value, path, extraKeys)) {
      if (!this.resolver.isPoisoned(finding.path)) this.report(finding);
    }
    return undefined;
  }

  /** The value is a mapping: its entries without `common`, and those by themselves. Anything else is reported. */
  split(path: Path, common: ReadonlySet<string>): { readonly own: Record<string, unknown>; readonly shared: Record<string, unknown> } | undefined {
    const value = this.resolver.value(path) ?? {};
    const record = this.parse(z.record(z.string(), z.unknown()), path, value);
    if (!record) return undefined;
    const own: Record<string, unknown> = {};
    const shared: Record<string, unknown> = {};
    for (const [key, each] of Object.entries(record)) (common.has(key) ? shared : own)[key] = each;
    return { own, shared };
  }

  /** The environment has text only: `"${PORT}"` is read as the number or truth value the option takes. */
  #retype(schema: z.ZodType, path: Path, value: unknown, issues: readonly z.core.$ZodIssue[]): boolean {
    let changed = false;
    for (const { code, path: at } of issues.flatMap(withinUnions)) {
      const steps = at.filter((step): step is string | number => typeof step !== 'symbol');
      const key = steps.at(-1);
      if (code !== 'invalid_type' || key === undefined || !this.resolver.isSubstituted([...path, ...steps])) continue;
      const parent = steps.slice(0, -1).reduce<unknown>((at, step) => (typeof at === 'object' && at !== null ? (at as Record<string | number, unknown>)[step] : undefined), value);
      if (typeof parent !== 'object' || parent === null) continue;
      const record = parent as Record<string | number, unknown>;
      const text = record[key];
      const types = schemasAt(schema, steps)
        .flatMap(alternatives)
        .map((each) => (each as z.core.$ZodTypes)._zod.def.type);
      if (typeof text !== 'string') continue;
      if (types.includes('number') && /^-?\d{1,15}(\.\d{1,6})?$/.test(text)) record[key] = Number(text);
      else if (types.includes('boolean') && /^(true|false)$/.test(text)) record[key] = text === 'true';
      else continue;
      changed = true;
    }
    return changed;
  }
}

/** What is wrong inside each alternative of a union counts too. */
function withinUnions(issue: z.core.$ZodIssue): readonly { readonly code: string; readonly path: readonly PropertyKey[] }[] {
  if (issue.code !== 'invalid_union') return [issue];
  return issue.errors
    .flat()
    .flatMap(withinUnions)
    .map((inner) => ({ code: inner.code, path: [...issue.path, ...inner.path] }));
}
