// The nodes of one cluster: in which order they are tried, and which do not answer.
import { randomInt } from 'node:crypto';
import { connect } from 'node:net';
import type { Clock, Logger } from '../../adapters/contract/index.js';
import type { BrokerNode } from '../broker.js';
import { describe } from '../errors.js';
import { interrupted } from './waiting.js';

interface Node {
  readonly url: string;
  readonly address: string;
  /** Our open connections to it. */
  connections: number;
  /** Why it was not reached the last time. */
  problem: string | undefined;
}

const PROBE_EVERY_MS = 15_000;
const PROBE_MS = 3_000;

/** Shared by the connections of one broker, so that what one has learnt about a dead node the other need not find out. */
export class Nodes {
  readonly #nodes: readonly Node[];
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(urls: readonly string[], clock: Clock, log: Logger) {
    this.#nodes = [...new Set(urls)].map((url) => ({ url, address: addressOf(url), connections: 0, problem: undefined }));
    this.#clock = clock;
    this.#log = log;
  }

  /** Shuffled, so that clients spread over the nodes; those that failed the last time come last: a dead one costs nobody its timeout. */
  order(): readonly string[] {
    const all = shuffled(this.#nodes);
    return [...all.filter(({ problem }) => problem === undefined), ...all.filter(({ problem }) => problem !== undefined)].map(({ url }) => url);
  }

  get several(): boolean {
    return this.#nodes.length > 1;
  }

  connected(url: string): void {
    const node = this.#node(url);
    if (!node) return;
    node.connections++;
    node.problem = undefined;
  }

  /** @param why when the connection did not end by itself */
  lost(url: string, why: string): void {
    const node = this.#node(url);
    if (!node) return;
    node.connections--;
    node.problem = why;
  }

  failed(url: string, why: string): void {
    const node = this.#node(url);
    if (node) node.problem = why;
  }

  get all(): readonly BrokerNode[] {
    return this.#nodes.map(({ address, connections, problem }) => ({ address, connected: connections > 0, problem }));
  }

  /** For health, when there are several: which ones are away. */
  get problem(): string | undefined {
    const away = this.#nodes.filter(({ problem, connections }) => problem !== undefined && connections === 0);
    if (away.length === 0 || !this.several) return undefined;
    return `${away.length} of ${this.#nodes.length} nodes cannot be reached: ${away.map(({ address }) => address).join(', ')}`;
  }

  /** Knocks at the nodes nobody is connected to, until stopped: a cluster that has lost a node works, and nobody would know. */
  async watch(stop: AbortSignal): Promise<void> {
    if (!this.several) return;
    while (!(await interrupted(this.#clock, PROBE_EVERY_MS, stop))) {
      await Promise.all(this.#nodes.filter(({ connections }) => connections === 0).map((node) => this.#probe(node)));
    }
  }

  async #probe(node: Node): Promise<void> {
    const before = node.problem;
    try {
      await knock(node.url);
      node.problem = undefined;
      if (before !== undefined) this.#log.info('broker.node', `the RabbitMQ node ${node.address} can be reached again`);
    } catch (error) {
      node.problem = describe(error);
      if (before === undefined) this.#log.warn('broker.node', `the RabbitMQ node ${node.address} cannot be reached: ${node.problem}`);
    }
  }

  #node(url: string): Node | undefined {
    return this.#nodes.find((node) => node.url === url);
  }
}

function addressOf(url: string): string {
  const { hostname, port, protocol } = new URL(url);
  return `${hostname}:${port || (protocol === 'amqps:' ? 5671 : 5672)}`;
}

function knock(url: string): Promise<void> {
  const { hostname, port, protocol } = new URL(url);
  return new Promise((done, fail) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (protocol === 'amqps:' ? 5671 : 5672)), timeout: PROBE_MS });
    const end = (error?: Error): void => {
      socket.destroy();
      if (error) fail(error);
      else done();
    };
    socket.once('connect', () => end());
    socket.once('timeout', () => end(new Error('connect ETIMEDOUT')));
    socket.once('error', end);
  });
}

function shuffled<T>(list: readonly T[]): T[] {
  const result = [...list];
  for (let i = result.length - 1; i > 0; i--) {
    const j = randomInt(i + 1);
    const [a, b] = [result[i], result[j]];
    if (a !== undefined && b !== undefined) [result[i], result[j]] = [b, a];
  }
  return result;
}
