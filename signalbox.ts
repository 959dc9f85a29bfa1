import { reached } from './bus/failpoint.js';
import 'reflect-metadata';
import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { Container, ContainerModule } from 'inversify';
import { adapterModule, adapterToken } from './adapters/adapters.module.js';
import { catalog } from './adapters/catalog.js';
import { CLOCK, type Clock, HTTP_HOST, type HttpHost, LOGGER, type Logger } from './adapters/contract/index.js';
import { loadAdapter } from './adapters/load.js';
import { BROKER, type Broker } from './bus/broker.js';
import { type BrokerChoice, brokerModule } from './bus/broker.module.js';
import type { Diagnosis } from './bus/diagnosis.js';
import { describe, failureOf, kindOf, NotConnected } from './bus/errors.js';
import type { Message } from './bus/message.js';
import { systemClock } from './bus/runtime/clock.js';
import { examine } from './bus/runtime/doctor.js';
import { addHealthPages } from './bus/runtime/health.js';
import { absentHttpHost, createHttpHost, type RunningHttpHost } from './bus/runtime/http.js';
import { Intake } from './bus/runtime/intake.js';
import { LetterRepair } from './bus/runtime/letter-repair.js';
import { createLog, type LogOptions } from './bus/runtime/log.js';
import { type NodeFacts, NodeRegistry } from './bus/runtime/nodes.js';
import { Redelivery } from './bus/runtime/redelivery.js';
import { Resolution } from './bus/runtime/resolution.js';
import { reopenDelay } from './bus/runtime/retry.js';
import { runtimeModule } from './bus/runtime/runtime.module.js';
import { type RunPlan, Supervisor } from './bus/runtime/supervisor.js';
import { Telemetry } from './bus/runtime/telemetry.js';
import { NODE, ROUTING, type Routing, TELEMETRY, TRAFFIC } from './bus/runtime/tokens.js';
import { Traffic } from './bus/runtime/traffic.js';
import { Watchdog } from './bus/runtime/watchdog.js';
import { type Revision, STORE, type Store } from './bus/store/contract.js';
import { postgresStoreModule, sqliteStoreModule } from './bus/store/store.module.js';
import { changedRouting, needsRestart } from './config/changes.js';
import type { Configuration } from './config/configuration.js';
import { renderDiagnostics } from './config/diagnostics.js';
import { type LoadResult, loadConfiguration } from './config/load.js';
import { routeSummaries } from './config/route-summary.js';
import { redactor } from './config/secrets.js';
import { CustodyBook } from './console/custody.js';
import { type Live, Operations } from './console/operations.js';
import { type AdminServer, createAdminServer } from './console/server/server.js';
import { refuseLiveSocket } from './console/server/socket.js';
import type { Actor, DoctorRequest, ReloadResult, Running, WaitedFor } from './console/service.js';
import { version } from './version.js';

export interface StartOptions {
  /** Directory of the configuration. */
  readonly directory: string;
  /** Overrides the configured directory of bus and store. */
  readonly stateDirectory?: string;
  readonly log?: Partial<Pick<LogOptions, 'level' | 'format'>>;
  /** Path of the admin socket; `<state>/signalbox.sock` when absent. */
  readonly socketPath?: string;
}

/** A running Signalbox, embedded in a process of yours or behind `signalbox run`. */
export interface Signalbox extends Running {
  /** Sends a canonical message the way of any other; resolves when it is durable. */
  publish(message: Message): Promise<void>;
}

/** The configuration has errors; nothing was started. `report` is what `signalbox check` prints. */
export class ConfigurationRefused extends Error {
  override readonly name = 'ConfigurationRefused';
  readonly report: string;

  constructor(report: string) {
    super('the configuration has errors');
    this.report = report;
  }
}

/**
 * The composition root: checks the configuration, builds the parts and starts them in order (store, broker, HTTP listener, systems, admin API).
 * @throws ConfigurationRefused, NotConnected, Misconfigured
 */
