import type { Delivery, Outbound, Receipt, Verification } from '../../adapters/contract/endpoint.js';
import type { Clock, Logger } from '../../adapters/contract/services.js';
import { type AnyFailure, describe, failureOf, kindOf, leavesUnknown, Misconfigured, NotConnected } from '../errors.js';
import { reached } from '../failpoint.js';
import type { CallRecord } from './call-record.js';
import type { EndpointHealth } from './endpoint-health.js';
import { Gate } from './gate.js';
import type { Outage } from './outage.js';
import { reopenDelay } from './retry.js';
import { settledWithin } from './settled-within.js';
import { systemOf, type Telemetry } from './telemetry.js';

export interface LinkServices {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** For an adapter that does not heed its signal, and for calls under way on a link that another call has found dead. */
export const LAST_MS = 5_000;
const MISCONFIGURED_RETRY_MS = 300_000;

/** One that is under way. */
interface Call {
  /** Monotonic. */
  readonly started: number;
  readonly ended: Promise<unknown>;
  /** It is left behind: whatever it still does, it counts as ended with this. */
  readonly leave: (reason: unknown) => void;
}

/**
 * The way to one outbound endpoint: open, lost, opened again with back-off. A delivery waits here while the link is away, and is sent again when the link
 * was lost under it, until there is an answer about the delivery itself.
 */
export class Link {
  private readonly up = new Gate();
  /** Oldest first. */
  private readonly calls = new Set<Call>();
  /** Counts the openings: a late failure of one before says nothing about the one that is open now. */
  private generation = 0;
  private wake = new AbortController();
  private stop: AbortSignal = AbortSignal.abort();
  /** The last opening; it does not reject. */
  private opening: Promise<void> = Promise.resolve();

  constructor(
    private readonly outbound: Outbound,
    private readonly name: string,
    private readonly health: EndpointHealth,
    private readonly outage: Outage,
    private readonly services: LinkServices,
    private readonly log: Logger,
  ) {}

  get isOpen(): boolean {
    return this.up.isOpen;
  }

  /** Resolves when it is open, which may be over at once. @throws the signal's reason */
  async opened(signal: AbortSignal): Promise<void> {
    await this.up.pass(signal);
  }

  /** Begins to open, and tries again until `stop`. */
  start(stop: AbortSignal): void {
    this.stop = stop;
    this.reopen();
  }

  /** Closes the way and opens it again with back-off; called once for each loss. */
  reopen(cause?: AnyFailure): void {
    this.generation++;
    this.up.close();
    this.opening = this.open(cause, this.stop);
  }

  /** Somebody knows better than the back-off. */
  tryNow(): void {
    this.wake.abort();
  }

  /**
   * @param waiting ends the wait for the link, but no call under way
   * @returns how long the call took that was answered @throws what the target said of this delivery, or that nobody knows whether it has it
   */
  async send(delivery: Delivery, record: CallRecord, signal: AbortSignal, waiting?: AbortSignal): Promise<{ readonly receipt: Receipt; readonly durationMs: number }> {
    for (;;) {
      try {
        const make = async (): Promise<Receipt> => {
          reached('target.send.before');
          const receipt = await this.outbound.send(delivery, signal);
          reached('target.send.done');
          return receipt;
        };
        const { answer, durationMs } = await this.call(make, signal, record, waiting);
        return { receipt: answer, durationMs };
      } catch (error) {
        if (!isOfTheLink(error) || (record.minds && leavesUnknown(error))) throw error;
        await record.undone(signal);
      }
    }
  }

  /** How long the oldest call under way has run. */
  get oldestCallMs(): number | undefined {
    const [oldest] = this.calls;
    return oldest && this.services.clock.monotonic() - oldest.started;
  }

  /** Calls that do not end are left behind, whatever they still do; their deliveries are made again on a link that is opened anew. */
  giveUp(reason: string): void {
    const failure = new NotConnected('E525', `${this.name}: ${reason}`, { outcome: 'unknown' });
    for (const { leave } of this.calls) leave(failure);
  }

