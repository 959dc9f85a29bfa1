import type { ConnectedSystem, Inbound, PollingInbound, ProbeStep } from '../../adapters/contract/endpoint.js';
import { CLOCK, inject, injectable, LOGGER } from '../../adapters/contract/injection.js';
import type { Clock, EndpointState, Logger } from '../../adapters/contract/services.js';
import { BROKER, type Broker, type ChannelSpec } from '../broker.js';
import { describe, failureOf, Misconfigured } from '../errors.js';
import { reached } from '../failpoint.js';
import type { Handler } from '../handler.js';
import { STORE, type Store } from '../store/contract.js';
import { channelsOf } from './channels.js';
import type { EndpointReport } from './endpoint-health.js';
import { FailedEndpoint } from './failed-endpoint.js';
import { Intake } from './intake.js';
import { alone } from './nodes.js';
import { OrderedChannels } from './ordered-channels.js';
import { DurablePublisher } from './publisher.js';
import { settledWithin } from './settled-within.js';
import { ListeningSource, PolledSource, type Source, type SourceConfig } from './source.js';
import { Target, type TargetConfig } from './target.js';
import { systemOf, type Telemetry } from './telemetry.js';
import { NODE, NODES, type Nodes, ROUTING, type Routing, TELEMETRY } from './tokens.js';
import { Watchdog, type WatchSubjects } from './watchdog.js';

/** What should run: made by the composition root from a checked configuration. */
export interface RunPlan {
  readonly handler: Handler;
  readonly systems: readonly SystemPlan[];
  readonly drainMs: number;
}

export interface SystemPlan {
  readonly name: string;
  readonly adapter: string;
  /** Equal digests need no restart. */
  readonly digest: string;
  readonly connect: () => ConnectedSystem;
  readonly inbound: readonly (SourceConfig & { readonly config: unknown })[];
  readonly outbound: readonly (TargetConfig & { readonly config: unknown })[];
}

interface RunningSystem {
  readonly plan: SystemPlan;
  readonly connected: ConnectedSystem;
  readonly sources: Map<string, Source>;
  readonly targets: Map<string, Pick<Target, 'report' | 'start' | 'follow' | 'pause' | 'resume' | 'stop'>>;
}

/** An adapter's `close` has 5 s by its contract. */
const CLOSE_MS = 6_000;
/** After its drain time a target waits for what it aborted, then closes. */
const TARGET_CLOSE_MS = 2 * CLOSE_MS;
const PAUSES = 'signalbox.pauses';
/** Names of the targets there ever were: their channels may hold messages. */
const TARGETS = 'signalbox.targets';

/**
 * Starts and stops everything in an explicit order (container deactivation order is not dependency order): targets before sources when starting,
 * sources before targets when stopping. A reload touches only systems whose configuration changed.
 */
@injectable()
export class Supervisor {
  private readonly running = new Map<string, RunningSystem>();
  private changing: Promise<unknown> = Promise.resolve();
  private readonly orphans = new Map<string, FailedEndpoint>();
  private paused: ReadonlySet<string> = new Set();
  private isFollowing = false;
  private drainMs = 30_000;
  /** Everything that the watchdog looks at consumes through it. */
  private readonly broker: Broker;
  private readonly ordered: OrderedChannels;

  constructor(
    @inject(BROKER) broker: Broker,
    @inject(STORE) private readonly store: Store,
    @inject(ROUTING) private readonly routing: Routing,
    @inject(TELEMETRY) private readonly telemetry: Telemetry,
    @inject(CLOCK) private readonly clock: Clock,
    @inject(LOGGER) private readonly log: Logger,
    @inject(NODE) private readonly node: string,
    @inject(Intake) private readonly intake: Intake,
    @inject(DurablePublisher) private readonly publisher: DurablePublisher,
    @inject(NODES) private readonly nodes: Nodes = alone,
    @inject(Watchdog) private readonly watchdog: Watchdog = new Watchdog(broker, clock, log, telemetry),
  ) {
    this.broker = watchdog.broker;
    this.ordered = new OrderedChannels(this.broker, publisher, store.endpointState, log);
  }

  /**
   * Lets `plan` run in place of what runs now. Messages already in a channel are delivered by whoever serves that endpoint
   * afterwards. @returns names of the systems that were started, stopped or restarted
   */
  apply(plan: RunPlan): Promise<readonly string[]> {
    return this.alone(() => this.applyNow(plan));
  }

