import type { ConnectedSystem } from '../../adapters/contract/index.js';
import { ladderStep } from '../../bus/broker.js';
import { describe } from '../../bus/errors.js';
import type { RetryPolicy } from '../../bus/handler.js';
import type { RunPlan, SystemPlan } from '../../bus/runtime/supervisor.js';
import { BrokerServer } from './broker.js';
import { CONFIRM_MS } from './broker-client.js';
import type { VirtualClock } from './clock.js';
import { CALM, Context } from './context.js';
import { checkEnd, isStored, keptInMemory } from './invariants.js';
import { Nemesis } from './nemesis.js';
import { type Mutation, Node } from './node.js';
import { LONGEST_CALL_MS, Partner, type PartnerSpec } from './partner.js';
import { Random } from './random.js';
import { type Expected, expected, type Fate, type Input, routing } from './routing.js';
import type { Life } from './scheduler.js';
import { Folder, Table, Web } from './sources.js';
import { StoreServer } from './store.js';

export interface RunOptions {
  readonly mutation?: Mutation;
  readonly print?: (line: string) => void;
}

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly digest: string;
  readonly last: readonly string[];
  readonly steps: number;
  readonly inputs: number;
  /** Effects at all partners. */
  readonly effects: number;
  /** Virtual milliseconds from the end of the faults until everything was done. */
  readonly recoveryMs: number;
}

/** The configuration that should run; a reload counts the revision up. */
interface Variant {
  revision: number;
  readonly digests: Map<string, number>;
  readonly without: Set<string>;
}

const TABLE = 'table.rows';
const FOLDER = 'folder.files';
const WEB = 'web.orders';
const PARTNERS: readonly PartnerSpec[] = [
  { name: 'erp.orders', parallel: 4, remembers: true },
  { name: 'shop.calls', parallel: 3, remembers: false },
  { name: 'disk.files', parallel: 1, remembers: true },
  { name: 'mail.notes', parallel: 1, remembers: false },
  { name: 'bank.bookings', parallel: 2, remembers: false, onUnknown: 'verify' },
  { name: 'fax.letters', parallel: 2, remembers: false, onUnknown: 'park' },
  { name: 'stock.keyed', parallel: 3, remembers: true, ordered: 'skip' },
  { name: 'prices.keyed', parallel: 3, remembers: true, ordered: 'park' },
];

/** One simulated installation and everything around it. */
export class World {
  readonly context: Context;
  readonly brokerServer: BrokerServer;
  readonly storeServer = new StoreServer();
  readonly nodes: readonly Node[];
  readonly partners: readonly Partner[];
  readonly sources: readonly string[];
  readonly table: Table;
  readonly folder: Folder;
  readonly web: Web;
  readonly retry: RetryPolicy;
  readonly expected: Expected[] = [];
  readonly variant: Variant = { revision: 1, digests: new Map(), without: new Set() };
  readonly nemesis: Nemesis;
  readonly #random: Random;
  readonly #everyMs: number;
  readonly #loadMs: number;
  readonly #size: number;
  readonly #maxRecords: number;
  readonly #isShared: boolean;
  /** All was found done, or waited for long enough. */
  #isOver = false;

