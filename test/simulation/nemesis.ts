import { describe } from '../../bus/errors.js';
import type { Rates } from './context.js';
import type { Node } from './node.js';
import { LONGEST_CALL_MS } from './partner.js';
import type { Random } from './random.js';
import type { World } from './world.js';

type Fault = () => void;

/**
 * What goes wrong in one run. Each run has its own few kinds of faults (swarm testing, Groce et al. 2012), so that rare combinations are not drowned
 * by the frequent ones. Some runs have none.
 */
export class Nemesis {
  /** Virtual time of the end of all faults. */
  readonly endsAt: number;
  readonly kinds: readonly string[];
  readonly misconfigures: boolean;
  readonly #rates: Partial<Rates> = {};
  #isHealed = false;

  constructor(
    private readonly world: World,
    private readonly random: Random,
    loadMs: number,
  ) {
    this.endsAt = loadMs + random.pick([0, 5_000, 20_000]);
    const isCalm = random.chance(0.08);
    const share = random.pick([0.15, 0.3, 0.5]);
    this.kinds = Object.keys(this.#faults).filter(() => !isCalm && random.chance(share));
    this.misconfigures = this.kinds.includes('misconfigured');
    const rates: readonly (keyof Rates)[] = Object.keys(world.context.rates) as (keyof Rates)[];
    for (const rate of rates) if (!isCalm && random.chance(share)) this.#rates[rate] = random.pick([0.01, 0.05, 0.2]);
  }

  get isCalm(): boolean {
    return this.kinds.length === 0 && Object.keys(this.#rates).length === 0;
  }

  get hasUnknownWrites(): boolean {
    return this.#rates.storeUnknown !== undefined;
  }

  begin(): void {
    const { context, nodes, partners, sources } = this.world;
    context.note(
      `seed ${this.world.seed}: ${nodes.length} nodes, ${sources.join(' ')} to ${partners.map(({ spec }) => spec.name).join(' ')}; ${this.kinds.join(' ')}; ${JSON.stringify(this.#rates)}`,
    );
    Object.assign(context.rates, this.#rates);
    if (this.kinds.length === 0) return;
    const everyMs = this.random.pick([700, 2_000, 6_000]);
    const next = (): void => {
      if (this.#isHealed) return;
      this.#faults[this.random.pick(this.kinds)]?.();
      context.scheduler.after(this.random.between(0.2, 2) * everyMs, undefined, next);
    };
    context.scheduler.after(this.random.between(0, everyMs), undefined, next);
  }

  /** Everything is well from now on; what was taken away comes back. */
  heal(): void {
    const { world } = this;
    this.#isHealed = true;
    world.context.note('HEALED');
    if (!world.brokerServer.isUp) world.brokerServer.start();
    Object.assign(world.brokerServer, { isBlocked: false, isFull: false });
    world.storeServer.isUp = true;
    for (const partner of world.partners) partner.mood = 'up';
    if (world.variant.without.size > 0) {
      world.variant.without.clear();
      world.variant.revision++;
    }
    for (const node of world.nodes) {
      if (node.process) {
        node.process.broker.cutUntil = 0;
      }
      if (!node.process) node.start();
      this.#reload(node);
      this.#resumeAll(node);
    }
  }

  readonly #faults: Readonly<Record<string, Fault>> = {
    crash: () => this.#node().crash(this.random.skewed(10, 20_000)),
    crashAll: () => {
      for (const node of this.world.nodes) node.crash(this.random.skewed(10, 20_000));
    },
    stop: () => void this.#node().stop(this.random.skewed(10, 10_000)),
    halt: () => this.#node().halt(Math.min(this.random.skewed(100, 70_000), this.endsAt - this.world.context.scheduler.now)),
    losePublishing: () => this.#node().process?.broker.drop('publishing', this.random.skewed(0, 20_000)),
    loseConsuming: () => this.#node().process?.broker.drop('consuming', this.random.skewed(0, 20_000)),
    cut: () => this.#cut(this.#node(), this.random.skewed(500, 40_000)),
    brokerRestart: () => this.#brokerRestart(this.random.skewed(200, 20_000)),
    brokerBlocked: () => this.#for(this.random.skewed(500, 60_000), 'the broker is blocked', (on) => Object.assign(this.world.brokerServer, { isBlocked: on })),
    brokerFull: () => this.#for(this.random.skewed(500, 20_000), 'the broker is full', (on) => Object.assign(this.world.brokerServer, { isFull: on })),
    storeDown: () => this.#for(this.random.skewed(500, 20_000), 'the store is away', (on) => Object.assign(this.world.storeServer, { isUp: !on })),
    away: () => this.#mood('away', this.random.skewed(500, 30_000)),
    busy: () => this.#mood('busy', this.random.skewed(500, 30_000)),
    misconfigured: () => this.#mood('misconfigured', this.random.skewed(500, 20_000)),
    pause: () => this.#pause(),
    reload: () => this.#change(),
    clock: () => this.#jump(this.#node()),
    operator: () => this.#operate(this.#node()),
  };

  #node(): Node {
    return this.random.pick(this.world.nodes);
  }

  #for(ms: number, what: string, set: (on: boolean) => void): void {
    const { context } = this.world;
    context.note(`${what} for ${Math.round(ms)} ms`);
    set(true);
    context.scheduler.after(ms, undefined, () => {
      if (this.#isHealed) return;
      context.note(`${what} no more`);
      set(false);
    });
  }

  #cut(node: Node, ms: number): void {
    if (!node.process) return;
    const { broker } = node.process;
    broker.cutUntil = this.world.context.scheduler.now + ms;
    broker.drop('publishing', this.random.skewed(0, 20_000));
    broker.drop('consuming', this.random.skewed(0, 20_000));
  }

  #brokerRestart(ms: number): void {
    const { brokerServer, context } = this.world;
    if (!brokerServer.isUp) return;
    context.note(`the broker restarts, ${Math.round(ms)} ms`);
    brokerServer.stop();
    context.scheduler.after(ms, undefined, () => brokerServer.start());
  }

