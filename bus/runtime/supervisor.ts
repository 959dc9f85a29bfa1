import type { ProbeStep, Provision, ProvisionRequest } from '../../adapters/contract/endpoint.js';
import { CLOCK, inject, injectable, LOGGER } from '../../adapters/contract/injection.js';
import type { Clock, Logger } from '../../adapters/contract/services.js';
import { BROKER, type Broker, type ChannelSpec } from '../broker.js';
import { describe, Misconfigured } from '../errors.js';
import { reached } from '../failpoint.js';
import type { Handler } from '../handler.js';
import { STORE, type Store } from '../store/contract.js';
import { channelsOf } from './channels.js';
import type { EndpointReport } from './endpoint-health.js';
import type { FailedEndpoint } from './failed-endpoint.js';
import { Intake } from './intake.js';
import { alone } from './nodes.js';
import { OrderedChannels } from './ordered-channels.js';
import { findOrphans } from './orphans.js';
import { DurablePublisher } from './publisher.js';
import { buildSystem, failedEndpoint, hasFailed, type RunningSystem, type SystemPlan, type SystemServices } from './running-system.js';
import { settledWithin } from './settled-within.js';
import type { Source } from './source.js';
import { Target } from './target.js';
import { systemOf, type Telemetry } from './telemetry.js';
import { NODE, NODES, type Nodes, ROUTING, type Routing, TELEMETRY } from './tokens.js';
import { Watchdog, type WatchSubjects } from './watchdog.js';

/** What should run: made by the composition root from a checked configuration. */
export interface RunPlan {
  readonly handler: Handler;
  readonly systems: readonly SystemPlan[];
  readonly drainMs: number;
}

/** What its caller has to do with a change, and hears of it. */
export interface ChangeSteps {
  /**
   * Called when everything is prepared and nothing has changed yet: records what will run. What it throws ends the change there; after it nothing can fail any
   * more. @returns the handler, with the number it was recorded under
   */
  readonly record?: () => Promise<Handler>;
  /** What the change stopped has ended after so long, or was left behind. */
  readonly ended?: (name: string, ms: number, isOver: boolean) => void;
}

export type { SystemPlan } from './running-system.js';

/** An adapter's `close` has 5 s by its contract. */
const CLOSE_MS = 6_000;
/** After its drain time a target waits for what it aborted, then closes. */
const TARGET_CLOSE_MS = 2 * CLOSE_MS;
const PAUSES = 'signalbox.pauses';

/**
 * Starts and stops everything in an explicit order (container deactivation order is not dependency order): targets before sources when starting,
 * sources before targets when stopping. A reload touches only systems whose configuration changed.
 */
@injectable()
export class Supervisor {
  private readonly running = new Map<string, RunningSystem>();
  private changing: Promise<unknown> = Promise.resolve();
  private orphans: ReadonlyMap<string, FailedEndpoint> = new Map();
  private paused: ReadonlySet<string> = new Set();
  private isFollowing = false;
  private drainMs = 30_000;
  /** What a stop or a change waits for, and since when. */
  private readonly waits = new Map<string, number>();
  private readonly ordered: OrderedChannels;
  /** Everything that the watchdog looks at consumes through it. */
  private readonly broker: Broker;

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
   * afterwards. @returns names of the systems that were started, stopped or restarted @throws while nothing has changed
   */
  apply(plan: RunPlan, steps: ChangeSteps = {}): Promise<readonly string[]> {
    return this.alone(() => this.applyNow(plan, steps));
  }

  /** Stops reading, finishes what is under way within the drain time, closes the systems. */
  stop(): Promise<void> {
    return this.alone(() => this.stopNow());
  }

  /** @returns the endpoints that were meant; empty when there is none of that name */
  setPaused(name: string, paused: boolean): Promise<readonly string[]> {
    return this.alone(() => this.setPausedNow(name, paused));
  }

