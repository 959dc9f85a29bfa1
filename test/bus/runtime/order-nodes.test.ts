import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { RabbitmqBroker } from '../../../bus/rabbitmq/rabbitmq-broker.js';
import { systemClock } from '../../../bus/runtime/clock.js';
import { Intake } from '../../../bus/runtime/intake.js';
import { LayoutBook } from '../../../bus/runtime/layout-book.js';
import { alone } from '../../../bus/runtime/nodes.js';
import { DurablePublisher } from '../../../bus/runtime/publisher.js';
import { Supervisor } from '../../../bus/runtime/supervisor.js';
import { Telemetry } from '../../../bus/runtime/telemetry.js';
import type { Routing } from '../../../bus/runtime/tokens.js';
import { Traffic } from '../../../bus/runtime/traffic.js';
import { startProxy } from '../../faults/proxy.js';
import { unique } from '../../kit/broker/harness.js';
import { recordingLog } from '../../kit/fakes.js';
import { services } from '../../services/services.js';
import { newPlace, openStore } from '../store/open-postgres.js';
import { handlerTo, plan, system, until } from './harness.js';
import { inversions, Partner, recordOf } from './order-checks.js';

const TOTAL = process.env['SIGNALBOX_FAULTS'] === 'all' ? 20_000 : 2_500;
const KEYS = 200;
const patient = { attempts: 1_000, firstMs: 20, longestMs: 50, factor: 2, jitter: 0.5 };

/** One process of several on a RabbitMQ and a PostgreSQL. */
class Node {
  private constructor(
    readonly supervisor: Supervisor,
    readonly intake: Intake,
    readonly book: LayoutBook,
    private readonly closing: (kill: boolean) => Promise<void>,
  ) {}

  static async start(name: string, prefix: string, place: string, url: string): Promise<Node> {
    const log = recordingLog();
    const proxy = await startProxy(Number(new URL(url).port));
    const through = new URL(url);
    through.port = String(proxy.port);
    const broker = new RabbitmqBroker({ urls: [through.href], prefix, settleMs: 0, clock: systemClock, log });
    const [store] = await Promise.all([openStore(place), broker.open(AbortSignal.timeout(20_000))]);
    const routing: Routing = { handler: handlerTo('out.things') };
    const publisher = new DurablePublisher(broker, systemClock);
    const telemetry = new Telemetry('test');
    const intake = new Intake(publisher, store, routing, telemetry, new Traffic(), systemClock, log, name);
    const nodes = { ...alone, holder: name, liveNodes: () => 2 };
    const supervisor = new Supervisor(broker, store, routing, telemetry, systemClock, log, name, intake, publisher, nodes);
    const close = async (kill: boolean): Promise<void> => {
      if (kill) await proxy.close();
      await (kill ? broker.close() : supervisor.stop());
      if (kill) await supervisor.stop();
      await broker.close();
      await store.close();
      await proxy.close();
    };
    return new Node(supervisor, intake, new LayoutBook(store.endpointState), close);
  }

  stop(): Promise<void> {
    return this.closing(false);
  }

  /** The connections are cut; nothing is acknowledged. */
  kill(): Promise<void> {
    return this.closing(true);
  }
}

describe('an order over two processes on RabbitMQ and PostgreSQL', () => {
  const prefix = `o${unique()}`;
  let url: string;
  let place: string;
  beforeAll(async () => {
    const [rabbitmq, postgres] = await Promise.all([services.rabbitmq(), services.postgres()]);
    url = rabbitmq.url;
    place = JSON.stringify(newPlace(postgres));
  }, 60_000);
  const dead = new Set<string>();
  const running = new Set<Node>();
  afterAll(async () => {
    for (const node of running) await node.stop();
  }, 60_000);

  test(`${TOTAL} messages and more of 200 keys, hand-overs, one hard stop, 8 partitions become 3: none inverted, lost or duplicated`, async () => {
    const partner = new Partner(0.03, () => Math.random() * 12);
    const start = async (name: string, partitions: number, revision = 1): Promise<Node> => {
      const node = await Node.start(name, prefix, place, url);
      running.add(node);
      await apply(node, name, partitions, revision);
      return node;
    };
    const apply = async (node: Node, name: string, partitions: number, revision: number): Promise<void> => {
      const outbound = partner.outbound(name, () => !dead.has(name));
      await node.supervisor.apply(
        plan([system('out', { outbound, parallel: 8, partitions, digest: `${partitions}` })], handlerTo('out.things', revision, patient, { holdMs: 600_000 })),
      );
    };
    const first = await start('first', 8);
    let second = await start('second', 8);
    let sent = 0;
    const feed = async (upTo: number): Promise<void> => {
      while (sent < upTo) {
        const records = Array.from({ length: 100 }, (_, at) => recordOf(`K${(sent + at) % KEYS}`, Math.floor((sent + at) / KEYS)));
        sent += records.length;
        await first.intake.accept('in.things', records, { patienceMs: 30_000, signal: AbortSignal.timeout(120_000) });
        await until(() => sent - partner.applied.length < 400, 'the partner keeps up', 90_000);
      }
    };
    await feed(TOTAL / 5);
    await until(
      async () => {
        await feed(sent + 100);
        await new Promise((next) => setTimeout(next, 150));
        return (partner.by.get('second') ?? 0) > 100;
      },
      'some partitions were handed over',
      90_000,
    );
    await feed(Math.max(sent, TOTAL * 0.6));
    // A hard stop in the middle of its work.
    dead.add('second');
    running.delete(second);
    const feeding = feed(sent + TOTAL / 5);
    await second.kill();
    await feeding;
    second = await start('again', 8);
    await apply(first, 'first', 3, 2);
    await feed(sent + TOTAL / 5);
    await apply(second, 'again', 3, 2);
    await feed(Math.max(sent + TOTAL / 5, TOTAL));
    await until(() => partner.applied.length === sent, 'all', 120_000);
    expect(inversions(partner.applied)).toEqual([]);
    expect(new Set(partner.applied.map(({ id }) => id)).size).toBe(sent);
    await until(async () => (await first.book.read('out.things')).length === 1, 'the old channels are removed', 90_000);
  }, 400_000);
});