  /** @throws what the target said when it was asked */
  async verify(delivery: Delivery, signal: AbortSignal): Promise<Verification> {
    const { outbound } = this;
    for (;;) {
      try {
        const ask = async (): Promise<Verification> => {
          if (!outbound.verify) throw new Misconfigured('E191', `the adapter of ${this.name} cannot verify`);
          return outbound.verify(delivery, signal);
        };
        return (await this.call(ask, signal)).answer;
      } catch (error) {
        if (!isOfTheLink(error)) throw error;
      }
    }
  }

  private async call<T>(make: () => Promise<T>, signal: AbortSignal, record?: CallRecord, waiting = signal): Promise<{ readonly answer: T; readonly durationMs: number }> {
    const { clock, telemetry } = this.services;
    waiting.throwIfAborted();
    if (!this.up.isOpen) await this.opened(waiting === signal ? signal : AbortSignal.any([signal, waiting]));
    await record?.begin(signal);
    const { generation } = this;
    const started = clock.monotonic();
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const call: Call = { started, ended: promise, leave: reject };
    this.calls.add(call);
    (async () => make())().then(resolve, reject); // one that throws at once is no different
    try {
      return { answer: await promise, durationMs: clock.monotonic() - started };
    } catch (error) {
      if (isOfTheLink(error)) {
        telemetry.attempts.inc({ endpoint: this.name, result: kindOf(error) });
        if (generation === this.generation) this.reopen(error);
      }
      throw error;
    } finally {
      this.calls.delete(call);
    }
  }

  recovered(): void {
    this.log.info('target-recovered', `${this.name} can be reached again`);
    this.services.telemetry.systemUp.set({ system: systemOf(this.name) }, 1);
  }

  /** After `stop`: resolves when no opening is under way any more. */
  ended(): Promise<void> {
    return this.opening;
  }

  async close(): Promise<void> {
    try {
      await this.outbound.close();
    } catch (error) {
      this.log.debug('close-failed', `closing ${this.name} failed: ${describe(error)}`);
    }
  }

  private async open(cause: AnyFailure | undefined, signal: AbortSignal): Promise<void> {
    let failure: unknown = cause;
    while (!signal.aborted) {
      try {
        if (failure !== undefined) {
          // Other calls may still come to a good end; cutting them off would leave their outcome unknown.
          await settledWithin(LAST_MS, Promise.allSettled(Array.from(this.calls, ({ ended }) => ended)), this.services.clock);
          await this.close();
          await this.waitAfter(failure, signal);
        }
        await this.outbound.open(signal);
        // Of one that answers nobody an open link says nothing.
        if (!this.outage.isOn) {
          if (failure !== undefined) this.recovered();
          this.health.reopened(this.services.clock.now().getTime());
        }
        this.up.open();
        return;
      } catch (error) {
        if (signal.aborted) return;
        failure = error;
      }
    }
  }

  private async waitAfter(failure: unknown, signal: AbortSignal): Promise<void> {
    const { clock, telemetry } = this.services;
    const known = failureOf(failure);
    const isMisconfigured = known && kindOf(known) === 'misconfigured';
    const wait = isMisconfigured ? MISCONFIGURED_RETRY_MS : this.outage.isOn ? this.outage.nextPause() : reopenDelay(this.health.failures, clock.random);
    const news = this.health.failures === 0;
    this.health.brokeDown(failure, clock.now().getTime(), `next try in ${Math.ceil(wait / 1000)} s, messages wait`);
    telemetry.systemUp.set({ system: systemOf(this.name) }, 0);
    if (news) this.log.warn('target-failed', `${this.name} cannot be reached: ${describe(failure)}; messages wait`, { code: known?.code });
    this.wake = new AbortController();
    try {
      await clock.sleep(wait, AbortSignal.any([signal, this.wake.signal]));
    } catch (error) {
      if (signal.aborted) throw error; // otherwise somebody resumed the endpoint: try now
    }
  }
}

/** Says nothing of a delivery, but that the link, or what is configured for it, does not work. */
function isOfTheLink(error: unknown): error is AnyFailure {
  const failure = failureOf(error);
  return failure !== undefined && ['not-connected', 'misconfigured'].includes(kindOf(failure));
}