  /** Stops reading, finishes what is under way within the drain time, closes the systems. */
  stop(): Promise<void> {
    return this.alone(() => this.stopNow());
  }

  /** @returns the endpoints that were meant; empty when there is none of that name */
  setPaused(name: string, paused: boolean): Promise<readonly string[]> {
    return this.alone(() => this.setPausedNow(name, paused));
  }

  /** Pauses and resumes what was paused or resumed on another node. Does not throw; called every few seconds. */
  async followPauses(): Promise<void> {
    // A change may take as long as a drain.
    if (this.isFollowing) return;
    this.isFollowing = true;
    try {
      await this.alone(() => this.followPausesNow());
    } catch (error) {
      this.log.debug('pauses-unknown', `what is paused could not be read: ${describe(error)}`);
    } finally {
      this.isFollowing = false;
    }
  }

  /** One change at a time: an endpoint that is being replaced cannot be resumed. */
  private alone<T>(change: () => Promise<T>): Promise<T> {
    const next = this.changing.then(change);
    this.changing = next.catch(() => undefined); // the caller of `alone` gets the error
    return next;
  }

  private async applyNow(plan: RunPlan): Promise<readonly string[]> {
    const wanted = new Map(plan.systems.map((system) => [system.name, system]));
    const gone = [...this.running.values()].filter((system) => wanted.get(system.plan.name)?.digest !== system.plan.digest || hasFailed(system));
    const leaving = new Set(gone.map((system) => system.plan.name));
    const fresh = plan.systems.filter(({ name }) => !this.running.has(name) || leaving.has(name));
    // Channels first: the new routes may publish to them from the next record on.
    for (const channel of channelsOf(fresh.flatMap((system) => system.outbound))) await this.broker.declare(channel);
    const targets = plan.systems.flatMap((system) => system.outbound);
    const publishOrdered = await this.ordered.prepare(targets, plan.handler.ordered ?? new Map());
    for (const system of gone) await this.stopSources(system);
    if (gone.length > 0) reached('reload.sources.stopped');
    const routed = new Set(this.routing.handler.sources);
    this.routing.handler = plan.handler;
    publishOrdered();
    this.drainMs = plan.drainMs;
    for (const system of gone) {
      await this.stopTargets(system);
      this.running.delete(system.plan.name);
    }
    if (gone.length > 0) reached('reload.targets.stopped');
    const paused = await this.store.endpointState.list(PAUSES, '', 10_000);
    this.paused = new Set(paused.keys());
    for (const [name, source] of [...this.running.values()].flatMap(({ sources }) => [...sources])) {
      if (this.intake.takes(name) && !routed.has(name) && !paused.has(name)) await source.resume();
    }
    const started = fresh.map((system) => this.build(system));
    for (const system of started) {
      this.running.set(system.plan.name, system);
      for (const [name, target] of system.targets) await this.begin(system.targets, name, target, 'outbound', paused.has(name));
    }
    reached('start.targets.running');
    for (const { sources } of started) {
      for (const [name, source] of sources) await this.begin(sources, name, source, 'inbound', paused.has(name));
    }
    for (const system of this.running.values()) for (const target of system.targets.values()) target.follow();
    await this.findOrphans(plan);
    return [...new Set([...gone.map(({ plan: { name } }) => name), ...fresh.map(({ name }) => name)])].sort();
  }

  private async stopNow(): Promise<void> {
    const systems = [...this.running.values()];
    await Promise.all(systems.map((system) => this.stopSources(system)));
    await Promise.all(systems.map((system) => this.stopTargets(system)));
    await this.ordered.stop();
    this.running.clear();
  }

  /** Every channel that holds deliveries for the endpoint. */
  channels(endpoint: string): Promise<readonly ChannelSpec[]> {
    return this.ordered.channels(endpoint);
  }

  /** Reports of all endpoints, by system; a target that was removed while messages wait for it is among them. */
  reports(): ReadonlyMap<string, { readonly adapter: string; readonly endpoints: readonly EndpointReport[] }> {
    const reports = new Map<string, { readonly adapter: string; readonly endpoints: EndpointReport[] }>();
    for (const { plan, sources, targets } of this.running.values()) {
      reports.set(plan.name, { adapter: plan.adapter, endpoints: [...sources.values(), ...targets.values()].map((endpoint) => this.watchdog.annotate(endpoint.report)) });
    }
    for (const [name, orphan] of this.orphans) {
      const system = reports.get(systemOf(name)) ?? { adapter: 'removed', endpoints: [] };
      system.endpoints.push(orphan.report);
      reports.set(systemOf(name), system);
    }
    return reports;
  }

