import { describe } from '../errors.js';

/** Who did something by hand, and why. */
export interface By {
  readonly who: string;
  readonly reason?: string;
}

/** `anna: customer unblocked`. */
export function wordsOf({ who, reason }: By): string {
  return reason === undefined ? who : `${who}: ${reason}`;
}

/** One after the other; what fails is told and keeps none of the others from its turn. */
export async function eachOf(
  ids: readonly string[],
  work: (id: string) => Promise<void>,
): Promise<{ readonly done: number; readonly failed: readonly { readonly id: string; readonly reason: string }[] }> {
  const failed: { id: string; reason: string }[] = [];
  for (const id of ids) {
    try {
      await work(id);
    } catch (error) {
      failed.push({ id, reason: describe(error) });
    }
  }
  return { done: ids.length - failed.length, failed };
}