  /** @returns undefined when there is no such inbound endpoint, false when it has no checkpoint */
  async reset(name: string, by: string): Promise<boolean | undefined> {
    const source = [...this.running.values()].map(({ sources }) => sources.get(name)).find(Boolean);
    if (!source) return undefined;
    await source.reset?.(by);
    return source.reset !== undefined;
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

  private get services(): SystemServices {
    const { broker, publisher, store, routing, clock, log, telemetry, node, nodes, intake, ordered } = this;
    return { broker, publisher, store, routing, clock, log, telemetry, node, nodes, intake, ordered };
  }

  /** One change at a time: an endpoint that is being replaced cannot be resumed. */
  private alone<T>(change: () => Promise<T>): Promise<T> {
    const next = this.changing.then(change);
    this.changing = next.catch(() => undefined); // the caller of `alone` gets the error
    return next;
  }

  private async applyNow(plan: RunPlan, { record, ended }: ChangeSteps): Promise<readonly string[]> {
    const wanted = new Map(plan.systems.map((system) => [system.name, system]));
    const gone = [...this.running.values()].filter((system) => wanted.get(system.plan.name)?.digest !== system.plan.digest || hasFailed(system));
    const leaving = new Map(gone.map((system) => [system.plan.name, system]));
    const fresh = plan.systems.filter(({ name }) => !this.running.has(name) || leaving.has(name));
    // What can fail comes first. Channels are among it: the new routes may publish to them from the next record on.
    for (const channel of channelsOf(fresh.flatMap((system) => system.outbound))) await this.broker.declare(channel);
    const paused = new Set((await this.store.endpointState.list(PAUSES, '', 10_000)).keys());
    const targets = plan.systems.flatMap((system) => system.outbound);
    const publishOrdered = await this.ordered.prepare(targets, plan.handler.ordered ?? new Map());
    // When it throws, the layouts that were begun wait for the next change; messages go on by those before.
    const handler = record ? await record() : plan.handler;
    await Promise.all(gone.map((system) => this.stopSources(system, ended)));
    if (gone.length > 0) reached('reload.sources.stopped');
    const routed = new Set(this.routing.handler.sources);
    this.routing.handler = handler;
    publishOrdered();
    for (const system of this.running.values()) for (const target of system.targets.values()) target.follow();
    this.drainMs = plan.drainMs;
    this.paused = paused;
    for (const [name, source] of [...this.running.values()].flatMap(({ sources }) => [...sources])) {
      if (!leaving.has(systemOf(name)) && this.intake.takes(name) && !routed.has(name) && !paused.has(name)) await source.resume();
    }
    // Each by itself: one whose drain takes long holds up no other.
    const removed = gone.filter(({ plan: { name } }) => !wanted.has(name)).map((system) => this.remove(system, ended));
    await Promise.all([...removed, ...fresh.map((system) => this.swap(system, leaving.get(system.name), ended))]);
    this.orphans = await findOrphans(new Set(targets.map(({ name }) => name)), this.services);
    return [...new Set([...leaving.keys(), ...fresh.map(({ name }) => name)])].sort();
  }

  private async swap(plan: SystemPlan, old: RunningSystem | undefined, ended: ChangeSteps['ended']): Promise<void> {
    const system = buildSystem(plan, this.services);
    if (old) {
      // Who sends to us, or waits to be read, does not wait until the old targets are done.
      this.running.set(plan.name, { ...system, targets: old.targets });
      await this.beginAll(system.sources, 'inbound');
      await this.stopTargets(old, ended);
      reached('reload.targets.stopped');
    }
    this.running.set(plan.name, system);
    await this.beginAll(system.targets, 'outbound');
    if (old) return;
    reached('start.targets.running');
    await this.beginAll(system.sources, 'inbound');
  }

  private async remove(system: RunningSystem, ended: ChangeSteps['ended']): Promise<void> {
    await this.stopTargets(system, ended);
    this.running.delete(system.plan.name);
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

  /** What a reload waits for now: endpoints and systems that finish what is under way, and since when. */
  ending(): readonly { readonly name: string; readonly since: number }[] {
    return Array.from(this.waits, ([name, since]) => ({ name, since }));
  }

  /** Polled sources that this process holds the lease of. */
  held(): readonly string[] {
    return [...this.running.values()].flatMap(({ sources }) => [...sources].filter(([, source]) => 'isHeld' in source && source.isHeld).map(([name]) => name)).sort();
  }

  async probe(name: string, signal: AbortSignal): Promise<readonly ProbeStep[] | undefined> {
    return this.running.get(name)?.connected.probe(signal);
  }

  /** @throws Misconfigured when its adapter has nothing to install; else as `ConnectedSystem.provision` */
  async provision(endpoint: string, request: ProvisionRequest, signal: AbortSignal): Promise<Provision | undefined> {
    const system = [...this.running.values()].find(({ sources, targets }) => sources.has(endpoint) || targets.has(endpoint));
    if (!system) return undefined;
    if (!system.connected.provision) throw new Misconfigured('E434', `${endpoint} needs nothing at its system`);
    return system.connected.provision(endpoint, request, signal);
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

  private async beginAll<T extends Pick<Source, 'start' | 'pause'>>(endpoints: Map<string, T | FailedEndpoint>, direction: 'inbound' | 'outbound'): Promise<void> {
    for (const [name, endpoint] of endpoints) {
      try {
        if (this.paused.has(name)) await endpoint.pause();
        await endpoint.start();
      } catch (error) {
        endpoints.set(name, failedEndpoint(name, direction, error, this.services));
      }
    }
  }

  private async stopSources({ sources }: RunningSystem, ended?: ChangeSteps['ended']): Promise<void> {
    const endOf = async (name: string, source: Source): Promise<void> => {
      if (!(await this.end(name, source.stop(), this.drainMs, ended))) source.abandon?.();
    };
    await Promise.all([...sources].map(([name, source]) => endOf(name, source)));
  }

  private async stopTargets({ plan, targets, connected }: RunningSystem, ended?: ChangeSteps['ended']): Promise<void> {
    await Promise.all([...targets].map(([name, target]) => this.end(name, target.stop(this.drainMs), this.drainMs + TARGET_CLOSE_MS, ended)));
    await this.end(plan.name, connected.close(), CLOSE_MS, ended);
  }

  /** Waits for an end, but one that fails or does not come must not keep the others from theirs. @returns whether it came */
  private async end(name: string, ending: Promise<void>, limitMs: number, ended: ChangeSteps['ended']): Promise<boolean> {
    const { clock, log } = this;
    const since = clock.now().getTime();
    this.waits.set(name, since);
    const reported = ending.catch((error: unknown) => log.warn('stop-failed', `stopping ${name} failed: ${describe(error)}`));
    const isOver = await settledWithin(limitMs, reported, clock);
    this.waits.delete(name);
    if (!isOver) log.warn('stop-late', `${name} did not stop within ${limitMs / 1000} s and was left behind`);
    ended?.(name, clock.now().getTime() - since, isOver);
    return isOver;
  }
}
