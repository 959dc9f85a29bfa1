import type { ProbeStep, Provision, ProvisionRequest } from '../adapters/contract/endpoint.js';
import type { Broker } from '../bus/broker.js';
import type { Diagnosis } from '../bus/diagnosis.js';
import { describe } from '../bus/errors.js';
import { datarefOf } from '../bus/runtime/claim-check.js';
import type { EndpointReport } from '../bus/runtime/endpoint-health.js';
import type { NodeRegistry } from '../bus/runtime/nodes.js';
import type { Redelivery } from '../bus/runtime/redelivery.js';
import type { Resolution } from '../bus/runtime/resolution.js';
import type { Supervisor } from '../bus/runtime/supervisor.js';
import type { Traffic } from '../bus/runtime/traffic.js';
import type {
  AuditEntry,
  DeadLetterGroup,
  HistoryQuery,
  LedgerEntry,
  MessageSummary,
  ParkedDelivery,
  ParkedLane,
  Revision,
  Store,
  StoredDeadLetter,
  StoredEvent,
} from '../bus/store/contract.js';
import type { RouteSummary } from '../config/route-summary.js';
import type { CustodyBook } from './custody.js';
import {
  type Actor,
  type DeadLetterSummary,
  type DoctorRequest,
  type EndpointStatus,
  type FileLine,
  type FileReconciliation,
  type FileStory,
  type FilesQuery,
  type LedgerLine,
  type LedgerQuery,
  type LedgerRecord,
  type NodeStatus,
  type ParkedSummary,
  type ReconcileQuery,
  type RedeliverResult,
  type ReloadResult,
  type ResolveResult,
  type RouteStatus,
  type Service,
  type Status,
  type SystemStatus,
  UnknownName,
  type Verdict,
} from './service.js';

/** What runs now, as the composition root sees it. */
export interface Live {
  readonly version: string;
  readonly nodes: NodeRegistry;
  readonly startedAt: number;
  revision: Omit<Revision, 'content'>;
  refused: { readonly at: number; readonly problems: number } | undefined;
  routes: readonly RouteSummary[];
  reload(by: Actor): Promise<ReloadResult>;
  examine(request: DoctorRequest): Promise<readonly Diagnosis[]>;
}

/** The service interface over the running parts: reads the store and the supervisor, changes through them, and writes each change to the audit log. */
export class Operations implements Service {
  constructor(
    private readonly live: Live,
    private readonly broker: Broker,
    private readonly store: Store,
    private readonly supervisor: Supervisor,
    private readonly traffic: Traffic,
    private readonly redelivery: Redelivery,
    private readonly resolution: Resolution,
    private readonly custody: CustodyBook,
  ) {}

  async status(): Promise<Status> {
    const { live, store, broker } = this;
    const [systems, messages, groups, lanes, unknown, bytes] = await Promise.all([
      this.systems(),
      store.history.counts(),
      store.deadLetters.groups(),
      store.parked.lanes({ limit: MOST_LANES }),
      store.ledger.counts('unknown'),
      store.size(),
    ]);
    return {
      version: live.version,
      node: live.nodes.name,
      pid: process.pid,
      startedAt: live.startedAt,
      revision: { number: live.revision.number, by: live.revision.by, at: live.revision.at },
      refused: live.refused,
      ending: this.supervisor.ending(),
      bus: { kind: broker.kind, health: broker.health },
      store: { kind: store.kind, bytes },
      messages,
      deadLetters: groups.reduce((sum, group) => sum + group.count, 0),
      deadLettersBy: groups.map(({ endpoint, code, count }) => ({ endpoint, code, count })),
      parkedBy: [...Map.groupBy(lanes, ({ endpoint }) => endpoint)].map(([endpoint, own]) => ({
        endpoint,
        lanes: own.length,
        deliveries: own.reduce((sum, { count }) => sum + count, 0),
      })),
      unknown: [...unknown].map(([endpoint, count]) => ({ endpoint, count })).sort((a, b) => b.count - a.count),
      systems,
      nodes: await this.nodes(),
    };
  }

  async nodes(): Promise<readonly NodeStatus[]> {
    return this.live.nodes.list().map(({ digest: _digest, ...node }) => node);
  }

