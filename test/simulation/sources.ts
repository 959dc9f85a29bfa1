import type { Accept, Batch, ListeningInbound, PollingInbound } from '../../adapters/contract/index.js';
import { describe, NotConnected, TryAgain } from '../../bus/errors.js';
import type { VirtualClock } from './clock.js';
import type { Context } from './context.js';
import { type Input, recordOf } from './routing.js';
import type { Life } from './scheduler.js';

/** Whether an input has reached a durable place; asked whenever the source is told so. */
export type IsStored = (input: Input) => boolean;

/** A growing table, read by a cursor. */
export class Table {
  readonly rows: Input[] = [];

  constructor(
    readonly name: string,
    private readonly context: Context,
    /** Rows before the cursor that are read again each time, as an overlapping time window does. */
    private readonly overlap: number,
    /** Lets itself be asked for more while what it gave is being stored. */
    private readonly ahead: boolean,
  ) {}

  inbound(clock: VirtualClock): PollingInbound {
    return {
      kind: 'polling',
      open: (signal) => reach(this.context, clock, signal),
      poll: (request) => this.#poll(request, clock),
      close: () => clock.sleep(this.context.latency(0.05, 1)),
    };
  }

  async *#poll({ checkpoint, maxRecords, signal }: Parameters<PollingInbound['poll']>[0], clock: VirtualClock): AsyncGenerator<Batch> {
    const begin = Number(checkpoint ?? 0);
    const end = this.rows.length;
    for (let at = Math.max(0, begin - this.overlap); at < end; at += maxRecords) {
      await reach(this.context, clock, signal);
      const next = Math.min(end, at + maxRecords);
      yield { records: this.rows.slice(at, next).map(recordOf), checkpoint: String(Math.max(begin, next)), ahead: this.ahead };
    }
  }

  /** The store has just saved `position`. */
  saved(position: string, isStored: IsStored): void {
    for (const row of this.rows.slice(0, Number(position))) {
      if (!isStored(row)) this.context.violated(`the checkpoint of ${this.name} is at ${position}, but ${row.id} is nowhere`);
    }
  }
}

/** A folder: what is there is read, and taken away when it is settled. */
export class Folder {
  readonly files = new Map<string, Input>();

  constructor(
    readonly name: string,
    private readonly context: Context,
    private readonly isStored: IsStored,
  ) {}

  inbound(clock: VirtualClock): PollingInbound {
    return {
      kind: 'polling',
      open: (signal) => reach(this.context, clock, signal),
      poll: (request) => this.#poll(request, clock),
      close: () => clock.sleep(this.context.latency(0.05, 1)),
    };
  }

  async *#poll({ maxRecords, signal }: Parameters<PollingInbound['poll']>[0], clock: VirtualClock): AsyncGenerator<Batch> {
    await reach(this.context, clock, signal);
    const all = [...this.files.values()];
    for (let at = 0; at < all.length; at += maxRecords) {
      const batch = all.slice(at, at + maxRecords);
      await reach(this.context, clock, signal);
      yield { records: batch.map(recordOf), settle: () => this.#settle(batch, clock) };
    }
  }

  async #settle(batch: readonly Input[], clock: VirtualClock): Promise<void> {
    const { random, rates } = this.context;
    await clock.sleep(this.context.latency());
    if (random.chance(rates.settleFails)) throw new TryAgain('E472', 'the folder is locked');
    for (const file of batch) {
      if (!this.isStored(file)) this.context.violated(`${this.name} archives ${file.id}, but it is nowhere`);
      this.files.delete(file.id);
    }
    if (random.chance(rates.settleFails)) throw new NotConnected('E400', 'the link was lost');
  }
}

/** Senders that send again until they are told 2xx, and sometimes once more. */
export class Web {
  /** Not yet told 2xx. */
  readonly open = new Set<Input>();
  readonly #listeners = new Map<Life, Accept>();

  constructor(
    readonly name: string,
    private readonly context: Context,
    private readonly isStored: IsStored,
  ) {}

  inbound(life: Life, clock: VirtualClock): ListeningInbound {
    let mine: Accept | undefined;
    return {
      kind: 'listening',
      open: async (accept, signal) => {
        await reach(this.context, clock, signal);
        mine = accept;
        this.#listeners.set(life, accept);
      },
      close: async () => {
        if (this.#listeners.get(life) === mine) this.#listeners.delete(life);
        await clock.sleep(this.context.latency(0.05, 1));
      },
    };
  }

  send(input: Input): void {
    this.open.add(input);
    this.#try(input);
  }

  #try(input: Input): void {
    const { scheduler, random, rates } = this.context;
    const again = (ms: number): void => void scheduler.after(ms, undefined, () => this.#try(input));
    const up = [...this.#listeners].filter(([life]) => life.alive);
    if (up.length === 0) {
      again(random.between(300, 2_000));
      return;
    }
    const [life, accept] = random.pick(up);
    const call = new AbortController();
    let isOver = false;
    const over = (): boolean => {
      const first = !isOver;
      isOver = true;
      return first;
    };
    const hangUp = scheduler.after(15_000, undefined, () => {
      if (!over()) return;
      // The server sees the closed connection, if it is still there.
      scheduler.after(1, life, () => call.abort(new Error('the caller hung up')));
      again(random.between(300, 2_000));
    });
    scheduler.after(this.context.latency(), life, () => {
      accept(recordOf(input), call.signal).then(
        () =>
          scheduler.after(this.context.latency(), life, () => {
            if (!over()) return;
            hangUp();
            if (!this.isStored(input)) this.context.violated(`${this.name} answered 2xx for ${input.id}, but it is nowhere`);
            if (random.chance(rates.callLost)) again(random.between(300, 2_000));
            else {
              this.open.delete(input);
              this.context.note(`${this.name} told 2xx for ${input.id}`);
            }
          }),
        (error: unknown) =>
          scheduler.after(this.context.latency(), life, () => {
            if (!over()) return;
            hangUp();
            this.context.note(`${life.name} refuses ${input.id}: ${describe(error)}`);
            again(random.between(300, 2_000));
          }),
      );
    });
  }
}

async function reach(context: Context, clock: VirtualClock, signal: AbortSignal): Promise<void> {
  await clock.sleep(context.latency(), signal);
  if (context.random.chance(context.rates.pollFails))
    throw context.random.chance(0.5) ? new NotConnected('E400', 'the source is away') : new TryAgain('E472', 'the source is busy');
}