  constructor(
    readonly seed: number,
    readonly options: RunOptions = {},
  ) {
    this.context = new Context(seed, options.print);
    const random = new Random(seed, 3);
    this.#random = random;
    this.brokerServer = new BrokerServer(this.context);
    this.storeServer.outlivesClients = random.chance(0.5);
    this.partners = PARTNERS.filter(() => random.chance(0.4)).map((spec) => new Partner(spec, this.context, this.storeServer));
    if (this.partners.length === 0) this.partners = [new Partner(random.pick(PARTNERS), this.context, this.storeServer)];
    const sources = [TABLE, FOLDER, WEB].filter(() => random.chance(0.6));
    this.sources = sources.length > 0 ? sources : [TABLE];
    const stored = (input: Input): boolean => isStored(this, input);
    this.table = new Table(TABLE, this.context, random.pick([0, 0, 3]), random.chance(0.7));
    this.folder = new Folder(FOLDER, this.context, stored);
    this.web = new Web(WEB, this.context, stored);
    this.storeServer.onCheckpoint = (source, position) => source === TABLE && this.table.saved(position, stored);
    this.retry = { attempts: random.whole(3, 4), firstMs: random.pick([500, 900, 2_000]), longestMs: 10_000, factor: 3, jitter: 0.1 };
    this.#everyMs = random.pick([500, 1_000, 2_000]);
    this.#maxRecords = random.pick([1, 5, 20]);
    this.#loadMs = random.pick([2_000, 10_000, 30_000, 60_000]);
    this.#size = random.pick([3, 8, 20, 40, 80]);
    const names = random.chance(0.4) ? ['a', 'b'] : ['a'];
    this.#isShared = names.length > 1 || random.chance(0.3);
    this.nodes = names.map((name) => this.#node(name));
    this.nemesis = new Nemesis(this, new Random(seed, 4), this.#loadMs);
  }

  async run(): Promise<RunResult> {
    const { context, nemesis } = this;
    const { scheduler } = context;
    for (let i = 0; i < this.#size; i++) this.#arrive(this.#random.between(0, this.#loadMs));
    for (const node of this.nodes) node.start();
    nemesis.begin();
    await scheduler.run(() => false, nemesis.endsAt);
    nemesis.heal();
    Object.assign(context.rates, CALM);
    const healedAt = scheduler.now;
    // Life goes on: each source is read and each target is written to.
    for (const source of this.sources) for (const { spec } of this.partners) this.#arrive(this.#random.between(0, 3_000), { source, to: [spec.name] });
    this.#goOn();
    const isDone = this.#watch(() => this.#isQuiet());
    // What was being sent is looked into only after the longest call, one after the other.
    const doubtMs = this.partners.some(({ isCareful }) => isCareful) ? 120_000 : 0;
    const limitMs = 60_000 + ladderStep(this.retry.longestMs) * this.retry.attempts + (nemesis.misconfigures ? 300_000 : 0) + doubtMs;
    const isQuiet = await scheduler.run(isDone, healedAt + limitMs);
    this.#isOver = true;
    const recoveryMs = scheduler.now - healedAt;
    if (!isQuiet) context.violated(`not done ${Math.round(limitMs / 1000)} s after the last fault: ${this.#waitsFor()}`);
    await scheduler.run(() => false, scheduler.now + 2_000);
    if (isQuiet) {
      // A confirm that was lost is missed after its time only; until then what was published counts as under way.
      await scheduler.run(() => keptInMemory(this).length === 0, scheduler.now + CONFIRM_MS);
      for (const kept of keptInMemory(this)) context.violated(kept);
    }
    await this.#repair();
    await this.#stopNodes();
    checkEnd(this, isQuiet);
    const { violations, trace } = context;
    const effects = this.partners.reduce((sum, partner) => sum + partner.effects.length, 0);
    return { seed: this.seed, effects, violations, digest: trace.digest, last: trace.last, steps: scheduler.steps, inputs: this.expected.length, recoveryMs };
  }

  /** What should run, in one process. */
  plan(life: Life, clock: VirtualClock): RunPlan {
    const { variant, sources, partners, retry } = this;
    const names = partners.map(({ spec }) => spec.name);
    const handler = routing(
      variant.revision,
      sources.filter((name) => !variant.without.has(name)),
      names,
      retry,
      new Map(partners.flatMap(({ spec: { name, ordered } }) => (ordered ? [[name, { by: 'key', targets: [name], onFailure: ordered, holdMs: 60_000 }] as const] : []))),
    );
    const digest = (name: string): string => String(variant.digests.get(name) ?? 0);
    const schedule = { everyMs: this.#everyMs, cron: undefined, between: undefined, zone: 'UTC' };
    const reading = sources
      .filter((name) => !variant.without.has(name))
      .map((name): SystemPlan => {
        const inbound = () => (name === TABLE ? this.table.inbound(clock) : name === FOLDER ? this.folder.inbound(clock) : this.web.inbound(life, clock));
        return {
          name: systemOf(name),
          adapter: 'simulated',
          digest: digest(name),
          connect: () => connected({ inbound }),
          inbound: [{ name, config: {}, schedule, maxRecords: this.#maxRecords, expect: undefined }],
          outbound: [],
        };
      });
    const writing = partners.map((partner): SystemPlan => {
      const { name, parallel, remembers, onUnknown = 'resend' } = partner.spec;
      return {
        name: systemOf(name),
        adapter: 'simulated',
        digest: digest(name),
        connect: () => connected({ outbound: () => partner.outbound(life, clock) }),
        inbound: [],
        outbound: [{ name, config: {}, parallel, usesLedger: !remembers, onUnknown, longestCallMs: LONGEST_CALL_MS, partitions: 2 }],
      };
    });
    return { handler, systems: [...writing, ...reading], drainMs: 10_000 };
  }

  #node(name: string): Node {
    const { seed, context, brokerServer, storeServer } = this;
    const sharedBy = (): number => (this.#isShared ? Math.max(1, this.nodes.filter(({ process }) => process).length) : 0);
    return new Node({ name, seed, context, brokerServer, storeServer, sharedBy, mutation: this.options.mutation ?? {}, plan: (life, clock) => this.plan(life, clock) });
  }

  #arrive(afterMs: number, given: { readonly source?: string; readonly to?: readonly string[] } = {}): void {
    const random = this.#random;
    const n = this.expected.length + 1;
    const names = this.partners.map(({ spec }) => spec.name);
    const to = given.to ?? names.filter(() => random.chance(0.6));
    // Few that never pass: many would look like an outage.
    const fate: Fate = given.to ? 'ok' : n % 25 === 7 ? 'never' : random.chance(0.08) ? random.pick(['invalid', 'twice-busy']) : 'ok';
    const input: Input = {
      source: given.source ?? random.pick(this.sources),
      id: `r${n}`,
      n,
      key: `k${n % 5}`,
      kind: given.to || random.chance(0.85) ? 'plain' : random.pick(['skip', 'bad', 'broken']),
      to: to.length > 0 ? to : names.slice(0, 1),
      fate,
    };
    this.expected.push(expected(input));
    this.context.scheduler.after(afterMs, undefined, () => {
      this.context.note(`INPUT ${input.source} ${input.id} ${input.kind} ${input.fate} to ${input.to.join(' ')}`);
      if (input.source === TABLE) this.table.rows.push(input);
      else if (input.source === FOLDER) this.folder.files.set(input.id, input);
      else this.web.send(input);
    });
  }

  /** Looks now and then whether something holds; looking at each step would cost more than the steps. */
  #watch(holds: () => boolean): () => boolean {
    let isSo = false;
    const look = (): void => {
      isSo = holds();
      if (!isSo) this.context.scheduler.after(250, undefined, look);
    };
    this.context.scheduler.after(3_500, undefined, look);
    return () => isSo;
  }

  /** What fails for every message is an outage until one succeeds, so there must be more to try. */
  #goOn(): void {
    this.context.scheduler.after(7_000, undefined, () => {
      // A copy that comes late, when all has been found done, is not what this is for.
      if (this.#isOver || this.#isQuiet()) return;
      for (const { name } of this.brokerServer.channels.values()) {
        if (this.brokerServer.isEmpty(name)) continue;
        const partner = this.partners.find(({ spec }) => name === `target.${spec.name}` || name.startsWith(`target.${spec.name}.`));
        if (partner) this.#arrive(0, { to: [partner.spec.name] });
      }
      this.#goOn();
    });
  }

  #isQuiet(): boolean {
    return this.#waitsFor() === '';
  }

  #waitsFor(): string {
    const { storeServer, brokerServer, table, folder, web } = this;
    const waits: string[] = [];
    const position = Number(storeServer.checkpoints.get(TABLE)?.position ?? 0);
    if (position < table.rows.length) waits.push(`${table.rows.length - position} rows`);
    if (folder.files.size > 0) waits.push(`${folder.files.size} files`);
    if (web.open.size > 0) waits.push(`${web.open.size} requests`);
    for (const { name, ready, unsettled, delayed } of brokerServer.channels.values()) {
      if (!brokerServer.isEmpty(name)) waits.push(`${name} (${ready.length} ready, ${unsettled} unsettled, ${delayed.size} delayed)`);
    }
    for (const { spec, openCalls } of this.partners) if (openCalls > 0) waits.push(`${openCalls} calls of ${spec.name}`);
    for (const node of this.nodes) if (!node.up) waits.push(`node ${node.name} is not up`);
    return waits.join(', ');
  }

  /** What the composition root does now and then. */
  async #repair(): Promise<void> {
    const { scheduler } = this.context;
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    const up = this.nodes[0]?.up;
    const repairs = async (): Promise<void> => {
      await up?.repair.run(Number.POSITIVE_INFINITY);
      await up?.resolution.finish(Number.POSITIVE_INFINITY);
    };
    repairs().then(done, (error: unknown) => this.context.violated(`repairing failed: ${describe(error)}`));
    await scheduler.run(() => isDone, scheduler.now + 60_000);
  }

  async #stopNodes(): Promise<void> {
    const { scheduler } = this.context;
    const stopping = new Set(this.nodes.filter(({ up }) => up));
    for (const node of stopping) {
      const life = node.process?.life;
      const ended = (): void => void stopping.delete(node);
      node.stop(undefined).then(ended, (error: unknown) => {
        this.context.violated(`stopping ${node.name} failed: ${String(error)}`);
        ended();
      });
      // After the last answer nothing may be left that keeps the process alive.
      scheduler.after(45_000, undefined, () => life && life.pending > 1 && this.context.violated(`${life.name} has stopped, but ${life.pending} timers or calls are left`));
    }
    if (!(await scheduler.run(() => stopping.size === 0, scheduler.now + 120_000))) this.context.violated(`did not stop: ${[...stopping].map(({ name }) => name).join(' ')}`);
  }
}

function systemOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.indexOf('.'));
}

function connected(parts: Pick<ConnectedSystem, 'inbound' | 'outbound'>): ConnectedSystem {
  return { ...parts, probe: async () => [], close: async () => undefined };
}