  async systems(): Promise<readonly SystemStatus[]> {
    return Promise.all(
      [...this.supervisor.reports()].map(async ([name, { adapter, endpoints }]) => {
        const reports = await Promise.all(endpoints.map((endpoint) => this.endpoint(endpoint)));
        return { name, adapter, state: worst(reports), endpoints: reports };
      }),
    );
  }

  async system(name: string): Promise<SystemStatus> {
    const found = (await this.systems()).find((system) => system.name === name);
    if (!found) throw new UnknownName(`no system "${name}"; known: ${[...this.supervisor.reports().keys()].join(', ')}`);
    return found;
  }

  async testSystem(name: string): Promise<readonly ProbeStep[]> {
    const steps = await this.supervisor.probe(name, AbortSignal.timeout(30_000));
    if (!steps) throw new UnknownName(`no system "${name}"; known: ${[...this.supervisor.reports().keys()].join(', ')}`);
    return steps;
  }

  async provision(endpoint: string, request: ProvisionRequest, by: Actor): Promise<Provision> {
    const provision = await this.supervisor.provision(endpoint, request, AbortSignal.timeout(120_000));
    if (!provision) throw new UnknownName(`no endpoint "${endpoint}"; known: ${(await this.systems()).flatMap(({ endpoints }) => endpoints.map(({ name }) => name)).join(', ')}`);
    if (request.apply) await this.audit(by, `${request.action}-triggers`, endpoint, `${provision.statements.length} statements run`);
    return provision;
  }

  pause(name: string, by: Actor): Promise<void> {
    return this.setPaused(name, true, by);
  }

  resume(name: string, by: Actor): Promise<void> {
    return this.setPaused(name, false, by);
  }

  async reset(endpoint: string, by: Actor): Promise<void> {
    const hasOne = await this.supervisor.reset(endpoint, by.who);
    if (hasOne === undefined) {
      const inbound = (await this.systems()).flatMap(({ endpoints }) => endpoints).filter(({ direction }) => direction === 'inbound');
      throw new UnknownName(`no endpoint "${endpoint}" that reads; known: ${inbound.map(({ name }) => name).join(', ')}`);
    }
    if (!hasOne) throw new UnknownName(`${endpoint} is called, or could not be set up: it has no checkpoint to forget`);
    await this.audit(by, 'reset', endpoint, 'read from the beginning');
  }

  async routes(): Promise<readonly RouteStatus[]> {
    return this.live.routes.map((route) => ({
      ...route,
      ...this.traffic.route(route.name),
      rules: route.rules.map((rule) => ({ ...rule, ...this.traffic.rule(route.name, rule.name) })),
    }));
  }

  async route(name: string): Promise<RouteStatus> {
    const found = (await this.routes()).find((route) => route.name === name);
    if (!found) throw new UnknownName(`no route "${name}"; known: ${this.live.routes.map((route) => route.name).join(', ')}`);
    return found;
  }

  searchMessages(query: HistoryQuery): Promise<readonly MessageSummary[]> {
    return this.store.history.search(query);
  }

  async findMessages(reference: string): Promise<readonly MessageSummary[]> {
    const { history } = this.store;
    const ids = /^[0-9A-Z]{8,26}$/.test(reference) ? await history.byPrefix(reference, 20) : [];
    const found = await Promise.all(ids.map((id) => history.message(id)));
    const byId = found.filter((message) => message !== undefined);
    return byId.length > 0 ? byId : history.search({ key: reference, limit: 20 });
  }

  events(messageId: string): Promise<readonly StoredEvent[]> {
    return this.store.history.events(messageId);
  }

  async payload(reference: string): Promise<Uint8Array> {
    const content = await this.store.payloads.get(reference);
    if (!content) throw new UnknownName(`no payload "${reference}"`);
    return content;
  }

  tail(after: number, limit: number): Promise<readonly StoredEvent[]> {
    return this.store.history.since(after, limit);
  }

  deadLetterGroups(): Promise<readonly DeadLetterGroup[]> {
    return this.store.deadLetters.groups();
  }

