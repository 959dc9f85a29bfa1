import { CLOCK, inject, injectable, LOGGER } from '../../adapters/contract/injection.js';
import type { Clock, Logger } from '../../adapters/contract/services.js';
import { BROKER, type Broker } from '../broker.js';
import { type Diagnosis, fine, problem, warning } from '../diagnosis.js';
import { describe } from '../errors.js';
import type { EndpointReport } from './endpoint-health.js';
import { endpointOf } from './envelope.js';
import { settledWithin } from './settled-within.js';
import { judge, PATIENCE_MS, type Suspicion } from './suspicion.js';
import { systemOf, type Telemetry } from './telemetry.js';
import { TELEMETRY } from './tokens.js';
import { WatchedBroker, type WatchedConsumer } from './watched-broker.js';

/** The calls of one target. */
export interface WatchedLink {
  readonly isOpen: boolean;
  /** How long the oldest call under way has run. */
  readonly oldestCallMs: number | undefined;
  /** How long a call may take; undefined when its adapter does not say. */
  readonly limitMs: number | undefined;
  /** Leaves the calls of now behind and opens the link anew. */
  giveUp(reason: string): void;
}

export interface WatchedSource {
  readonly report: EndpointReport;
  /** Undefined when it is asked by the calendar. */
  readonly everyMs: number | undefined;
}

/** What there is to watch now; it changes with each reload. */
export interface WatchSubjects {
  /** By endpoint. */
  readonly links: ReadonlyMap<string, WatchedLink>;
  readonly sources: readonly WatchedSource[];
}

interface State {
  received: number;
  settled: number;
  suspicion: Suspicion | undefined;
  since: number;
  /** Not made anew again before this time. */
  restsUntil: number;
  restMs: number;
  isReported: boolean;
}

interface Recycling {
  readonly times: number;
  readonly at: number;
  readonly reason: string;
}

export const LOOK_MS = 20_000;
const FIRST_REST_MS = 60_000;
const LONGEST_REST_MS = 1_800_000;
/** A call that runs so long is told of. */
const LONG_CALL_MS = 300_000;
const CALL_GRACE_MS = 60_000;
/** A poll may take so long; then it ends by itself, or hangs. */
const POLL_MS = 300_000;
const STOP_MS = 2_000;
/** How long a recycling is shown. */
const NEWS_MS = 3_600_000;

/**
 * Looks at every consumer and source again and again: what should go on and does not is made anew, and said. It is the last resort: what recovers by itself (a lost
 * connection, an outage of a target) is left alone, and nothing is made anew twice within a rest that grows.
 */
@injectable()
export class Watchdog {
  /** The broker through which everything that is watched consumes. */
  readonly broker: WatchedBroker;
  private readonly states = new Map<string, State>();
  private readonly recyclings = new Map<string, Recycling>();
  private readonly longCalls = new Set<string>();
  private troubles = new Map<string, string>();
  private stopping = new AbortController();
  private running: Promise<void> | undefined;
  private lookedAt: number | undefined;
  private looked = '';

  constructor(
    @inject(BROKER) broker: Broker,
    @inject(CLOCK) private readonly clock: Clock,
    @inject(LOGGER) private readonly log: Logger,
    @inject(TELEMETRY) private readonly telemetry: Telemetry,
  ) {
    this.broker = new WatchedBroker(broker, clock);
  }

  start(subjects: () => WatchSubjects): void {
    this.stopping = new AbortController();
    this.running = this.run(subjects, this.stopping.signal);
  }

  /** Does not wait for a broker that does not answer: whoever closes the consumers does. */
  async stop(): Promise<void> {
    this.stopping.abort(new Error('stopping'));
    if (this.running) await settledWithin(STOP_MS, this.running, this.clock);
  }

  /** The report with what the watchdog knows of the endpoint. */
  annotate(report: EndpointReport): EndpointReport {
    const trouble = this.troubles.get(report.name);
    const recycled = this.recyclings.get(report.name) ?? report.recycled;
    const isNews = recycled !== undefined && this.clock.now().getTime() - recycled.at < NEWS_MS;
    const texts = [trouble ?? report.detail, isNews ? `recycled at ${new Date(recycled.at).toISOString()}: ${recycled.reason}` : undefined].filter((text) => text !== undefined);
    return {
      ...report,
      ...(trouble !== undefined && report.state !== 'paused' ? { state: report.direction === 'inbound' ? 'silent' : 'failing' } : {}),
      detail: texts.length === 0 ? undefined : texts.join('; '),
      ...(recycled === undefined ? {} : { recycled }),
    };
  }

