import type { Clock } from '../../adapters/contract/services.js';
import { reached } from '../failpoint.js';
import type { LedgerEntry, Store } from '../store/contract.js';

/** What follows when nobody knows whether a delivery was made. */
export type OnUnknown = 'resend' | 'verify' | 'park';

export interface RecordedEndpoint {
  readonly name: string;
  readonly usesLedger: boolean;
  readonly onUnknown: OnUnknown;
}

/** Writes until it is written. */
export type Durably = <T>(write: () => Promise<T>, signal: AbortSignal) => Promise<T>;

/** A note that took longer than this to write tells the wrong time. */
const STALE_MS = 1_000;

/**
 * What the ledger knows of one delivery while it is made: `sending` is durable before a call, and gone again when the call certainly did nothing. Where a
 * repetition does no harm (`resend`) nothing is written, so that it costs nothing.
 */
export class CallRecord {
  /** Whether an unknown outcome matters here. */
  readonly minds: boolean;
  private begunAt: number | undefined;

  constructor(
    private readonly deliveryId: string,
    private readonly endpoint: RecordedEndpoint,
    private readonly services: { readonly store: Pick<Store, 'ledger'>; readonly clock: Clock; readonly node: string },
    private readonly durably: Durably,
    /** What the ledger said last; if it says something else now, another process has the delivery too. */
    private seen: LedgerEntry | undefined,
  ) {
    this.minds = endpoint.usesLedger && endpoint.onUnknown !== 'resend';
  }

  /** The ledger was read again. */
  saw(entry: LedgerEntry | undefined): void {
    this.seen = entry;
  }

  /** Before each call. @throws Overtaken */
  async begin(signal: AbortSignal): Promise<void> {
    if (!this.minds) return;
    // Others wait until a call begun then must be over: so it must not begin much later.
    do {
      this.begunAt = this.now;
      await this.put('sending', this.begunAt, `by ${this.services.node}`, signal);
      reached('target.sending.written');
    } while (this.now - this.begunAt > STALE_MS);
  }

  /** The call certainly had no effect. What another process has noted meanwhile stays. */
  async undone(signal: AbortSignal): Promise<void> {
    this.begunAt = undefined;
    const { seen } = this;
    if (!seen) return;
    await this.durably(() => this.services.store.ledger.swap(this.deliveryId, seen, undefined), signal);
    this.seen = undefined;
    reached('target.undone.written');
  }

  /** @throws Overtaken */
  async unknown(detail: string, signal: AbortSignal): Promise<void> {
    await this.put('unknown', this.now, detail, signal);
    reached('target.unknown.written');
  }

  /** Milliseconds until the last call cannot have an effect any more. */
  remainingMs(longestCallMs: number): number {
    if (this.begunAt === undefined) return 0;
    return Math.min(longestCallMs, Math.max(0, this.begunAt + longestCallMs - this.now)); // the clock may have been set back
  }

  private async put(state: 'sending' | 'unknown', at: number, detail: string, signal: AbortSignal): Promise<void> {
    const { seen, deliveryId } = this;
    const entry: LedgerEntry = { deliveryId, endpoint: this.endpoint.name, state, at, detail };
    if (!(await this.durably(() => this.services.store.ledger.swap(deliveryId, seen, entry), signal))) throw new Overtaken(deliveryId);
    this.seen = entry;
  }

  private get now(): number {
    return this.services.clock.now().getTime();
  }
}

/** Another process has the same delivery in its hands, and was first to say so. */
export class Overtaken extends Error {
  override readonly name = 'Overtaken';

  constructor(deliveryId: string) {
    super(`another process is at ${deliveryId}`);
  }
}
