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
  private isNoted: boolean;
  private begunAt: number | undefined;

  constructor(
    private readonly deliveryId: string,
    private readonly endpoint: RecordedEndpoint,
    private readonly services: { readonly store: Pick<Store, 'ledger'>; readonly clock: Clock },
    private readonly durably: Durably,
    found: LedgerEntry | undefined,
  ) {
    this.minds = endpoint.usesLedger && endpoint.onUnknown !== 'resend';
    this.isNoted = found !== undefined;
  }

  /** Before each call. */
  async begin(signal: AbortSignal): Promise<void> {
    if (!this.minds) return;
    // Others wait until a call begun then must be over: so it must not begin much later.
    do {
      this.begunAt = this.now;
      await this.put('sending', this.begunAt, undefined, signal);
      reached('target.sending.written');
    } while (this.now - this.begunAt > STALE_MS);
  }

  /** The call certainly had no effect. */
  async undone(signal: AbortSignal): Promise<void> {
    this.begunAt = undefined;
    if (!this.isNoted) return;
    await this.durably(() => this.services.store.ledger.delete([this.deliveryId]), signal);
    this.isNoted = false;
    reached('target.undone.written');
  }

  async unknown(detail: string, signal: AbortSignal): Promise<void> {
    await this.put('unknown', this.now, detail, signal);
    reached('target.unknown.written');
  }

  /** Milliseconds until the last call cannot have an effect any more. */
  remainingMs(longestCallMs: number): number {
    return this.begunAt === undefined ? 0 : Math.max(0, this.begunAt + longestCallMs - this.now);
  }

  private put(state: 'sending' | 'unknown', at: number, detail: string | undefined, signal: AbortSignal): Promise<void> {
    this.isNoted = true;
    const entry: LedgerEntry = { deliveryId: this.deliveryId, endpoint: this.endpoint.name, state, at, ...(detail === undefined ? {} : { detail }) };
    return this.durably(() => this.services.store.ledger.put([entry]), signal);
  }

  private get now(): number {
    return this.services.clock.now().getTime();
  }
}