  /** For the doctor. */
  diagnoses(): readonly Diagnosis[] {
    const now = this.clock.now().getTime();
    const found = [
      ...Array.from(this.troubles, ([name, text]) =>
        problem('watchdog', `${name}: ${text}`, 'it does not do its work', `\`signalbox systems test ${systemOf(name)}\`; the log has the lines \`watchdog-...\``),
      ),
      ...Array.from(this.recyclings)
        .filter(([, { at }]) => now - at < NEWS_MS)
        .map(([name, { times, reason }]) =>
          warning(
            'watchdog',
            `${name} was recycled (${times} in all): ${reason}`,
            'it works again; what it was may come again',
            'look in the log around the lines `watchdog-recycled`',
          ),
        ),
    ];
    if (this.lookedAt === undefined) return [...found, fine('watchdog', 'has not looked yet')];
    return found.length > 0 ? found : [fine('watchdog', `${this.looked} at work, ${Math.round((now - this.lookedAt) / 1000)} s ago`)];
  }

  /** One look at everything. Does not throw. */
  async look({ links, sources }: WatchSubjects, signal?: AbortSignal): Promise<void> {
    const troubles = new Map<string, string>();
    const consumers = this.broker.consuming;
    const figures: { readonly endpoint: string; readonly present: boolean | undefined; readonly oldestMs: number }[] = [];
    for (const consumer of consumers) {
      if (signal?.aborted) return;
      const endpoint = endpointOf(consumer.channel);
      const present = await this.lookAt(consumer, links.get(endpoint), troubles);
      figures.push({ endpoint, present, oldestMs: consumer.pulse?.oldestMs ?? 0 });
    }
    for (const [endpoint, link] of links) this.lookAtCalls(endpoint, link, troubles);
    for (const source of sources) await this.lookAtSource(source, troubles);
    const channels = new Set(consumers.map(({ channel }) => channel));
    for (const name of this.states.keys()) if (!channels.has(name) && !sources.some(({ report }) => report.name === name)) this.states.delete(name);
    this.troubles = troubles;
    this.lookedAt = this.clock.now().getTime();
    this.looked = `${consumers.length} consumers and ${sources.length} sources`;
    this.measure(figures);
  }