export async function startSignalbox(options: StartOptions): Promise<Signalbox> {
  const directory = resolve(options.directory);
  const loaded = await load(directory, options.stateDirectory);
  const { configuration } = loaded;
  if (!configuration) throw new ConfigurationRefused(report(loaded, undefined));
  const { stateDirectory } = configuration.settings;
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  const socketPath = options.socketPath ?? join(stateDirectory, 'signalbox.sock');
  // Before anything is opened: a second instance learns who is there, not that a file is locked.
  await refuseLiveSocket(socketPath);

  const redaction = { of: redactor(configuration.secrets) };
  const log = createLog({ level: options.log?.level ?? 'info', format: options.log?.format ?? 'json', redact: (line) => redaction.of(line) });
  const http = httpHost(configuration, log);
  const container = new Container();
  const services = {
    log,
    clock: systemClock,
    http: http ?? absentHttpHost,
    node: process.env['SIGNALBOX_NODE'] ?? hostname(),
  };
  const nodes = new NodeRegistry(services.node, configuration.settings.store.kind === 'postgres', systemClock, log, leaseMs());
  container.load(constants(services), brokerModule(brokerChoice(configuration)), storeModule(configuration), runtimeModule(nodes));

  const store = container.get<Store>(STORE);
  const broker = container.get<Broker>(BROKER);
  // A file that another process holds is no reason to wait.
  await (store.kind === 'sqlite' ? store.open(AbortSignal.timeout(120_000)) : openPatiently('store', store, log));
  const assembly = new Assembly(container, directory, stateDirectory, nodes, store, broker, log, redaction);
  try {
    await openPatiently('bus', broker, log);
    await assembly.start(configuration, loaded, http, socketPath);
  } catch (error) {
    await assembly.stop(describe(error), 1);
    throw error;
  }
  return assembly;
}

/** What a reload waited for longer than this stands in its receipt. */
const WORTH_TELLING_MS = 1_000;

/** For tests, which cannot wait for the usual time. */
function leaseMs(): number | undefined {
  const given = Number(process.env['SIGNALBOX_LEASE_MS']);
  return given >= 1_000 ? given : undefined;
}

/** A server that is not up yet (the machine is starting, it is being upgraded) is waited for; wrong credentials are not. */
async function openPatiently(what: 'bus' | 'store', part: Broker | Store, log: Logger): Promise<void> {
  const signal = AbortSignal.timeout(600_000);
  for (let attempt = 0; ; attempt++) {
    try {
      return await part.open(signal);
    } catch (error) {
      const failure = failureOf(error);
      if (!failure || kindOf(failure) !== 'not-connected' || signal.aborted) throw error;
      if (attempt === 0) log.warn(`${what}-away`, `the ${what} cannot be reached, trying again until it can: ${describe(error)}`, { code: failure.code });
      await systemClock.sleep(reopenDelay(Math.min(attempt, 3)), signal);
    }
  }
}

export function load(directory: string, stateDirectory: string | undefined): Promise<LoadResult> {
  return loadConfiguration(directory, {
    specs: catalog,
    env: process.env,
    loadPackage: (name) => loadAdapter(name, directory),
    ...(stateDirectory === undefined ? {} : { stateDirectory }),
  });
}

export function report({ diagnostics, sources }: LoadResult, revision: number | undefined): string {
  return renderDiagnostics(diagnostics, sources, { colour: false, applied: revision === undefined ? undefined : { revision } });
}

export function constants({ log, clock, http, node }: { readonly log: Logger; readonly clock: Clock; readonly http: HttpHost; readonly node: string }): ContainerModule {
  return new ContainerModule(({ bind }) => {
    bind(LOGGER).toConstantValue(log);
    bind(CLOCK).toConstantValue(clock);
    bind(HTTP_HOST).toConstantValue(http);
    bind(NODE).toConstantValue(node);
    bind(TELEMETRY).toConstantValue(new Telemetry(version));
    bind(TRAFFIC).toConstantValue(new Traffic());
  });
}

export function brokerChoice({ settings: { bus, stateDirectory } }: Configuration): BrokerChoice {
  return bus.kind === 'embedded' ? { ...bus, directory: stateDirectory } : bus;
}

export function storeModule({ settings: { store, stateDirectory } }: Configuration): ContainerModule {
  return store.kind === 'sqlite' ? sqliteStoreModule(stateDirectory) : postgresStoreModule(store);
}