  /** What the watchdog looks at. */
  watched(): WatchSubjects {
    const systems = [...this.running.values()];
    const links = systems.flatMap(({ targets }) => [...targets].flatMap(([name, target]) => (target instanceof Target ? [[name, target.watched] as const] : [])));
    const sources = systems.flatMap(({ plan, sources: own }) =>
      plan.inbound.flatMap(({ name, schedule }) => {
        const source = own.get(name);
        return source ? [{ report: source.report, everyMs: schedule.everyMs }] : [];
      }),
    );
    return { links: new Map(links), sources };
  }

  /** Polled sources that this process holds the lease of. */
  held(): readonly string[] {
    return [...this.running.values()].flatMap(({ sources }) => [...sources].filter(([, source]) => 'isHeld' in source && source.isHeld).map(([name]) => name)).sort();
  }

  async probe(name: string, signal: AbortSignal): Promise<readonly ProbeStep[] | undefined> {
    return this.running.get(name)?.connected.probe(signal);
  }

  private async setPausedNow(name: string, paused: boolean): Promise<readonly string[]> {
    const endpoints = [...this.running.values()]
      .flatMap(({ plan, sources, targets }) => [...sources, ...targets].map(([endpoint, running]) => ({ system: plan.name, endpoint, running })))
      .filter(({ system, endpoint }) => system === name || endpoint === name);
    await this.store.endpointState.put(PAUSES, new Map(endpoints.map(({ endpoint }) => [endpoint, paused ? this.clock.now().toISOString() : undefined])));
    for (const { running } of endpoints) await (paused ? running.pause() : running.resume());
    const names = endpoints.map(({ endpoint }) => endpoint);
    this.paused = new Set(paused ? [...this.paused, ...names] : [...this.paused].filter((each) => !names.includes(each)));
    return names;
  }

  private async followPausesNow(): Promise<void> {
    const wanted = await this.store.endpointState.list(PAUSES, '', 10_000);
    for (const [name, endpoint] of [...this.running.values()].flatMap(({ sources, targets }) => [...sources, ...targets])) {
      if (wanted.has(name) === this.paused.has(name)) continue;
      await (wanted.has(name) ? endpoint.pause() : endpoint.resume());
      this.log.info('pause-followed', `${name} was ${wanted.has(name) ? 'paused' : 'resumed'} on another node`, { endpoint: name });
    }
    this.paused = new Set(wanted.keys());
  }

  /** An adapter that throws takes nothing down but what it was asked for. */
  private build(plan: SystemPlan): RunningSystem {
    const { broker, publisher, store, routing, clock, log, telemetry, node, nodes, intake, ordered } = this;
    const make = <T>(name: string, direction: 'inbound' | 'outbound', construct: () => T | undefined): T | FailedEndpoint => {
      try {
        const made = construct();
        if (made === undefined) throw new Misconfigured('E508', `the adapter ${plan.adapter} has no ${direction} endpoints`);
        return made;
      } catch (error) {
        return this.fail(name, direction, error);
      }
    };
    const connected = this.connect(plan);
    const sources = plan.inbound.map((config) => {
      const inboundOf = (): Inbound | undefined => connected.inbound?.({ name: config.name, config: config.config, state: this.stateOf(config.name) });
      const construct = (): Source | undefined => {
        const inbound = inboundOf();
        const services = { intake, store, clock, log, telemetry, nodes };
        const remake = (): PollingInbound | undefined => {
          const other = inboundOf();
          return other?.kind === 'polling' ? other : undefined;
        };
        return inbound && (inbound.kind === 'polling' ? new PolledSource(inbound, config, services, remake) : new ListeningSource(inbound, config, services));
      };
      return [config.name, make(config.name, 'inbound', construct)] as const;
    });
    const targets = plan.outbound.map((config) => {
      const construct = (): Target | undefined => {
        const outbound = connected.outbound?.({ name: config.name, config: config.config, state: this.stateOf(config.name) });
        return outbound && new Target(outbound, config, { broker, publisher, store, routing, clock, log, telemetry, node, nodes, ordered });
      };
      return [config.name, make(config.name, 'outbound', construct)] as const;
    });
    return { plan, connected, sources: new Map(sources), targets: new Map(targets) };
  }

