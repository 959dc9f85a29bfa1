import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock, Delivery, Inbound, Outbound, Receipt } from '../../../adapters/contract/index.js';
import type { Broker } from '../../../bus/broker.js';
import { EmbeddedBroker } from '../../../bus/embedded/embedded-broker.js';
import { InvalidMessage } from '../../../bus/errors.js';
import type { Handler, Outcome, RetryPolicy, RouteOrder } from '../../../bus/handler.js';
import { deliveryId, type Message, messageId } from '../../../bus/message.js';
import type { OnUnknown } from '../../../bus/runtime/call-record.js';
import { systemClock } from '../../../bus/runtime/clock.js';
import { Intake } from '../../../bus/runtime/intake.js';
import { DurablePublisher } from '../../../bus/runtime/publisher.js';
import { Redelivery } from '../../../bus/runtime/redelivery.js';
import { Resolution } from '../../../bus/runtime/resolution.js';
import { type RunPlan, Supervisor, type SystemPlan } from '../../../bus/runtime/supervisor.js';
import { Telemetry } from '../../../bus/runtime/telemetry.js';
import type { Routing } from '../../../bus/runtime/tokens.js';
import { Traffic } from '../../../bus/runtime/traffic.js';
import { Watchdog } from '../../../bus/runtime/watchdog.js';
import { SqliteStore } from '../../../bus/store/sqlite/sqlite-store.js';
import { isRecord, type ValueRecord } from '../../../bus/value.js';
import { type RecordingLog, recordingLog } from '../../kit/fakes.js';

/** The real runtime on the real embedded broker and store in a directory of its own; only the systems outside are played by the test. */
export interface World {
  readonly directory: string;
  readonly broker: Broker;
  readonly store: SqliteStore;
  readonly intake: Intake;
  readonly supervisor: Supervisor;
  /** Looks when the test tells it to. */
  readonly watchdog: Watchdog;
  readonly redelivery: Redelivery;
  readonly resolution: Resolution;
  readonly telemetry: Telemetry;
  readonly log: RecordingLog;
  /** Stops the process's parts; `keep` leaves the files for a later world. */
  close(keep?: boolean): Promise<void>;
}

/**
 * @param other a broker in place of the embedded one
 * @param clock of targets and sources
 */
export async function startWorld(directory = mkdtempSync(join(tmpdir(), 'signalbox-world-')), other?: Broker, clock: Clock = systemClock): Promise<World> {
  const log = recordingLog();
  const broker = other ?? new EmbeddedBroker({ directory, log, clock: systemClock });
  const store = new SqliteStore(directory);
  const signal = AbortSignal.timeout(20_000);
  await store.open(signal);
  await broker.open(signal);
  await broker.declare({ name: 'target.out.things' });
  const telemetry = new Telemetry('test');
  const routing: Routing = { handler: handlerTo('out.things') };
  const watchdog = new Watchdog(broker, clock, log, telemetry);
  const publisher = new DurablePublisher(watchdog.broker, systemClock);
  const intake = new Intake(publisher, store, routing, telemetry, new Traffic(), systemClock, log, 'node-1');
  const supervisor = new Supervisor(broker, store, routing, telemetry, clock, log, 'node-1', intake, publisher, undefined, watchdog);
  return {
    directory,
    broker,
    store,
    intake,
    supervisor,
    watchdog,
    redelivery: new Redelivery(publisher, intake, store, routing, systemClock, 'node-1'),
    resolution: new Resolution(publisher, store, routing, systemClock, 'node-1'),
    telemetry,
    log,
    async close(keep) {
      await supervisor.stop();
      await broker.close();
      await store.close();
      if (!keep) rmSync(directory, { recursive: true, force: true });
    },
  };
}

const quickRetry: RetryPolicy = { attempts: 3, firstMs: 50, longestMs: 100, factor: 1, jitter: 0 };