function httpHost({ settings: { listen } }: Configuration, log: Logger): RunningHttpHost | undefined {
  return listen && createHttpHost({ host: listen.host, port: listen.port, log, ...(listen.tls ? { tls: listen.tls } : {}) });
}

/** A redelivery takes no longer; until then its letter and the history may differ. */
const UNDER_WAY_MS = 120_000;

/** Everything that runs, in the order it is started and stopped. */
class Assembly implements Signalbox {
  readonly done: Promise<number>;
  private readonly ended = Promise.withResolvers<number>();
  private readonly supervisor: Supervisor;
  private readonly watchdog: Watchdog;
  private readonly loadedAdapters = new Set<string>();
  /** What was started with, and what runs since the last reload. */
  private started: Configuration | undefined;
  private configuration: Configuration | undefined;
  private live: Live | undefined;
  private operations: Operations | undefined;
  private admin: AdminServer | undefined;
  private http: RunningHttpHost | undefined;
  private pruning: NodeJS.Timeout | undefined;
  private stopping: Promise<void> | undefined;
  private reloading: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly container: Container,
    private readonly directory: string,
    private readonly stateDirectory: string,
    private readonly nodes: NodeRegistry,
    private readonly store: Store,
    private readonly broker: Broker,
    private readonly log: Logger,
    private readonly redaction: { of: (line: string) => string },
  ) {
    this.done = this.ended.promise;
    this.supervisor = container.get(Supervisor);
    this.watchdog = container.get(Watchdog);
  }

  get service(): Operations {
    if (!this.operations) throw new Error('not started yet');
    return this.operations;
  }

  async start(configuration: Configuration, loaded: LoadResult, http: RunningHttpHost | undefined, socketPath: string): Promise<void> {
    await this.nodes.open(this.store.endpointState);
    const { revision } = await this.record(configuration, 'start');
    reached('start.recorded');
    const live: Live = {
      version,
      nodes: this.nodes,
      startedAt: Date.now(),
      revision,
      refused: undefined,
      routes: routeSummaries(configuration),
      reload: (by) => this.reload(by),
      examine: (request) => this.examine(request),
    };
    this.live = live;
    await this.nodes.start(
      () => this.facts(live),
      () => this.supervisor.followPauses(),
    );
    const { container } = this;
    const routing = container.get<Routing>(ROUTING);
    const sources = (): readonly string[] =>
      [...this.supervisor.reports().values()].flatMap(({ endpoints }) => endpoints.filter(({ direction }) => direction === 'inbound').map(({ name }) => name));
    const custody = new CustodyBook(this.store, sources, (endpoint, record) => routing.handler.messageIds(endpoint, record));
    const parts = [container.get<Traffic>(TRAFFIC), container.get(Redelivery), container.get(Resolution)] as const;
    this.operations = new Operations(live, this.broker, this.store, this.supervisor, ...parts, custody);
    this.http = http;
    if (http) {
      addHealthPages(http, {
        telemetry: this.container.get<Telemetry>(TELEMETRY),
        status: () => this.service.status(),
        writeStore: () => this.store.leases.acquire('signalbox.readyz', this.nodes.holder, 60_000, new Date()),
        broker: this.broker,
      });
    }
    await this.supervisor.apply(await this.plan(configuration, revision.number));
    this.tellRevision(revision.number);
    this.started = configuration;
    this.configuration = configuration;
    // Only now: before its route is there a webhook would get 404, and a sender takes that for final.
    await http?.start();
    this.admin = createAdminServer(this.operations, { socketPath, log: this.log });
    await this.admin.listen();
    void this.prune(); // a node that never runs for long removes too
    this.watchdog.start(() => this.supervisor.watched());
    this.pruning = setInterval(() => void this.prune(), 600_000);
    const warnings = loaded.diagnostics.length;
    this.log.info('started', `signalbox ${version} runs revision ${revision.number}`, { revision: revision.number, bus: this.broker.kind, warnings });
    reached('start.done');
  }

  async publish(message: Message): Promise<void> {
    await this.container.get(Intake).publish(message, { patienceMs: 30_000, signal: AbortSignal.timeout(60_000) });
  }

  stop(reason: string, code = 0): Promise<void> {
    this.stopping ??= this.shutDown(reason, code);
    return this.stopping;
  }

  private async shutDown(reason: string, code: number): Promise<void> {
    this.log.info('stopping', `stopping: ${reason}`);
    clearInterval(this.pruning);
    await this.reloading.catch(() => undefined); // it has reported its own failure
    await this.attempt('admin API', () => this.admin?.close());
    await this.attempt('watchdog', () => this.watchdog.stop());
    await this.attempt('systems', () => this.supervisor.stop());
    await this.attempt('HTTP listener', () => this.http?.stop(5_000));
    await this.attempt('bus', () => this.broker.close());
    await this.attempt('registry of nodes', () => this.nodes.stop());
    await this.attempt('store', () => this.store.close());
    this.log.info('stopped', 'stopped');
    this.ended.resolve(code);
  }

  private async attempt(what: string, close: () => Promise<void> | undefined): Promise<void> {
    try {
      await close();
    } catch (error) {
      this.log.error('stop-failed', `stopping the ${what} failed: ${describe(error)}`);
    }
  }

  /** One reload at a time; one that is refused or fails leaves everything as it is. */
  private reload(by: Actor): Promise<ReloadResult> {
    if (this.stopping) return Promise.reject(new NotConnected('E550', 'Signalbox is stopping'));
    const next = this.reloading.then(() => this.reloadNow(by));
    this.reloading = next.catch((error: unknown) => {
      this.container.get<Telemetry>(TELEMETRY).reloadSuccess.set(0);
      this.log.error('reload-failed', `the configuration on disk was not applied, revision ${this.live?.revision.number} goes on running: ${describe(error)}`);
    });
    return next;
  }

  private async reloadNow(by: Actor): Promise<ReloadResult> {
    const { live, configuration: before } = this;
    if (!live || !before) throw new Error('not started yet');
    const loaded = await load(this.directory, this.stateDirectory);
    const { configuration } = loaded;
    if (!configuration) return this.refuse(loaded, live);
    // Until what ran before is gone, its secrets are still in use.
    const [secretsNow, secretsBefore] = [redactor(configuration.secrets), redactor(before.secrets)];
    this.redaction.of = (line) => secretsBefore(secretsNow(line));
    const plan = await this.plan(configuration, live.revision.number);
    const waited: WaitedFor[] = [];
    let isNew = true;
    const systems = await this.supervisor.apply(plan, {
      // After all that can fail: what is recorded runs, or the process ended in between and nothing was handled under this number.
      record: async () => {
        const recorded = await this.record(configuration, by.who);
        reached('reload.recorded');
        isNew = recorded.isNew;
        live.revision = recorded.revision;
        return configuration.compile(recorded.revision.number);
      },
      ended: (name, ms, isOver) => {
        if (ms >= WORTH_TELLING_MS || !isOver) waited.push({ name, ms, isOver });
      },
    });
    this.configuration = configuration;
    live.routes = routeSummaries(configuration);
    live.refused = undefined;
    const revision = live.revision.number;
    const later = this.started ? needsRestart(this.started, configuration) : [];
    if (later.length > 0) this.log.warn('restart-needed', `a change of ${later.join(' and ')} takes effect when Signalbox is started again`);
    const changed = [...systems, ...changedRouting(before, configuration), ...later.map((name) => `${name} (after a restart)`)];
    this.tellRevision(revision);
    await this.nodes.refresh().catch(() => undefined); // the next beat tells it
    this.log.info('reloaded', `revision ${revision} runs${isNew ? '' : ' (nothing changed)'}`, { revision, changed: changed.join(', ') });
    return { applied: true, revision, report: report(loaded, revision), changed, waited };
  }

  private refuse(loaded: LoadResult, live: Live): ReloadResult {
    const { number } = live.revision;
    const errors = loaded.diagnostics.filter(({ severity }) => severity === 'error');
    live.refused = { at: Date.now(), problems: errors.length };
    for (const { code, file, line, message } of errors.slice(0, 50)) this.log.error('config-problem', message, { code, file, line });
    this.container.get<Telemetry>(TELEMETRY).reloadSuccess.set(0);
    this.log.error('reload-refused', `the configuration on disk has ${errors.length} errors; revision ${number} goes on running`, { revision: number });
    return { applied: false, revision: number, report: report(loaded, number), changed: [], waited: [] };
  }

  /** To the metrics. */
  private tellRevision(revision: number): void {
    const { configInfo, reloadSuccess } = this.container.get<Telemetry>(TELEMETRY);
    configInfo.reset();
    configInfo.set({ revision: String(revision) }, 1);
    reloadSuccess.set(1);
  }

  private async examine({ systems, selfTest, integrity }: DoctorRequest): Promise<readonly Diagnosis[]> {
    const configured = [...(this.configuration?.systems.values() ?? [])];
    const probes = configured.map(({ name }) => [name, async (signal: AbortSignal) => (await this.supervisor.probe(name, signal)) ?? []] as const);
    return examine({
      broker: this.broker,
      store: this.store,
      clock: systemClock,
      stateDirectory: this.stateDirectory,
      channels: (await Promise.all(configured.flatMap(({ outbound }) => [...outbound.keys()]).map((name) => this.supervisor.channels(name)))).flat(),
      systems: new Map(systems ? probes : []),
      selfTest,
      integrity,
      watched: this.watchdog.diagnoses(),
    });
  }

  private facts({ version: running, startedAt, revision: { number, digest } }: Live): NodeFacts {
    return { name: this.nodes.name, pid: process.pid, version: running, startedAt, revision: number, digest, sources: this.supervisor.held() };
  }

  private async record(configuration: Configuration, by: string): Promise<{ readonly revision: Omit<Revision, 'content'>; readonly isNew: boolean }> {
    // Each node comes to the same change by itself, and to the same number: what it knows of the others must not be of before their change.
    await this.nodes.refresh();
    const elsewhere = this.nodes.revisionOf(configuration.digest);
    const shared = elsewhere === undefined ? undefined : await this.store.revisions.get(elsewhere);
    if (shared?.digest === configuration.digest) {
      return { revision: { number: shared.number, digest: shared.digest, by: shared.by, at: shared.at }, isNew: shared.number !== this.live?.revision.number };
    }
    const { number, digest, ...rest } = await this.store.revisions.add({ digest: configuration.digest, content: JSON.stringify(configuration.files), by, at: Date.now() });
    return { revision: { number, digest, by: rest.by, at: rest.at }, isNew: number !== this.live?.revision.number };
  }

  private async plan(configuration: Configuration, revision: number): Promise<RunPlan> {
    const missing = [...configuration.systems.values()].map(({ adapter }) => adapter).filter(({ name }) => !this.loadedAdapters.has(name));
    const specs = new Map(missing.map((spec) => [spec.name, spec]));
    this.container.load(await adapterModule(specs.values()));
    for (const name of specs.keys()) this.loadedAdapters.add(name);
    return {
      handler: configuration.compile(revision),
      drainMs: configuration.settings.drainMs,
      systems: [...configuration.systems.values()].map((system) => ({
        name: system.name,
        adapter: system.adapter.name,
        digest: system.digest,
        connect: () => this.container.get(adapterToken(system.adapter.name)).system(system.name, system.connect),
        inbound: [...system.inbound.values()],
        outbound: [...system.outbound.values()].map((endpoint) => ({ ...endpoint, usesLedger: system.adapter.write?.remembersDeliveries !== true })),
      })),
    };
  }

  private async prune(): Promise<void> {
    if (!this.configuration) return;
    const { retention } = this.configuration.settings;
    try {
      reached('prune.before');
      const removed = await this.store.prune(new Date(), retention);
      reached('prune.done');
      if (removed > 0) this.log.debug('pruned', `${removed} rows older than their retention were removed`);
      const repaired = await this.container.get(LetterRepair).run(Date.now() - UNDER_WAY_MS);
      if (repaired > 0) this.log.info('letters-repaired', `${repaired} dead letters were out of step with the history`);
      const finished = await this.container.get(Resolution).finish(Date.now() - UNDER_WAY_MS);
      if (finished > 0) this.log.info('resolutions-finished', `${finished} parked deliveries had a verdict that was not carried out to its end`);
    } catch (error) {
      if (!this.stopping) this.log.warn('prune-failed', `removing old history failed: ${describe(error)}`);
    }
  }
}
