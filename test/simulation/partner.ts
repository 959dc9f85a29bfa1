import type { Delivery, Outbound, Receipt, Verification } from '../../adapters/contract/index.js';
import { InvalidMessage, Misconfigured, NotConnected, TryAgain } from '../../bus/errors.js';
import type { VirtualClock } from './clock.js';
import type { Context } from './context.js';
import type { Life } from './scheduler.js';
import type { StoreServer } from './store.js';

export interface PartnerSpec {
  readonly name: string;
  readonly parallel: number;
  /** Applies an id once, and says so when it comes again; otherwise every call has its effect. */
  readonly remembers: boolean;
  /** For one that does not: what follows when nobody knows. */
  readonly onUnknown?: 'resend' | 'verify' | 'park';
  /** Its deliveries of one key come in order; what happens when one is given up. */
  readonly ordered?: 'park' | 'skip';
}

/** One effect, in the order they happened: the log that says what is true. */
interface Effect {
  readonly id: string;
  readonly n: bigint;
  readonly call: Call;
}

interface Call {
  readonly id: string;
  readonly life: Life;
  readonly instance: number;
  readonly startedAt: number;
  /** When the core had the answer that it is done; undefined while it cannot know. */
  answeredAt: number | undefined;
}

/** Own deadline of the adapter that plays the client; every adapter has one. */
const CALL_MS = 30_000;
/** A call has its effect by then, or never. */
export const LONGEST_CALL_MS = 10_000;
const UNKNOWN = { outcome: 'unknown' } as const;

/** A system that is written to: what it did survives everything. */
export class Partner {
  readonly effects: Effect[] = [];
  readonly byId = new Map<string, Effect[]>();
  /** What it makes of everybody. */
  mood: 'up' | 'away' | 'busy' | 'misconfigured' = 'up';
  /** A node that takes a call over waits until it must have ended, by the clocks; `doctor` tells when they differ. */
  clocksDiffer = false;
  /** Calls that found something wrong. */
  failures = 0;
  readonly #open = new Set<Call>();
  readonly #seen = new Map<string, number>();
  #instances = 0;

  constructor(
    readonly spec: PartnerSpec,
    private readonly context: Context,
    private readonly store: StoreServer,
  ) {}

  /** An unknown outcome is looked into: no second effect at all. */
  get isCareful(): boolean {
    return this.spec.onUnknown === 'verify' || this.spec.onUnknown === 'park';
  }

  /** Calls of processes that still wait for the answer. */
  get openCalls(): number {
    return [...this.#open].filter(({ life }) => life.alive).length;
  }

  outbound(life: Life, clock: VirtualClock): Outbound {
    const instance = ++this.#instances;
    const open = new Set<(error: Error) => void>();
    return {
      open: async (signal) => {
        await clock.sleep(this.context.latency(), signal);
        if (this.mood === 'away') throw new NotConnected('E400', 'the partner is away');
        if (this.mood === 'misconfigured') throw new Misconfigured('E470', 'the password is wrong');
      },
      verify: (delivery, signal) => this.#verify(delivery, signal, clock),
      send: (delivery, signal) => this.#call(delivery, signal, life, instance, open),
      close: async () => {
        await clock.sleep(this.context.latency(0.05, 1));
        // Some clients cut their calls off when they are closed, some let them end.
        if (this.context.random.chance(0.7)) for (const cut of [...open]) cut(new NotConnected('E400', 'the client was closed', UNKNOWN));
      },
    };
  }

  async #verify({ id }: Delivery, signal: AbortSignal, clock: VirtualClock): Promise<Verification> {
    await clock.sleep(this.context.latency(), signal);
    if (this.mood !== 'up') throw new NotConnected('E400', 'the partner is away');
    if (this.context.random.chance(this.context.rates.callBusy)) return 'unknown';
    const verdict = this.byId.has(id) ? 'done' : 'not-done';
    this.context.note(`${this.spec.name} says of ${id.slice(0, 6)}: ${verdict}`);
    return verdict;
  }

