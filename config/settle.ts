// From findings to diagnostics: placed, each problem once, without echoes, and without showing a secret.
import type { Finding } from '../bus/finding.js';
import type { Check } from './check.js';
import { type Diagnostic, type Place, type Sources, sortDiagnostics } from './diagnostics.js';

/** Places the findings. What a broken file seems to say is left out, and a warning where there is an error already. */
export function settle(diagnostics: readonly Diagnostic[], check: Check): Diagnostic[] {
  const seen = new Set<string>();
  const all = [...diagnostics];
  const refused = new Set(diagnostics.filter(({ code }) => code === 'E105').map(placeKey));
  const misfits = new Set<string>();
  for (const finding of check.findings) {
    if (isEcho(finding, check.findings) || check.tree.isBroken(finding.path) || (check.resolver.isPoisoned(finding.path) && !isReference(finding))) continue;
    const { path, atKey, range, ...rest } = finding;
    const place = check.tree.place(finding, check.resolver.isSubstituted(path));
    // One problem with a value is enough, and what was refused as YAML has no value.
    const key = placeKey(place);
    if (place.line > 0 && (refused.has(key) || (finding.code === 'E106' && misfits.has(key)))) continue;
    if (finding.code === 'E106') misfits.add(key);
    all.push({ ...rest, ...place });
  }
  const wrong = new Map(all.filter(({ severity }) => severity === 'error').map((error) => [placeKey(error), error]));
  const fixes = new Map(all.flatMap((diagnostic) => (diagnostic.fix === undefined ? [] : [[placeKey(diagnostic), diagnostic] as const])));
  const kept = all.flatMap((diagnostic) => {
    const error = wrong.get(placeKey(diagnostic));
    if (diagnostic.fix !== undefined && diagnostic.severity === 'warning' && error && error.line > 0) return [];
    const fix = fixes.get(placeKey(diagnostic))?.fix;
    if (diagnostic.fix !== undefined || fix === undefined || diagnostic.line === 0 || !/expected text/.test(diagnostic.message)) return [diagnostic];
    const { help: _, ...rest } = diagnostic;
    return [{ ...rest, fix }];
  });
  return sortDiagnostics(kept).filter((diagnostic) => {
    const key = `${placeKey(diagnostic)} ${diagnostic.code} ${diagnostic.message}`;
    return !seen.has(key) && seen.add(key);
  });
}

/** What another finding already says, or would not be said once that is mended: one mistake is reported once. */
function isEcho({ code, path }: Finding, all: readonly Finding[]): boolean {
  if (code === 'E107') return all.some((other) => other.code === 'E104' && isSibling(other.path, path) && other.help === `did you mean \`${String(path.at(-1))}\`?`);
  // A lint over options of which one is wrong.
  if (code === 'E118')
    return all.some((other) => (other.code === 'E104' || other.code === 'E106' || other.code === 'E107') && other.path[0] === path[0] && other.path[1] === path[1]);
  if (code === 'W201') return all.some((other) => other.code === 'E221' && other.path.at(-1) === 'subscribe');
  return code === 'W202' && all.some((other) => other.code === 'E233');
}

function isSibling(one: Finding['path'], other: Finding['path']): boolean {
  return one.length === other.length && one.slice(0, -1).every((step, at) => step === other[at]);
}

function placeKey({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`;
}

function isReference(finding: Finding): boolean {
  return finding.code === 'E111' || finding.code === 'E112' || finding.code === 'E114';
}

/** What was written where a secret belongs must not be shown with the line it stands in. */
export function masked(sources: Map<string, string>, check: Check): Sources {
  for (const finding of check.findings) {
    const isMistyped = finding.code === 'E104' && /pas+w|secret|token|bearer|api_?key|private/i.test(String(finding.path.at(-1)));
    const at = finding.code === 'E113' || isMistyped ? check.tree.spanAt(finding.path) : undefined;
    const text = at && sources.get(at.source.path);
    if (!at || text === undefined) continue;
    const value = text.slice(at.span.start, at.span.end);
    if (!value.includes('${')) sources.set(at.source.path, text.slice(0, at.span.start) + value.replace(/[^\s"']/g, '*') + text.slice(at.span.end));
  }
  return sources;
}