  private async run(subjects: () => WatchSubjects, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.clock.sleep(LOOK_MS, signal).catch(() => undefined); // aborted: the loop ends
      if (!signal.aborted) await this.look(subjects(), signal);
    }
  }

  /** @returns whether the broker knows it; undefined when that is not known */
  private async lookAt(consumer: WatchedConsumer, link: WatchedLink | undefined, troubles: Map<string, string>): Promise<boolean | undefined> {
    const { channel, pulse, isSingle } = consumer;
    const known = this.states.get(channel);
    if (!pulse || !this.broker.health.connected) {
      if (known) known.suspicion = undefined;
      return undefined;
    }
    const state = known ?? fresh(this.clock.monotonic());
    const moved = !known || state.received !== pulse.received || state.settled !== pulse.settled;
    Object.assign(state, { received: pulse.received, settled: pulse.settled });
    this.states.set(channel, state);
    if (moved) {
      state.suspicion = undefined;
      if (this.clock.monotonic() - state.restsUntil > LONGEST_REST_MS) state.restMs = FIRST_REST_MS;
      return true;
    }
    try {
      const depth = pulse.hasRoom ? await this.broker.depth(channel) : undefined;
      // Another node may have got them.
      if (depth && depth.consumers > 1) this.broker.forgive(channel);
      const suspicion = judge({ pulse, depth, isSingle, owed: this.broker.owed(channel), link });
      await this.suspect(consumer, state, suspicion, troubles);
      return suspicion !== 'consumer-gone';
    } catch (error) {
      this.log.debug('watchdog-look', `${channel}: ${describe(error)}`);
      state.suspicion = undefined;
      return undefined;
    }
  }

  private async suspect(consumer: WatchedConsumer, state: State, suspicion: Suspicion | undefined, troubles: Map<string, string>): Promise<void> {
    const now = this.clock.monotonic();
    const { channel } = consumer;
    const endpoint = endpointOf(channel);
    if (state.suspicion !== suspicion) Object.assign(state, { suspicion, since: now, isReported: false });
    if (suspicion === undefined || now - state.since < PATIENCE_MS[suspicion]) return;
    const reason = REASONS[suspicion];
    if (now < state.restsUntil) {
      troubles.set(endpoint, `${reason}; made anew without success, next in ${Math.ceil((state.restsUntil - now) / 1000)} s`);
      return;
    }
    state.restsUntil = now + state.restMs;
    state.restMs = Math.min(state.restMs * 2, LONGEST_REST_MS);
    state.suspicion = undefined;
    this.broker.forgive(channel);
    this.note(endpoint, suspicion, reason);
    this.log.warn('watchdog-recycled', `${channel}: ${reason}; it is consumed anew`, { endpoint, reason: suspicion });
    try {
      await consumer.renew();
    } catch (error) {
      troubles.set(endpoint, `${reason}; consuming anew failed: ${describe(error)}`);
      this.log.error('watchdog-failed', `${channel} could not be consumed anew: ${describe(error)}`, { endpoint });
    }
  }

  private lookAtCalls(endpoint: string, link: WatchedLink, troubles: Map<string, string>): void {
    const { oldestCallMs = 0, limitMs } = link;
    const limit = (limitMs ?? Number.POSITIVE_INFINITY) + CALL_GRACE_MS;
    if (oldestCallMs > limit) {
      const reason = `a call did not end within ${seconds(limit)}`;
      this.note(endpoint, 'call-hangs', reason);
      this.log.warn('watchdog-recycled', `${endpoint}: ${reason}; its link is opened anew`, { endpoint, reason: 'call-hangs' });
      link.giveUp(reason);
    } else if (oldestCallMs > Math.max(LONG_CALL_MS, limitMs ?? 0)) {
      troubles.set(endpoint, `a call has been running for ${seconds(oldestCallMs)}`);
      if (!this.longCalls.has(endpoint)) this.log.warn('watchdog-call', `${endpoint}: a call has been running for ${seconds(oldestCallMs)}`, { endpoint });
      this.longCalls.add(endpoint);
      return;
    }
    this.longCalls.delete(endpoint);
  }

  private async lookAtSource({ report, everyMs = 0 }: WatchedSource, troubles: Map<string, string>): Promise<void> {
    const { name, nextAt, state: condition } = report;
    if (nextAt === undefined || (condition !== 'ok' && condition !== 'starting')) {
      this.states.delete(name);
      return;
    }
    const now = this.clock.now().getTime();
    if (now - nextAt <= 2 * everyMs + POLL_MS) {
      this.states.delete(name);
      return;
    }
    // A poll of hours is none that hangs, as long as it brings something.
    const received = await this.takenFrom(name);
    const state = this.states.get(name) ?? { ...fresh(this.clock.monotonic()), received };
    if (state.received !== received) Object.assign(state, { received, since: this.clock.monotonic(), isReported: false });
    this.states.set(name, state);
    if (this.clock.monotonic() - state.since < POLL_MS) return;
    const text = `the poll that was due ${seconds(now - nextAt)} ago has not ended`;
    troubles.set(name, text);
    if (!state.isReported) this.log.warn('watchdog-source', `${name}: ${text}`, { endpoint: name });
    state.isReported = true;
  }

  private async takenFrom(source: string): Promise<number> {
    const counters = await Promise.all([this.telemetry.received.get(), this.telemetry.duplicates.get()]);
    return counters.flatMap(({ values }) => values).reduce((sum, { labels, value }) => sum + (labels['source'] === source ? value : 0), 0);
  }

  private note(endpoint: string, suspicion: Suspicion | 'call-hangs', reason: string): void {
    const times = (this.recyclings.get(endpoint)?.times ?? 0) + 1;
    this.recyclings.set(endpoint, { times, at: this.clock.now().getTime(), reason });
    this.telemetry.recycled.inc({ endpoint, reason: suspicion });
  }

  private measure(figures: readonly { readonly endpoint: string; readonly present: boolean | undefined; readonly oldestMs: number }[]): void {
    const { consumerPresent, oldestUnsettled } = this.telemetry;
    consumerPresent.reset();
    oldestUnsettled.reset();
    for (const endpoint of new Set(figures.map((figure) => figure.endpoint))) {
      const own = figures.filter((figure) => figure.endpoint === endpoint);
      oldestUnsettled.set({ endpoint }, Math.max(...own.map(({ oldestMs }) => oldestMs)) / 1000);
      if (own.every(({ present }) => present !== undefined)) consumerPresent.set({ endpoint }, own.every(({ present }) => present) ? 1 : 0);
    }
  }
}

const REASONS: Readonly<Record<Suspicion, string>> = {
  'consumer-gone': 'its consumer was gone at the broker',
  silent: 'messages wait, and the broker hands out none',
  swallowed: 'what was published is neither waiting nor handed out',
  lost: 'messages in hand were neither worked on nor settled',
};

function fresh(now: number): State {
  return { received: 0, settled: 0, suspicion: undefined, since: now, restsUntil: Number.NEGATIVE_INFINITY, restMs: FIRST_REST_MS, isReported: false };
}

function seconds(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}