  #call(delivery: Delivery, signal: AbortSignal, life: Life, instance: number, open: Set<(error: Error) => void>): Promise<Receipt> {
    const { context } = this;
    const { scheduler, random, rates } = context;
    const call: Call = { id: delivery.id, life, instance, startedAt: scheduler.now, answeredAt: undefined };
    context.note(`${life.name} calls ${this.spec.name} ${delivery.id.slice(0, 6)} attempt ${delivery.attempt}`);
    return new Promise((resolve, reject) => {
      let isOver = false;
      const finish = (settle: () => void): void => {
        if (isOver) return;
        isOver = true;
        late();
        this.#open.delete(call);
        open.delete(fail);
        signal.removeEventListener('abort', aborted);
        settle();
      };
      const fail = (error: Error): void => finish(() => reject(error));
      const aborted = (): void => fail(signal.reason as Error);
      const answer = (error: Error | undefined, receipt: Receipt): void => {
        scheduler.after(context.latency(), life, () => {
          if (error) fail(error);
          else {
            finish(() => {
              call.answeredAt = scheduler.now;
              resolve(receipt);
            });
          }
        });
      };
      const late = scheduler.after(CALL_MS, life, () => fail(new TryAgain('E476', 'no answer in time', UNKNOWN)));
      if (signal.aborted) return fail(signal.reason as Error);
      open.add(fail);
      this.#open.add(call);
      // Most adapters heed the signal.
      if (!random.chance(rates.callHangs)) signal.addEventListener('abort', aborted, { once: true });
      scheduler.after(context.latency(), undefined, () => {
        if (!context.arrives(life)) return;
        const refused = this.#judge(delivery);
        if (refused) {
          this.failures++;
          return answer(refused, { detail: '' });
        }
        const known = this.byId.has(delivery.id);
        if (!(known && this.spec.remembers)) this.#apply(delivery, call);
        if (random.chance(rates.callHangs))
          this.failures++; // nobody ever answers
        else if (random.chance(rates.callLost)) {
          this.failures++;
          answer(random.chance(0.5) ? new TryAgain('E476', 'the answer was lost', UNKNOWN) : new NotConnected('E400', 'the link was lost', UNKNOWN), { detail: '' });
        } else answer(undefined, { detail: 'done', ...(known && this.spec.remembers ? { duplicate: true } : {}) });
      });
    });
  }

  /** Why it does not apply this; undefined when it does. */
  #judge({ id, payload }: Delivery): Error | undefined {
    const { random, rates } = this.context;
    if (this.mood === 'away') return new NotConnected('E400', 'the partner is away');
    if (this.mood === 'misconfigured') return new Misconfigured('E470', 'the password is wrong');
    const asks = random.chance(0.2) ? { afterMs: random.between(0, 20_000) } : {};
    if (this.mood === 'busy') return new TryAgain('E472', '503', asks);
    if (random.chance(rates.callDisconnects)) return new NotConnected('E400', 'the link was lost');
    if (random.chance(rates.callBusy)) return new TryAgain('E472', '503', asks);
    const seen = (this.#seen.get(id) ?? 0) + 1;
    this.#seen.set(id, seen);
    const fate = payload['fate'];
    if (fate === 'invalid') return new InvalidMessage('E473', 'it does not take this');
    if (fate === 'never') return new TryAgain('E472', 'locked');
    if (fate === 'twice-busy' && seen <= 2) return new TryAgain('E472', 'locked');
    return undefined;
  }

  #apply({ id, payload }: Delivery, call: Call): void {
    const n = payload['n'];
    const effect: Effect = { id, n: typeof n === 'bigint' ? n : -1n, call };
    const before = this.byId.get(id) ?? [];
    this.context.note(`EFFECT ${this.spec.name} ${id.slice(0, 6)} n=${effect.n} by ${call.life.name}`);
    if (this.spec.remembers && before.length > 0) this.context.violated(`${this.spec.name} ${id.slice(0, 6)}: a target that remembers applied it twice`);
    if (before.length > 0 && this.isCareful && !this.clocksDiffer)
      this.context.violated(`${this.spec.name} ${id.slice(0, 6)}: a second effect, although an unknown outcome must not be sent again`);
    for (const earlier of before) this.#explain(earlier.call, call);
    this.effects.push(effect);
    this.byId.set(id, [...before, effect]);
  }

  /** A repeated effect must have a reason: nobody could know of the one before. */
  #explain(earlier: Call, later: Call): void {
    const { id, life } = later;
    if (earlier.instance === later.instance && earlier.answeredAt !== undefined && earlier.answeredAt <= later.startedAt) {
      this.context.violated(`${this.spec.name} ${id.slice(0, 6)}: called again after it had answered, n=${this.byId.get(id)?.[0]?.n}`);
    }
    const done = this.store.ledgerDone.get(id);
    const read = this.store.ledgerRead.get(`${life.name} ${id}`) ?? later.startedAt;
    if (done !== undefined && done < read) this.context.violated(`${this.spec.name} ${id.slice(0, 6)}: called again although the ledger says it was done`);
  }
}