/** A handler without routes: a record `{skip}` is filtered, `{bad}` cannot be mapped, any other goes to `target`; with `order` in the order of its key. */
export function handlerTo(target: string, revision = 1, retry: RetryPolicy = quickRetry, order?: Partial<RouteOrder>): Handler {
  const outcome = (id: string, source: string, key: string | undefined, data: ValueRecord, now: Date): Outcome => {
    const message: Message = {
      specversion: '1.0',
      id,
      source,
      type: 'Thing',
      time: now.toISOString(),
      datacontenttype: 'application/json',
      data,
      wire: {},
      ...(key ? { subject: key } : {}),
    };
    const base = { messageId: id, route: 'in', notes: [], failures: [], deliveries: [] };
    if ('skip' in data) return { ...base, filtered: 'record.skip' };
    if ('bad' in data) return { ...base, failure: { failure: new InvalidMessage('E300', 'it is bad'), route: 'in', id } };
    const dispatch = {
      id: deliveryId(id, 'out', 'all', target, ''),
      route: 'out',
      rule: 'all',
      endpoint: target,
      key,
      idempotencyKey: id,
      payload: data,
      ...(order && key ? { orderKey: key } : {}),
    };
    return { ...base, message, deliveries: [dispatch] };
  };
  return {
    revision,
    receive: (endpoint, record, now) => [outcome(messageId(endpoint, record.id, 'in'), endpoint, record.key, isRecord(record.value) ? record.value : {}, now)],
    route: (message, now) => outcome(message.id, message.source, message.subject, message.data, now),
    messageIds: (endpoint, recordId) => [messageId(endpoint, recordId, 'in')],
    retry: () => retry,
    sources: ['in.things'],
    targets: [target],
    ...(order ? { ordered: new Map([['out', { by: 'key', targets: [target], onFailure: 'park' as const, holdMs: 60_000, ...order }]]) } : {}),
  };
}

export interface TestTarget extends Outbound {
  readonly got: Delivery[];
  readonly opened: () => number;
}

/** A target that remembers what it got, and fails when `answer` does. */
export function testTarget(answer: (delivery: Delivery) => Promise<Receipt> | Receipt = () => ({ detail: 'ok' }), open: () => Promise<void> = async () => undefined): TestTarget {
  const got: Delivery[] = [];
  let opened = 0;
  return {
    got,
    opened: () => opened,
    async open() {
      await open();
      opened++;
    },
    async send(delivery) {
      const receipt = await answer(delivery);
      got.push(delivery);
      return receipt;
    },
    async close() {},
  };
}

export function system(
  name: string,
  parts: {
    readonly inbound?: Inbound;
    readonly outbound?: Outbound;
    readonly digest?: string;
    readonly parallel?: number;
    readonly partitions?: number;
    readonly onUnknown?: OnUnknown;
    readonly callLimitMs?: number;
  },
): SystemPlan {
  const { inbound, outbound, callLimitMs } = parts;
  const limit = callLimitMs === undefined ? {} : { callLimitMs };
  const schedule = { everyMs: 20, cron: undefined, between: undefined, zone: 'UTC' };
  return {
    name,
    adapter: 'test',
    digest: parts.digest ?? '1',
    connect: () => ({
      ...(inbound ? { inbound: () => inbound } : {}),
      ...(outbound ? { outbound: () => outbound } : {}),
      probe: async () => [],
      close: async () => undefined,
    }),
    inbound: inbound ? [{ name: `${name}.things`, config: {}, schedule, maxRecords: 10, expect: undefined }] : [],
    outbound: outbound
      ? [
          {
            name: `${name}.things`,
            config: {},
            parallel: parts.parallel ?? 4,
            usesLedger: true,
            onUnknown: parts.onUnknown ?? 'resend',
            longestCallMs: 300,
            ...limit,
            ...(parts.partitions === undefined ? {} : { partitions: parts.partitions }),
          },
        ]
      : [],
  };
}

export function plan(systems: readonly SystemPlan[], handler: Handler = handlerTo('out.things')): RunPlan {
  return { handler, systems, drainMs: 2_000 };
}

export async function until(condition: () => boolean | Promise<boolean>, what: string, limitMs = 15_000, view: () => string = () => ''): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not in ${limitMs / 1000} s: ${what} ${view()}`.trim());
    await new Promise((next) => setTimeout(next, 10));
  }
}