  async deadLetters(reference: string, limit: number): Promise<readonly DeadLetterSummary[]> {
    const { deadLetters } = this.store;
    const grouped = await deadLetters.list({ group: reference, limit });
    if (grouped.length > 0) return grouped.map(withoutContent);
    const letter = await deadLetters.get(reference);
    return (letter ? [letter] : await deadLetters.list({ messageId: reference, limit })).map(withoutContent);
  }

  async deadLetter(id: string): Promise<StoredDeadLetter> {
    const letter = await this.store.deadLetters.get(id);
    if (!letter) throw new UnknownName(`no dead letter "${id}"`);
    const reference = datarefOf(letter.headers);
    const content = reference === undefined ? undefined : await this.store.payloads.get(reference);
    return content ? { ...letter, content } : letter;
  }

  async redeliver(ids: readonly string[], by: Actor): Promise<RedeliverResult> {
    const result = await this.redelivery.redeliver(ids, by);
    await this.audit(by, 'redeliver', `${ids.length} dead letters`, `${result.redelivered} redelivered, ${result.failed.length} failed`);
    return result;
  }

  async discard(ids: readonly string[], by: Actor): Promise<number> {
    const count = await this.redelivery.discard(ids, by);
    await this.audit(by, 'discard', `${ids.length} dead letters`, `${count} discarded`);
    return count;
  }

  parkedLanes(filter: { readonly endpoint?: string; readonly limit: number }): Promise<readonly ParkedLane[]> {
    return this.store.parked.lanes(filter);
  }

  async parkedDeliveries(endpoint: string, lane: string, limit: number): Promise<readonly ParkedSummary[]> {
    return (await this.store.parked.list(endpoint, lane, limit)).map(({ content: _, headers: __, ...parked }) => parked);
  }

  async parkedDelivery(id: string): Promise<ParkedDelivery> {
    const parked = await this.store.parked.get(id);
    if (!parked) throw new UnknownName(`no parked delivery "${id}"`);
    return parked;
  }

  async releaseParked(endpoint: string, lane: string, by: Actor): Promise<number> {
    const count = await this.redelivery.parked.release(endpoint, lane, by);
    if (count === 0) throw new UnknownName(`nothing of "${lane}" is parked for ${endpoint}`);
    await this.audit(by, 'release', `${endpoint} ${lane}`, `${count} parked deliveries released`);
    return count;
  }

  async discardParked(id: string, by: Actor): Promise<void> {
    if (!(await this.redelivery.parked.discard(id, by))) throw new UnknownName(`no parked delivery "${id}"`);
    await this.audit(by, 'discard', `parked delivery ${id}`, 'discarded');
  }

  async ledger({ state, endpoint, limit }: LedgerQuery): Promise<readonly LedgerLine[]> {
    const { ledger, parked } = this.store;
    const states = state === undefined ? (['unknown', 'released', 'sending'] as const) : [state];
    const lists = await Promise.all(states.map((each) => ledger.list({ state: each, limit, ...(endpoint === undefined ? {} : { endpoint }) })));
    const entries = lists.flat().toSorted((a, b) => a.at - b.at);
    return Promise.all(entries.slice(0, limit).map(async (entry) => lineOf(entry, await parked.get(entry.deliveryId))));
  }

  async ledgerRecord(deliveryId: string): Promise<LedgerRecord> {
    const [found, parked] = await Promise.all([this.store.ledger.get([deliveryId]), this.store.parked.get(deliveryId)]);
    const entry = found.get(deliveryId);
    if (!entry) throw new UnknownName(`the ledger has no delivery "${deliveryId}"`);
    const reference = parked && datarefOf(parked.headers);
    return { ...lineOf(entry, parked), content: reference === undefined ? parked?.content : await this.store.payloads.get(reference) };
  }

  async resolve(ids: readonly string[], verdict: Verdict, by: Actor): Promise<ResolveResult> {
    const result = await this.resolution.resolve(ids, verdict, by);
    const subject = ids.length > 3 ? `${ids.length} deliveries` : ids.join(', ');
    await this.audit(by, `resolve as ${verdict}`, subject, `${result.resolved} resolved, ${result.failed.length} failed`);
    return result;
  }

  files(query: FilesQuery): Promise<readonly FileLine[]> {
    return this.custody.list(query);
  }

  file(reference: string, endpoint?: string): Promise<FileStory> {
    return this.custody.find(reference, endpoint);
  }

