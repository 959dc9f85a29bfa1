import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../e2e/run.js';
import type { FaultWorld, Place } from '../faults/world.js';
import { Account, type Figures } from './account.js';
import { type Gauges, gaugesOf, Trend } from './gauges.js';
import { randomFrom } from './random.js';
import { nextTrouble, pause, type Servers } from './troubles.js';

export interface SoakPlan {
  readonly world: FaultWorld;
  readonly servers: Servers;
  readonly listen: string;
  readonly durationMs: number;
  /** Rows a second. */
  readonly rate: number;
  readonly seed: number;
  /** Keys whose rows keep their order. */
  readonly lanes: number;
  /** A row that is not at all targets after this long counts as lost, an endpoint whose oldest message is older as stuck. */
  readonly lateMs: number;
  /** Between two troubles, at most. */
  readonly restMs: number;
  /** Ends it early, with everything counted. */
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

export interface SoakResult extends Figures {
  readonly troubles: number;
  readonly kills: number;
  readonly deadLetters: number;
  readonly minutes: number;
  readonly megabytes: number;
  readonly slope: number | undefined;
  /** The time the slope is about, of one process after its warm-up. */
  readonly slopeHours: number;
  readonly gauges: Gauges | undefined;
  /** The most at any look. */
  readonly mostStuck: number;
  /** Rows that were lost, came twice or late, with their targets. */
  readonly wrong: readonly string[];
}

const SAMPLE_MS = 10_000;
const LINE_MS = 60_000;
const DRAIN_MS = 300_000;

/** Rows flow all the time while one trouble follows the other; every minute a line says how it stands. */
export class Soak {
  private readonly account: Account;
  private readonly trend = new Trend();
  private readonly started = performance.now();
  private readonly ending = new AbortController();
  private readonly warmUpMs: number;
  private warmAt: number;
  private pid: number | undefined;
  private gauges: Gauges | undefined;
  private peak = 0;
  private troubles = 0;
  private kills = 0;
  private mostStuck = 0;

  constructor(private readonly plan: SoakPlan) {
    this.account = new Account(plan.world, plan.lateMs, plan.lanes);
    this.warmUpMs = Math.min(600_000, plan.durationMs / 5);
    this.warmAt = this.warmUpMs;
  }

  /** @throws what a trouble or a look throws that is not part of it: the run says nothing then */
  async run(): Promise<SoakResult> {
    const { world, plan } = { world: this.plan.world, plan: this.plan };
    const over = AbortSignal.any([plan.signal, AbortSignal.timeout(Math.ceil(plan.durationMs)), this.ending.signal]);
    const stopAll = (error: unknown): never => {
      this.ending.abort();
      throw error;
    };
    await Promise.all([this.feed(over), this.trouble(over), this.sample(over), this.report(over)].map((part) => part.catch(stopAll)));
    plan.say('no more rows and no more trouble: waiting for what is under way');
    for (const proxy of world.proxies.values()) proxy.heal();
    await until(() => this.isDone(), 'everything arrived', DRAIN_MS).catch(() => undefined); // what is missing is counted
    const figures = await this.account.look(true);
    const { deadLetters } = await world.status();
    return {
      ...figures,
      troubles: this.troubles,
      kills: this.kills,
      deadLetters,
      minutes: this.elapsedMs / 60_000,
      megabytes: this.peak,
      slope: this.trend.slope,
      slopeHours: this.trend.hours,
      gauges: this.gauges,
      mostStuck: this.mostStuck,
      wrong: this.account.wrong,
    };
  }

  private get elapsedMs(): number {
    return performance.now() - this.started;
  }

  private async isDone(): Promise<boolean> {
    const { messages, bus } = await this.plan.world.status();
    if (messages.active > 0 || !bus.health.connected) return false;
    const { sent, delivered } = await this.account.look();
    return delivered === sent;
  }

  private async feed(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await this.account.send(this.plan.rate);
      await pause(1_000, over);
    }
  }

  private async trouble(over: AbortSignal): Promise<void> {
    const { world, servers, seed, durationMs, restMs, say } = this.plan;
    const random = randomFrom(seed);
    const places = [...world.proxies.keys()] as Place[];
    await pause(Math.min(10_000, durationMs / 10), over);
    while (!over.aborted) {
      // The process of the last two thirds lives on, so that its memory can be judged.
      const { name, run } = nextTrouble({ world, servers, places, random, mayKillProcess: this.elapsedMs < durationMs / 3 });
      const rest = (0.2 + 0.8 * random()) * restMs;
      this.troubles++;
      if (name.includes('SIGKILL')) this.kills++;
      say(`       ${name}`);
      await run(over);
      await pause(rest, over);
    }
  }

  private async sample(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      const { child } = this.plan.world;
      if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) {
        if (child.pid !== this.pid) {
          this.pid = child.pid;
          this.trend.restart();
          this.warmAt = this.elapsedMs + this.warmUpMs;
        }
        // A process that is killed in this moment has no figures.
        this.gauges = await gaugesOf(child.pid, this.plan.listen).catch(() => this.gauges);
        if (this.gauges && this.elapsedMs > this.warmAt) this.trend.add(this.elapsedMs / 3_600_000, this.gauges.megabytes);
        this.peak = Math.max(this.peak, this.gauges?.megabytes ?? 0);
      }
      await pause(SAMPLE_MS, over);
    }
  }

  private async report(over: AbortSignal): Promise<void> {
    for (let minute = 1; !over.aborted; minute++) {
      await pause(minute * LINE_MS - this.elapsedMs, over);
      if (!over.aborted) this.plan.say(await this.line(minute));
    }
  }

  private async line(minute: number): Promise<string> {
    // A server that is down just now cannot be asked; the next minute counts again.
    const { sent, delivered, lost, duplicated, inverted } = await this.account.look().catch(() => this.account.now);
    const stuck = await this.stuck();
    const { gauges, trend } = this;
    const slope = trend.slope === undefined ? '-' : `${trend.slope >= 0 ? '+' : ''}${trend.slope.toFixed(1)}`;
    return (
      `${String(minute).padStart(4)} min  sent ${sent}  delivered ${delivered}  lost ${lost}  duplicated ${duplicated}  inverted ${inverted}  stuck ${stuck ?? '-'}  ` +
      `RSS ${gauges?.megabytes.toFixed(0) ?? '-'} MB (${slope} MB/h)  fds ${gauges?.files ?? '-'}  sockets ${gauges?.sockets ?? '-'}  loop ${gauges?.loopMs?.toFixed(1) ?? '-'} ms`
    );
  }

  /** Endpoints whose oldest message waits too long; undefined while the process does not answer. */
  private async stuck(): Promise<number | undefined> {
    const status = await Promise.race([this.plan.world.status().catch(() => undefined), sleep(10_000, undefined, { ref: false })]);
    if (!status) return undefined;
    const stuck = status.systems.flatMap(({ endpoints }) => endpoints).filter(({ oldestMs }) => (oldestMs ?? 0) > this.plan.lateMs).length;
    this.mostStuck = Math.max(this.mostStuck, stuck);
    return stuck;
  }
}