  #mood(mood: 'away' | 'busy' | 'misconfigured', ms: number): void {
    const partner = this.random.pick(this.world.partners);
    this.#for(ms, `${partner.spec.name} is ${mood}`, (on) => {
      partner.mood = on ? mood : 'up';
    });
  }

  #pause(): void {
    const node = this.#node();
    const name = this.random.pick([...this.world.sources, ...this.world.partners.map(({ spec }) => spec.name)]);
    const paused = this.random.chance(0.5);
    this.#ask(node, `${paused ? 'pauses' : 'resumes'} ${name}`, (up) => up.supervisor.setPaused(name, paused));
  }

  #change(): void {
    const { variant, sources, partners } = this.world;
    const names = [...sources, ...partners.map(({ spec }) => spec.name)].filter(() => this.random.chance(0.4));
    for (const name of names) variant.digests.set(name, (variant.digests.get(name) ?? 0) + 1);
    if (this.random.chance(0.2)) {
      if (variant.without.size > 0) variant.without.clear();
      else variant.without.add(this.random.pick(sources));
    }
    variant.revision++;
    for (const node of this.world.nodes) this.#reload(node);
  }

  #reload(node: Node): void {
    this.#ask(node, `reloads revision ${this.world.variant.revision}`, (up) => up.supervisor.apply(this.world.plan(up.life, up.clock)));
  }

  #resumeAll(node: Node): void {
    for (const name of [...this.world.sources, ...this.world.partners.map(({ spec }) => spec.name)]) {
      this.#ask(node, `resumes ${name}`, async (up) => {
        const found = await up.supervisor.setPaused(name, false);
        if (found.length === 0) throw new Error(`there is no ${name}`); // the reload before was refused
      });
    }
  }

  #jump(node: Node): void {
    for (const partner of this.world.partners) partner.clocksDiffer = true;
    node.wall.offsetMs = this.random.pick([-3_600_000, 0, 3_600_000]);
    this.world.context.note(`the clock of ${node.name} is set to ${node.wall.offsetMs / 3_600_000} h`);
  }

  #operate(node: Node): void {
    this.#resolve(node);
    const letters = [...this.world.storeServer.letters.values()].filter(({ state }) => state === 'open');
    if (letters.length === 0) return;
    const ids = letters.filter(() => this.random.chance(0.5)).map(({ id }) => id);
    const by = { who: 'operator' };
    if (this.random.chance(0.7)) this.#ask(node, `redelivers ${ids.length} letters`, (up) => up.redelivery.redeliver(ids, by));
    else this.#ask(node, `discards ${ids.length} letters`, (up) => up.redelivery.discard(ids, by));
  }

  /** A person looks at the target, when what was sent must have come to its end, and says the truth. */
  #resolve(node: Node): void {
    const { storeServer, context, partners } = this.world;
    for (const { deliveryId: id, endpoint } of [...storeServer.parked.values()].flatMap(({ deliveries }) => [...deliveries.values()])) {
      if (this.random.chance(0.5)) continue;
      context.scheduler.after(LONGEST_CALL_MS, undefined, () => {
        const isThere = partners.some(({ spec, byId }) => spec.name === endpoint && byId.has(id));
        const verdict = isThere ? 'delivered' : this.random.pick(['resend', 'discard'] as const);
        this.#ask(node, `redelivers: ${id.slice(0, 6)} ${verdict}`, (up) => up.resolution.resolve([id], verdict, { who: 'operator' }));
      });
    }
  }

  /** A person asks, and asks again when it was refused and nobody else has said otherwise since. */
  #ask(node: Node, what: string, request: (up: NonNullable<Node['up']>) => Promise<unknown>): void {
    const { context } = this.world;
    const { up } = node;
    const again = (): void => {
      if (!what.startsWith('redelivers')) context.scheduler.after(2_000, undefined, () => this.#ask(node, what, request));
    };
    if (!up) {
      if (this.#isHealed) again();
      return;
    }
    context.note(`${node.name}: somebody ${what}`);
    request(up).catch((error: unknown) => {
      context.note(`${node.name}: refused, ${what}: ${describe(error)}`);
      if (this.#isHealed) again();
    });
  }
}
