import { inspect } from 'node:util';
import { Container } from 'inversify';
import {
  type Adapter,
  type Callable,
  CLOCK,
  type ConnectedSystem,
  HTTP_HOST,
  type HttpHost,
  type ListeningInbound,
  LOGGER,
  Misconfigured,
  type Outbound,
  type PollingInbound,
  Secret,
} from '../../../adapters/contract/index.js';
import { memoryState, realClock, recordingLog } from '../fakes.js';
import type { AdapterHarness, InboundHarness, OutboundHarness } from './harness.js';

/** What one scenario works with: fresh instances of the adapter, closed at its end whatever happened. */
export class Bench {
  readonly harness: AdapterHarness;
  readonly log = recordingLog();
  /** Configurations that were used; their secrets must not show anywhere. */
  readonly used: unknown[] = [];
  private readonly states = new Map<string, ReturnType<typeof memoryState>>();
  private readonly closers: (() => Promise<void>)[] = [];
  private readonly ending = new AbortController();

  constructor(harness: AdapterHarness) {
    this.harness = harness;
  }

  get signal(): AbortSignal {
    return this.ending.signal;
  }

  get inboundHarness(): InboundHarness {
    return required(this.harness.inbound, 'the harness has no inbound');
  }

  get outboundHarness(): OutboundHarness {
    return required(this.harness.outbound, 'the harness has no outbound');
  }

  async system(connect: unknown = this.harness.connect()): Promise<ConnectedSystem> {
    const { spec } = this.harness;
    const kind = Symbol(spec.name);
    const container = new Container();
    container.bind(LOGGER).toConstantValue(this.log);
    container.bind(CLOCK).toConstantValue(realClock);
    container.bind(HTTP_HOST).toConstantValue(this.harness.http?.() ?? NO_HOST);
    container
      .bind<Adapter>(kind)
      .to(await spec.load())
      .inSingletonScope();
    this.used.push(connect);
    const system = container.get<Adapter>(kind).system('kit', spec.connect.parse(connect));
    this.closers.push(() => system.close());
    return system;
  }

  /** Not opened. */
  async polling(system?: ConnectedSystem): Promise<PollingInbound> {
    const inbound = await this.inbound(system);
    if (inbound.kind !== 'polling') throw new Error(`expected a polling endpoint, got ${inbound.kind}`);
    return inbound;
  }

  async listening(system?: ConnectedSystem): Promise<ListeningInbound> {
    const inbound = await this.inbound(system);
    if (inbound.kind !== 'listening') throw new Error(`expected a listening endpoint, got ${inbound.kind}`);
    return inbound;
  }

  async outbound(system?: ConnectedSystem): Promise<Outbound> {
    const at = system ?? (await this.system());
    const config = this.outboundHarness.config();
    this.used.push(config);
    const outbound = required(at.outbound?.(this.context('kit.write', this.harness.spec.write?.config.parse(config))), 'the system gives no outbound endpoint');
    this.closers.push(() => outbound.close());
    return outbound;
  }

  async callable(): Promise<Callable> {
    const at = await this.system();
    const config = this.harness.callable?.config();
    this.used.push(config);
    const callable = required(at.callable?.(this.context('kit.call', this.harness.spec.call?.config.parse(config))), 'the system gives no callable endpoint');
    this.closers.push(() => callable.close());
    return callable;
  }

  /** Closes everything, newest first, and reports the first that failed. */
  async end(): Promise<void> {
    this.ending.abort(new Error('the scenario is over'));
    const problems: unknown[] = [];
    for (const close of this.closers.reverse()) await within(10_000, 'closing at the end of the scenario', close()).catch((error: unknown) => problems.push(error));
    if (problems.length > 0) throw problems[0];
  }

  /** Fails when a secret of a configuration that was used shows in `shown` or in the log. */
  assertNoSecret(...shown: readonly unknown[]): void {
    const text = inspect([shown, this.log.lines], { depth: 12, maxStringLength: null, maxArrayLength: null, showHidden: true });
    for (const value of secretsIn(this.used)) {
      for (const form of [value, Buffer.from(value).toString('base64'), encodeURIComponent(value)]) {
        if (text.includes(form)) throw new Error(`a secret shows: ${text.replaceAll(form, '>>>HERE<<<').slice(0, 4000)}`);
      }
    }
  }

  private async inbound(system?: ConnectedSystem) {
    const at = system ?? (await this.system());
    const config = this.inboundHarness.config();
    this.used.push(config);
    const inbound = required(at.inbound?.(this.context('kit.read', this.harness.spec.read?.config.parse(config))), 'the system gives no inbound endpoint');
    this.closers.push(() => inbound.close());
    return inbound;
  }

  private context(name: string, config: unknown) {
    const state = this.states.get(name) ?? memoryState();
    this.states.set(name, state);
    return { name, config, state };
  }
}

const NO_HOST: HttpHost = {
  serve: async () => {
    throw new Misconfigured('E400', 'the harness gives no HTTP listener');
  },
};

export function required<T>(value: T | undefined, problem: string): T {
  if (value === undefined) throw new Error(problem);
  return value;
}

/** Fails when `work` takes longer; the work itself goes on. */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`${what} took longer than ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** What `work` throws; fails when it does not. */
export async function failing(what: string, work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error(`${what} should have failed`);
}

function secretsIn(value: unknown): readonly string[] {
  if (value instanceof Secret) return [value.reveal()].filter((text) => text !== '');
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(secretsIn);
}
