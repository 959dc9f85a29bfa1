import type { LogFields } from '../../adapters/contract/services.js';

const WINDOW_MS = 60_000;
/** So many lines of one kind are written in a window before they are only counted. */
const SHOWN = 5;

/**
 * Folds what repeats: a thousand dead letters with one cause are five lines and a count, not a thousand lines. Kinds are made of names of the
 * configuration and codes, never of ids or texts, so their number is bounded. The count comes with the first line after the window.
 */
export class Repeats {
  private readonly kinds = new Map<string, { since: number; count: number }>();

  /** @returns undefined when the line is only counted; else how many were not written before it */
  take(event: string, fields: LogFields, now: number): { readonly folded: number } | undefined {
    const key = [event, fields['endpoint'], fields['route'], fields['rule'], fields['code']].join(' ');
    const known = this.kinds.get(key);
    if (known && now - known.since < WINDOW_MS) {
      known.count++;
      return known.count > SHOWN ? undefined : { folded: 0 };
    }
    this.kinds.set(key, { since: now, count: 1 });
    return { folded: Math.max(0, (known?.count ?? 0) - SHOWN) };
  }
}
