import 'reflect-metadata';
import { Container, ContainerModule } from 'inversify';
import { CLOCK, LOGGER, type LogFields, type Logger } from '../../adapters/contract/index.js';
import { BROKER, type Broker } from '../../bus/broker.js';
import { describe, failureOf, kindOf } from '../../bus/errors.js';
import { Intake } from '../../bus/runtime/intake.js';
import { LetterRepair } from '../../bus/runtime/letter-repair.js';
import { alone } from '../../bus/runtime/nodes.js';
import { Redelivery } from '../../bus/runtime/redelivery.js';
import { Resolution } from '../../bus/runtime/resolution.js';
import { runtimeModule } from '../../bus/runtime/runtime.module.js';
import { type RunPlan, Supervisor } from '../../bus/runtime/supervisor.js';
import { Telemetry } from '../../bus/runtime/telemetry.js';
import { NODE, type Nodes, TELEMETRY, TRAFFIC } from '../../bus/runtime/tokens.js';
import { Traffic } from '../../bus/runtime/traffic.js';
import { STORE, type Store } from '../../bus/store/contract.js';
import type { BrokerServer } from './broker.js';
import { SimulatedBroker } from './broker-client.js';
import { VirtualClock, type WallClock } from './clock.js';
import type { Context } from './context.js';
import { Random } from './random.js';
import { Life } from './scheduler.js';
import { SimulatedStore, type StoreServer } from './store.js';

/** Puts something between the core and its broker and store, to break it on purpose. */
export interface Mutation {
  readonly broker?: (broker: Broker) => Broker;
  readonly store?: (store: Store) => Store;
}

export interface NodeOptions {
  readonly name: string;
  readonly seed: number;
  readonly context: Context;
  readonly brokerServer: BrokerServer;
  readonly storeServer: StoreServer;
  readonly mutation: Mutation;
  /** How many share the store; 0: it belongs to this one alone, as a file does. */
  readonly sharedBy: () => number;
  readonly plan: (life: Life, clock: VirtualClock) => RunPlan;
}

/** Everything of one process: gone when it ends. */
interface Process {
  readonly life: Life;
  readonly clock: VirtualClock;
  readonly broker: SimulatedBroker;
  readonly supervisor: Supervisor;
  readonly redelivery: Redelivery;
  readonly repair: LetterRepair;
  readonly resolution: Resolution;
}

/** As a node that shares its store has it. */
const TIMING = { ttlMs: 20_000, renewMs: 5_000, marginMs: 2_500 };
/** Metrics of all runs of this process; they cost too much to be made for each. */
const telemetry = new Telemetry('simulation');

/** One machine that runs Signalbox, as its service manager starts it again and again. */
export class Node {
  readonly wall: WallClock = { offsetMs: 0 };
  process: Process | undefined;
  /** The process that takes part: started, and not stopping. */
  up: Process | undefined;
  #lives = 0;

  constructor(private readonly options: NodeOptions) {}

  get name(): string {
    return this.options.name;
  }

  start(): void {
    const { context, brokerServer, storeServer, seed, mutation, name, sharedBy } = this.options;
    const number = ++this.#lives;
    const life = new Life(`${name}/${number}`, name);
    const clock = new VirtualClock(context.scheduler, this.wall, life, new Random(seed, 1_000 + number * 10 + name.charCodeAt(0)));
    const broker = new SimulatedBroker(context, brokerServer, life, clock);
    const store = new SimulatedStore(context, storeServer, life);
    const nodes: Nodes = sharedBy() === 0 ? alone : { holder: life.name, timing: TIMING, liveNodes: sharedBy, readerOf: () => undefined };
    const container = new Container();
    container.load(
      new ContainerModule(({ bind }) => {
        bind(LOGGER).toConstantValue(log(context, life));
        bind(CLOCK).toConstantValue(clock);
        bind(NODE).toConstantValue(name);
        bind(TELEMETRY).toConstantValue(telemetry);
        bind(TRAFFIC).toConstantValue(new Traffic());
        bind(BROKER).toConstantValue(mutation.broker?.(broker) ?? broker);
        bind(STORE).toConstantValue(mutation.store?.(store) ?? store);
      }),
      runtimeModule(nodes),
    );
    container.get(Intake).slice = context.random.pick([1, 3, 250]);
    const process = {
      life,
      clock,
      broker,
      supervisor: container.get(Supervisor),
      redelivery: container.get(Redelivery),
      repair: container.get(LetterRepair),
      resolution: container.get(Resolution),
    };
    this.process = process;
    context.note(`${life.name} starts`);
    this.#begin(process, store).catch((error: unknown) => {
      context.note(`${life.name} does not start: ${describe(error)}`);
      this.#exit(process, context.random.between(1_000, 5_000));
    });
  }

  /** SIGKILL, and a new process later. */
  crash(restartMs: number): void {
    const { process } = this;
    if (!process) return;
    this.options.context.note(`${process.life.name} CRASHES`);
    this.#exit(process, restartMs);
  }

  /** SIGSTOP, and SIGCONT later. */
  halt(ms: number): void {
    const { context } = this.options;
    if (!this.process) return;
    const { life, broker } = this.process;
    context.note(`${life.name} is halted for ${Math.round(ms)} ms`);
    life.stoppedUntil = Math.max(life.stoppedUntil, context.scheduler.now + ms);
    const heartbeat = context.random.between(15_000, 30_000);
    if (ms > heartbeat) broker.abandon(heartbeat);
  }

  /** SIGTERM. Resolves when the process has ended by itself. */
  async stop(restartMs: number | undefined): Promise<void> {
    const { process, options } = this;
    if (!process || this.up !== process) return;
    this.up = undefined;
    options.context.note(`${process.life.name} stops`);
    await process.supervisor.stop();
    await process.broker.close();
    if (!process.life.alive) return;
    options.context.note(`${process.life.name} has stopped`);
    // What the event loop still had to do would keep a process from ending.
    if (process.life.pending > 0 && restartMs === undefined) await process.clock.sleep(60_000);
    this.#exit(process, restartMs);
  }

  async #begin(process: Process, store: SimulatedStore): Promise<void> {
    const { plan } = this.options;
    const never = new AbortController().signal;
    await patiently(process, () => store.open());
    await patiently(process, () => process.broker.open(never));
    await process.supervisor.apply(plan(process.life, process.clock));
    this.up = process;
    this.options.context.note(`${process.life.name} is up`);
  }

  #exit(process: Process, restartMs: number | undefined): void {
    const { context } = this.options;
    process.life.alive = false;
    process.broker.abandon(context.random.chance(0.8) ? context.random.between(0, 20) : context.random.between(0, 30_000));
    if (this.process === process) this.process = undefined;
    if (this.up === process) this.up = undefined;
    if (restartMs !== undefined) context.scheduler.after(restartMs, undefined, () => this.process ?? this.start());
  }
}

async function patiently({ clock }: Process, open: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await open();
    } catch (error) {
      const failure = failureOf(error);
      if (!failure || kindOf(failure) === 'misconfigured') throw error;
      await clock.sleep(1_000);
    }
  }
}

function log(context: Context, life: Life): Logger {
  const write = (level: string) => (event: string, message: string, fields?: LogFields) => {
    context.note(`${life.name} ${level} ${event}: ${message}${fields?.['code'] === undefined ? '' : ` (${fields['code']})`}`);
  };
  const quiet = (): void => undefined;
  const all: Logger = { debug: quiet, info: write('info'), warn: write('warn'), error: write('error'), with: () => all };
  return all;
}