  private connect(plan: SystemPlan): ConnectedSystem {
    try {
      return plan.connect();
    } catch (error) {
      const refuse = (): never => {
        throw error;
      };
      const probe = async (): Promise<readonly ProbeStep[]> => [{ name: 'connect', ok: false, detail: describe(error) }];
      return { inbound: refuse, outbound: refuse, probe, close: async () => undefined };
    }
  }

  private fail(name: string, direction: 'inbound' | 'outbound', error: unknown): FailedEndpoint {
    const reason = failureOf(error) ?? new Misconfigured('E508', describe(error), { cause: error });
    this.log.error('endpoint-failed', `${name} could not be set up: ${describe(error)}`, { endpoint: name, code: reason.code });
    return new FailedEndpoint(name, direction, reason, () => this.clock.now().getTime());
  }

  private async begin<T extends Pick<Source, 'start' | 'pause'>>(
    all: Map<string, T | FailedEndpoint>,
    name: string,
    endpoint: T,
    direction: 'inbound' | 'outbound',
    paused: boolean,
  ) {
    try {
      if (paused) await endpoint.pause();
      await endpoint.start();
    } catch (error) {
      all.set(name, this.fail(name, direction, error));
    }
  }

  /** Messages must not wait unseen for a target that was removed from the configuration. */
  private async findOrphans(plan: RunPlan): Promise<void> {
    const configured = new Set(plan.systems.flatMap(({ outbound }) => outbound.map(({ name }) => name)));
    this.orphans.clear();
    try {
      const known = await this.store.endpointState.list(TARGETS, '', 10_000);
      await this.store.endpointState.put(TARGETS, new Map([...configured].filter((name) => !known.has(name)).map((name) => [name, this.clock.now().toISOString()])));
      for (const name of known.keys()) {
        if (configured.has(name)) continue;
        await this.ordered.declareAll(name);
        const depths = await Promise.all((await this.ordered.channels(name)).map((channel) => this.broker.depth(channel.name)));
        const waiting = depths.reduce((sum, { ready, unsettled, delayed = 0 }) => sum + ready + unsettled + delayed, 0);
        if (waiting > 0) this.orphans.set(name, this.fail(name, 'outbound', new Misconfigured('E509', `${waiting} messages wait for ${name}, which is not configured any more`)));
      }
    } catch (error) {
      this.log.warn('channels-unknown', `whether messages wait for removed targets could not be found out: ${describe(error)}`);
    }
  }

  private stateOf(endpoint: string): EndpointState {
    const { endpointState } = this.store;
    return {
      get: (key) => endpointState.get(endpoint, key),
      put: (entries) => endpointState.put(endpoint, entries),
      list: (prefix, limit) => endpointState.list(endpoint, prefix, limit),
    };
  }

  private async stopSources({ sources }: RunningSystem): Promise<void> {
    const endOf = async (name: string, source: Source): Promise<void> => {
      if (!(await this.end(name, source.stop(), this.drainMs))) source.abandon?.();
    };
    await Promise.all([...sources].map(([name, source]) => endOf(name, source)));
  }

  private async stopTargets({ plan, targets, connected }: RunningSystem): Promise<void> {
    await Promise.all([...targets].map(([name, target]) => this.end(name, target.stop(this.drainMs), this.drainMs + TARGET_CLOSE_MS)));
    await this.end(plan.name, connected.close(), CLOSE_MS);
  }

  /** Waits for an end, but one that fails or does not come must not keep the others from theirs. @returns whether it came */
  private async end(name: string, ending: Promise<void>, limitMs: number): Promise<boolean> {
    const reported = ending.catch((error: unknown) => this.log.warn('stop-failed', `stopping ${name} failed: ${describe(error)}`));
    const isOver = await settledWithin(limitMs, reported, this.clock);
    if (!isOver) this.log.warn('stop-late', `${name} did not stop within ${limitMs / 1000} s and was left behind`);
    return isOver;
  }
}

function hasFailed({ sources, targets }: RunningSystem): boolean {
  return [...sources.values(), ...targets.values()].some((endpoint) => endpoint instanceof FailedEndpoint);
}
