import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../e2e/run.js';
import type { RabbitmqCluster } from '../services/rabbitmq-cluster.js';
import type { ClusterWorld, Effects } from './cluster-world.js';

export interface Kill {
  readonly queue: string;
  readonly node: string;
  /** Messages that waited in that queue. */
  readonly waiting: number;
  /** Longest time without a new effect at one of the targets, from the kill until all members were back. */
  readonly recoveryMs: number;
  /** From the kill until the node had started again and all queues had all their members. */
  readonly completeMs: number;
}

export interface ClusterResult {
  readonly messages: number;
  readonly targets: { readonly partner: Effects; readonly reports: Effects };
  readonly lost: number;
  readonly duplicated: number;
  /** Requests the REST partner got twice and knew by their key. */
  readonly repeats: number;
  readonly deadLetters: number;
  readonly errors: readonly string[];
  readonly kills: readonly Kill[];
  readonly seconds: number;
}

/** Rows in the source ahead of the slowest target. */
const AHEAD = 4_000;
const CHUNK = 500;
const DOWN_MS = 2_000;
const SETTLE_MS = 240_000;

/** `messages` rows go through the cluster, while the leader of the busiest queue is killed again and again, evenly over the run, and started again. */
export async function leadersKilled(
  world: ClusterWorld,
  cluster: RabbitmqCluster,
  messages: number,
  kills: number,
  say: (line: string) => void = () => undefined,
): Promise<ClusterResult> {
  const started = performance.now();
  const watch = new Progress(world);
  const feeding = feed(world, watch, messages);
  const done: Kill[] = [];
  try {
    for (let index = 1; index <= kills; index++) {
      await until(() => watch.least >= (messages * index) / (kills + 1), `kill ${index} is due`, SETTLE_MS);
      const kill = await killLeader(world, cluster, watch);
      done.push(kill);
      say(
        `kill ${index}: ${kill.node}, leader of ${kill.queue} (${kill.waiting} waited): flowed again after ${seconds(kill.recoveryMs)}, complete after ${seconds(kill.completeMs)}`,
      );
    }
    await feeding;
    await until(
      () => watch.least >= messages,
      'everything arrived',
      SETTLE_MS,
      async () => [await world.progress(), await world.status()],
    );
    const elapsed = (performance.now() - started) / 1000;
    await until(
      () => world.isIdle(),
      'the channels are empty',
      SETTLE_MS,
      () => world.status(),
    );
    const targets = await world.outcome();
    const both = [targets.partner, targets.reports];
    return {
      messages,
      targets,
      lost: both.reduce((sum, each) => sum + messages - each.messages, 0),
      duplicated: both.reduce((sum, each) => sum + each.duplicated, 0),
      repeats: world.partner.repeats,
      deadLetters: (await world.status()).deadLetters,
      errors: world.errors(),
      kills: done,
      seconds: elapsed,
    };
  } finally {
    await watch.stop();
  }
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

async function feed(world: ClusterWorld, watch: Progress, messages: number): Promise<void> {
  const ahead = Math.min(AHEAD, Math.ceil(messages / 4));
  while (world.inserted < messages) {
    if (world.inserted - watch.least < ahead) await world.insert(Math.min(CHUNK, messages - world.inserted));
    else await sleep(50);
  }
}

async function killLeader(world: ClusterWorld, cluster: RabbitmqCluster, watch: Progress): Promise<Kill> {
  const ours = async () => (await cluster.queues()).filter(({ name }) => name.startsWith(`${world.prefix}.target.`));
  const queue = (await ours()).reduce((most, each) => (each.messages > most.messages ? each : most));
  const node = cluster.node(queue.leader);
  const killed = performance.now();
  await node.kill();
  await sleep(DOWN_MS);
  await node.restart();
  // Only then the next node may go: two of three are the majority.
  await until(async () => (await ours()).every(({ online }) => online.length === cluster.nodes.length), 'all members are back', SETTLE_MS, ours);
  const complete = performance.now();
  return { queue: queue.name, node: queue.leader, waiting: queue.messages, recoveryMs: watch.longestStall(killed, complete), completeMs: complete - killed };
}

/** Looks at the targets all the time. */
class Progress {
  least = 0;
  /** Per target: when it had how many. */
  private readonly steps: { readonly partner: [number, number][]; readonly reports: [number, number][] } = { partner: [], reports: [] };
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;

  constructor(private readonly world: ClusterWorld) {
    this.running = this.look();
  }

  /** Longest time between two effects at one target, of those that were over or under way in this time. */
  longestStall(from: number, to: number): number {
    const stalls = Object.values(this.steps).flatMap((steps) => {
      const inside = steps.filter(([at]) => at > from && at <= to).map(([at]) => at);
      const moments = [from, ...inside, to];
      return moments.slice(1).map((at, index) => at - (moments[index] ?? at));
    });
    return Math.max(0, ...stalls);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async look(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const counts = await this.world.progress();
      const now = performance.now();
      for (const target of ['partner', 'reports'] as const) {
        // A target that has everything does not stall: it has nothing to do.
        if (counts[target] !== this.steps[target].at(-1)?.[1] || counts[target] >= this.world.inserted) this.steps[target].push([now, counts[target]]);
      }
      this.least = Math.min(counts.partner, counts.reports);
      await sleep(200, undefined, { signal: this.stopping.signal }).catch(() => undefined); // stopped
    }
  }
}