  async releaseFile(endpoint: string, id: string, by: Actor): Promise<void> {
    const { name } = await this.custody.ask('release', endpoint, id, by);
    await this.audit(by, 'release file', `${endpoint} ${name}`, 'read at the next poll');
  }

  async reprocessFile(endpoint: string, id: string, by: Actor): Promise<void> {
    const { name } = await this.custody.ask('reprocess', endpoint, id, by);
    await this.audit(by, 'reprocess file', `${endpoint} ${name}`, 'read again at the next poll');
  }

  reconcile(query: ReconcileQuery): Promise<readonly FileReconciliation[]> {
    return this.custody.reconcile(query);
  }

  async reload(by: Actor): Promise<ReloadResult> {
    try {
      const result = await this.live.reload(by);
      await this.audit(by, 'reload', 'configuration', result.applied ? `revision ${result.revision}` : 'refused');
      return result;
    } catch (error) {
      // The store may be what failed; the caller hears of the first failure.
      await this.audit(by, 'reload', 'configuration', `failed: ${describe(error)}`).catch(() => undefined);
      throw error;
    }
  }

  async revisions(limit: number): Promise<readonly Omit<Revision, 'content'>[]> {
    return (await this.store.revisions.list(limit)).map(({ number, digest, by, at }) => ({ number, digest, by, at }));
  }

  doctor(request: DoctorRequest): Promise<readonly Diagnosis[]> {
    return this.live.examine(request);
  }

  private async setPaused(name: string, paused: boolean, by: Actor): Promise<void> {
    const endpoints = await this.supervisor.setPaused(name, paused);
    if (endpoints.length === 0) throw new UnknownName(`no system or endpoint "${name}"; known: ${[...this.supervisor.reports().keys()].join(', ')}`);
    await this.audit(by, paused ? 'pause' : 'resume', name, endpoints.join(', '));
  }

  private async endpoint(report: EndpointReport): Promise<EndpointStatus> {
    if (report.direction === 'inbound') {
      return { ...report, waiting: undefined, oldestMs: undefined, checkpoint: await this.store.checkpoints.get(report.name) };
    }
    try {
      const depths = await Promise.all((await this.supervisor.channels(report.name)).map(({ name }) => this.broker.depth(name)));
      const waiting = depths.reduce((sum, { ready, unsettled, delayed = 0 }) => sum + ready + unsettled + delayed, 0);
      const ages = depths.flatMap(({ oldestMs }) => (oldestMs === undefined ? [] : [oldestMs]));
      return { ...report, waiting, oldestMs: ages.length === 0 ? undefined : Math.max(...ages), checkpoint: undefined };
    } catch {
      // The bus is away: its own line of the status says so.
      return { ...report, waiting: undefined, oldestMs: undefined, checkpoint: undefined };
    }
  }

  private audit(by: Actor, action: string, subject: string, result: string): Promise<void> {
    const entry: AuditEntry = { at: Date.now(), who: by.who, action, subject, result, ...(by.reason === undefined ? {} : { reason: by.reason }) };
    return this.store.audit.append(entry);
  }
}

/** Counted for the status; with more the figures are too low. */
const MOST_LANES = 10_000;
const GRAVITY = ['ok', 'idle', 'standby', 'starting', 'slow', 'paused', 'silent', 'retrying', 'failing', 'misconfigured'] as const;

function worst(endpoints: readonly EndpointStatus[]): SystemStatus['state'] {
  return endpoints.reduce<SystemStatus['state']>((state, endpoint) => (GRAVITY.indexOf(endpoint.state) > GRAVITY.indexOf(state) ? endpoint.state : state), 'ok');
}

function lineOf({ deliveryId, endpoint, state, at, detail }: LedgerEntry, parked: ParkedDelivery | undefined): LedgerLine {
  return {
    deliveryId,
    endpoint,
    state,
    at,
    detail,
    parked: parked && { messageId: parked.messageId, key: parked.key, route: parked.route, rule: parked.rule, code: parked.code },
  };
}

function withoutContent({ content: _, headers: __, stack: ___, ...letter }: StoredDeadLetter): DeadLetterSummary {
  return letter;
}
