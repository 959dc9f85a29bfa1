import type { Code } from './codes/index.js';

/**
 * A problem found in the configuration before anything runs, placed in the configuration's tree. Whoever loaded the files
 * turns it into file, line, column and caret.
 */
export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly code: Code;
  /** Path in the merged configuration: `['routes', 'orders-in', 'map', 'country', 'from']`. */
  readonly path: readonly (string | number)[];
  /** Place at the key itself instead of its value (an unknown key). */
  readonly atKey?: boolean;
  /** Part of the text at `path`, in UTF-16 code units of the value (not of the YAML source); absent means all of it. */
  readonly range?: { readonly start: number; readonly end: number };
  /** "unknown column `CTRYY` in legacy.orders" */
  readonly message: string;
  /** Short text behind the caret: "not in ORD_HEAD". */
  readonly label?: string;
  /** "did you mean `CTRY`?" */
  readonly help?: string;
  /** What is there: "known: ORD_NO CUST CTRY". */
  readonly note?: string;
}

/** Names near `name` by edit distance (Damerau-Levenshtein, at most a third of its length), best first. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = candidate.toLowerCase() === name.toLowerCase() ? 0.5 : editDistance(name, candidate, bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let distance = Math.min((row[j - 1] ?? 0) + 1, (above[j] ?? 0) + 1, (above[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) distance = Math.min(distance, (before[j - 2] ?? 0) + 1);
      row.push(distance);
    }
    before = above;
    above = row;
  }
  return above[b.length] ?? limit;
}
