import type { Delivery, Outbound, SourceRecord } from '../../../adapters/contract/index.js';
import { TryAgain } from '../../../bus/errors.js';

/** The n-th record of a key. */
export function recordOf(key: string, n: number): SourceRecord {
  return { id: `${key}-${n}`, value: { n: String(n) }, key };
}

export function numberOf({ payload }: Delivery): number {
  return Number(payload['n']);
}

/** Per key: a later number that came before an earlier one. */
export function inversions(got: readonly Delivery[]): readonly string[] {
  const last = new Map<string, number>();
  return got.flatMap((delivery) => {
    const key = delivery.key ?? '';
    const before = last.get(key) ?? -1;
    last.set(key, Math.max(before, numberOf(delivery)));
    return numberOf(delivery) < before ? [`${key}: ${numberOf(delivery)} after ${before}`] : [];
  });
}

/** A partner that remembers ids, as a table with a unique key does: what it applied, in order, over all processes that call it. */
export class Partner {
  readonly applied: Delivery[] = [];
  readonly by = new Map<string, number>();
  calls = 0;
  private readonly known = new Set<string>();

  constructor(
    private readonly failures: number,
    private readonly delayMs: () => number,
    private readonly random: () => number = Math.random,
  ) {}

  /** @param isAlive a process that has ended calls nobody any more */
  outbound(node: string, isAlive: () => boolean = () => true): Outbound {
    return {
      open: async () => undefined,
      close: async () => undefined,
      send: async (delivery) => {
        await new Promise((done) => setTimeout(done, this.delayMs()));
        if (!isAlive()) return new Promise(() => undefined);
        this.calls++;
        if (this.random() < this.failures) throw new TryAgain('E400', 'busy');
        if (this.known.has(delivery.id)) return { detail: 'had it', duplicate: true };
        this.known.add(delivery.id);
        this.applied.push(delivery);
        this.by.set(node, (this.by.get(node) ?? 0) + 1);
        return { detail: 'ok' };
      },
    };
  }
}
