import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { connect } from 'amqplib';
import type { Receipt } from '../../../adapters/contract/index.js';
import type { ChannelSpec } from '../../../bus/broker.js';
import type { Diagnosis, DiagnosisResult } from '../../../bus/diagnosis.js';
import { definitions } from '../../../bus/rabbitmq/definitions.js';
import { channelLayout } from '../../../bus/rabbitmq/layout.js';
import { RabbitmqBroker } from '../../../bus/rabbitmq/rabbitmq-broker.js';
import { versionDiagnosis } from '../../../bus/rabbitmq/version.js';
import { PROBE_CHANNEL } from '../../../bus/runtime/channels.js';
import { testRetry } from '../../../bus/runtime/self-test.js';
import { acking, eventually, message, unique } from '../../kit/broker/harness.js';
import { clock, recorder } from '../../kit/broker/services.js';
import { freePort, type RabbitmqServer, startRabbitmq } from '../../services/servers.js';
import { plan, startWorld, system, testTarget } from '../runtime/harness.js';

const how = { integrity: false, signal: AbortSignal.timeout(120_000) };

let server: RabbitmqServer;
let api: string;
const cleanups: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const port = await freePort();
  api = `http://guest:guest@127.0.0.1:${port}`;
  server = await startRabbitmq(['management.tcp.ip = 127.0.0.1', `management.tcp.port = ${port}`], ['rabbitmq_management']);
}, 120_000);
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
afterAll(() => server.stop());

async function administrate(work: (channel: Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createChannel']>>) => Promise<unknown>): Promise<void> {
  const connection = await connect(server.access.url);
  try {
    await work(await connection.createChannel());
  } finally {
    await connection.close();
  }
}

describe('the doctor at RabbitMQ', () => {
  function broker(change: { readonly prefix?: string; readonly url?: string; readonly management?: string | undefined } = {}): RabbitmqBroker {
    const { prefix = `t${unique()}`, url = server.access.url } = change;
    const management = 'management' in change ? change.management : api;
    const made = new RabbitmqBroker({ urls: [url], prefix, settleMs: 0, clock, log: recorder(), ...(management === undefined ? {} : { management }) });
    cleanups.push(() => made.close());
    return made;
  }

  async function opened(prefix: string, specs: readonly ChannelSpec[]): Promise<RabbitmqBroker> {
    const made = broker({ prefix });
    await made.open(AbortSignal.timeout(20_000));
    for (const spec of specs) await made.declare(spec);
    return made;
  }

  /** What an administrator does by the management API, which is quicker than `rabbitmqctl`. */
  async function manage(method: 'PUT' | 'DELETE', path: string, body: object = {}): Promise<void> {
    const { origin } = new URL(api);
    const authorization = `Basic ${Buffer.from('guest:guest').toString('base64')}`;
    const { status } = await fetch(`${origin}/api/${path}`, { method, headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify(body) });
    expect(status).toBeLessThan(300);
  }

  const of = (found: readonly Diagnosis[], result: DiagnosisResult): readonly string[] =>
    found.filter((each) => each.result === result).map(({ check, found: text }) => `${check}: ${text}`);

  test('finds nothing wrong with what we declared ourselves', async () => {
    const specs = [{ name: 'target.erp.orders' }, { name: 'target.erp.lines', singleActiveConsumer: true }];
    const running = await opened(`t${unique()}`, specs);
    let found: readonly Diagnosis[] = [];
    await eventually('the node has told its figures', async () => {
      found = await running.diagnose(specs, how);
      return of(found, 'not-checked').length === 0;
    });
    expect(of(found, 'problem')).toEqual([]);
    expect(of(found, 'not-checked')).toEqual([]);
    expect(of(found, 'warning')).toEqual(['rabbitmq.version: RabbitMQ 3.10.8', expect.stringMatching(/^rabbitmq\.disk-limit: .* is the default, 50 MB$/)]);
    const fine = of(found, 'ok').join('\n');
    for (const check of [
      'connection: 1 of 1 nodes',
      'heartbeat: 10 s',
      'frame-max: ',
      'rights: configure, write and read',
      'queue: 15 queues',
      'publish: ',
      'policy: no policy',
      'stream-queue: ',
      'members: all online',
    ])
      expect(fine).toContain(`rabbitmq.${check}`);
    expect(found.filter(({ result, fix }) => result !== 'ok' && fix === undefined)).toEqual([]);
  });

  test('changes nothing before the first start', async () => {
    const prefix = `t${unique()}`;
    const found = await broker({ prefix }).diagnose([{ name: 'target.a' }], how);
    expect(of(found, 'problem')).toEqual([]);
    expect(of(found, 'ok')).toContain('rabbitmq.queue: 14 are not there yet; Signalbox makes them when it starts');
    expect(await server.control('list_queues', 'name', '--quiet')).not.toContain(prefix);
  });

  test('tells a queue that somebody made with other properties, and one that is gone', async () => {
    const prefix = `t${unique()}`;
    await administrate(async (channel) => {
      await channel.assertQueue(`${prefix}.target.classic.g1`);
      await channel.assertQueue(`${prefix}.target.unlimited.g1`, { arguments: { 'x-queue-type': 'quorum' } });
      await channel.assertExchange(`${prefix}.delay.6`, 'direct');
    });
    const specs = ['target.classic', 'target.unlimited', 'target.gone'].map((name) => ({ name }));
    const problems = (await broker({ prefix, management: undefined }).diagnose(specs, how)).filter(({ result }) => result === 'problem');
    expect(problems.map(({ found }) => found)).toEqual([
      expect.stringContaining(`${prefix}.delay.6 was made with other properties`),
      expect.stringMatching(/target\.classic\.g1 was made with other properties: inequivalent arg 'x-queue-type'/),
      expect.stringMatching(/target\.unlimited\.g1 was made with other properties: inequivalent arg 'x-delivery-limit'/),
    ]);
    expect(problems[1]?.why).toContain('only a quorum queue writes');
    expect(problems[1]?.fix).toContain(`--if-empty ${prefix}.target.classic.g1`);
    const running = await opened(`${prefix}b`, [{ name: 'target.gone' }]);
    await administrate((channel) => channel.deleteQueue(`${prefix}b.target.gone.g1`));
    expect(of(await running.diagnose([{ name: 'target.gone' }], how), 'problem')).toEqual([`rabbitmq.queue: 1 missing: ${prefix}b.target.gone.g1`]);
  });

  test('tells every policy that takes back what our arguments promise', async () => {
    const prefix = `t${unique()}`;
    const specs = [{ name: 'target.a' }];
    const running = await opened(prefix, specs);
    const drop = { 'delivery-limit': 5, 'message-ttl': 86_400_000, expires: 600_000, 'max-length': 10 };
    await manage('PUT', `policies/%2F/${prefix}-a`, { pattern: `^${prefix}\\.target`, definition: drop, 'apply-to': 'queues' });
    await manage('PUT', `operator-policies/%2F/${prefix}-o`, { pattern: `^${prefix}\\.delay\\.2`, definition: { 'message-ttl': 500 }, 'apply-to': 'queues' });
    cleanups.push(() => manage('DELETE', `policies/%2F/${prefix}-a`));
    cleanups.push(() => manage('DELETE', `operator-policies/%2F/${prefix}-o`));
    let found: readonly Diagnosis[] = [];
    const policies = (): readonly Diagnosis[] => found.filter(({ check, result }) => check === 'rabbitmq.policy' && result !== 'ok');
    await eventually('the policies are there', async () => {
      found = await running.diagnose(specs, how);
      return policies().length >= 5;
    });
    expect(
      policies()
        .map(({ result, found: text }) => `${result}: ${text}`)
        .sort(),
    ).toEqual([
      `problem: policy ${prefix}-a sets delivery-limit = 5 on ${prefix}.target.a.g1`,
      `problem: policy ${prefix}-a sets expires = 600000 on ${prefix}.target.a.g1`,
      `problem: policy ${prefix}-a sets max-length = 10 on ${prefix}.target.a.g1`,
      `problem: policy ${prefix}-a sets message-ttl = 86400000 on ${prefix}.target.a.g1`,
      `warning: policy ${prefix}-o sets message-ttl = 500 on ${prefix}.delay.2`,
    ]);
  }, 60_000);

  test('says what could not be looked at, and how it could', async () => {
    const found = await broker({ management: undefined }).diagnose([], how);
    const hidden = found.filter(({ result }) => result === 'not-checked');
    expect(hidden.map(({ check }) => check)).toEqual(['rabbitmq.policy', 'rabbitmq.members', 'rabbitmq.node']);
    expect(hidden[0]?.fix).toContain('bus: {management:');
    const wrong = new URL(api);
    wrong.password = 'hunter2';
    const refused = await broker({ management: wrong.href }).diagnose([], how);
    expect(refused.find(({ check }) => check === 'rabbitmq.policy')).toMatchObject({ result: 'not-checked', fix: expect.stringContaining('set_user_tags') });
    const silent = await broker({ management: `http://guest:hunter2@127.0.0.1:${await freePort()}` }).diagnose([], how);
    expect(of(silent, 'warning').join()).toMatch(/rabbitmq\.management: the management API at 127\.0\.0\.1:\d+ cannot be read/);
    expect(JSON.stringify([refused, silent])).not.toContain('hunter2');
  });

  test('no RabbitMQ at all is one problem', async () => {
    const found = await broker({ url: `amqp://guest:guest@127.0.0.1:${await freePort()}` }).diagnose([], how);
    expect(found).toEqual([expect.objectContaining({ check: 'rabbitmq.connection', result: 'problem' })]);
  });

  test('a cluster whose members are away, an alarm, a node without disk: as the management API tells it', async () => {
    const prefix = `t${unique()}`;
    const queue = { name: `${prefix}.target.a.g1`, type: 'quorum', arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 5 }, effective_policy_definition: [] };
    const nodes = [
      { name: 'rabbit@a', running: true, disk_free_alarm: true, disk_free: 1e6, disk_free_limit: 2e9, partitions: ['rabbit@b'] },
      { name: 'rabbit@b', running: false },
      { name: 'rabbit@c', running: true, mem_alarm: true, disk_free: 5e9, disk_free_limit: 2e9 },
    ];
    const answers: Readonly<Record<string, unknown>> = {
      queues: [
        { ...queue, members: ['rabbit@a', 'rabbit@b', 'rabbit@c'], online: ['rabbit@a'] },
        { ...queue, name: `${prefix}.target.b.g1`, members: ['rabbit@a'], online: ['rabbit@a'] },
        { ...queue, name: `${prefix}.target.c.g1`, members: ['rabbit@a', 'rabbit@b', 'rabbit@c'], online: ['rabbit@a', 'rabbit@c'] },
      ],
      nodes,
      'feature-flags': [{ name: 'stream_queue', state: 'disabled' }],
    };
    const played = createServer((request, response) => response.end(JSON.stringify(answers[/^\/api\/([a-z-]+)/.exec(request.url ?? '')?.[1] ?? ''])));
    await new Promise<void>((done) => played.listen(0, '127.0.0.1', done));
    cleanups.push(async () => void played.close());
    const specs = ['a', 'b', 'c'].map((name) => ({ name: `target.${name}` }));
    const found = await broker({ prefix, management: `http://guest:guest@127.0.0.1:${(played.address() as AddressInfo).port}/` }).diagnose(specs, how);
    expect(of(found, 'problem')).toEqual([
      `rabbitmq.members: ${prefix}.target.a.g1: 1 of 3 members are online`,
      'rabbitmq.alarm: rabbit@a: disk alarm',
      'rabbitmq.partition: rabbit@a does not see rabbit@b',
      'rabbitmq.node: rabbit@b does not run',
      'rabbitmq.alarm: rabbit@c: memory alarm',
      'rabbitmq.stream-queue: the feature flag stream_queue is disabled',
    ]);
    expect(of(found, 'warning')).toEqual(
      expect.arrayContaining([
        `rabbitmq.members: ${prefix}.target.b.g1 has 1 member on a cluster of 2 nodes`,
        `rabbitmq.members: ${prefix}.target.c.g1: 2 of 3 members are online`,
      ]),
    );
  });

  test('a message comes back from the retry ladder', async () => {
    const running = await opened(`t${unique()}`, []);
    const [first, second] = await Promise.all([testRetry(running, clock, how.signal), testRetry(running, clock, how.signal)]);
    expect([first, second].map(({ check, result }) => `${check} ${result}`)).toEqual(['bus.retry ok', 'bus.retry ok']);
    // RabbitMQ takes the consumers of a closed channel out of a quorum queue a moment after it has confirmed the close.
    await eventually('nobody consumes any more', async () => (await running.depth(PROBE_CHANNEL.name)).consumers === 0);
    expect(await running.depth(PROBE_CHANNEL.name)).toMatchObject({ ready: 0, unsettled: 0 });
  });

  test('exported definitions are all that a user without the right to configure needs', async () => {
    const prefix = `t${unique()}`;
    const vhost = `vhost-${prefix}`;
    const user = `user-${prefix}`;
    const specs = [{ name: 'target.erp.orders' }, PROBE_CHANNEL];
    const file = join(tmpdir(), `signalbox-${prefix}.json`);
    await writeFile(file, JSON.stringify(definitions(specs, { prefix, vhost, user })));
    await manage('PUT', `users/${user}`, { password: 'password', tags: '' });
    await server.control('import_definitions', file);
    await server.control('import_definitions', file); // again, as after an upgrade
    const url = new URL(server.access.url);
    Object.assign(url, { username: user, password: 'password', pathname: `/${vhost}` });
    const running = broker({ prefix, url: url.href });
    await running.open(AbortSignal.timeout(20_000));
    await running.declare({ name: 'target.erp.orders' });
    const inbox = acking();
    const consumer = await running.consume('target.erp.orders', { prefetch: 8 }, inbox.onMessage);
    await running.publish('target.erp.orders', message('now'));
    await running.publishLater('target.erp.orders', message('later'), 1_000);
    await inbox.until(2);
    expect(inbox.ids).toEqual(['now', 'later']);
    await consumer.close();
    expect(await testRetry(running, clock, how.signal)).toMatchObject({ result: 'ok' });
    const found = await running.diagnose(specs, how);
    expect(of(found, 'problem')).toEqual([]);
    expect(of(found, 'ok')).toEqual(
      expect.arrayContaining([`rabbitmq.rights: write and read on ${prefix}.*; an administrator makes the queues`, 'rabbitmq.queue: 8 queues with the properties we declare']),
    );
    await expect(running.declare({ name: 'target.new' })).rejects.toMatchObject({ name: 'Misconfigured', code: 'E511' });
    const lacking = await running.diagnose([...specs, { name: 'target.new' }], how);
    expect(lacking.filter(({ result }) => result === 'problem')).toEqual([
      expect.objectContaining({ found: `1 missing: ${prefix}.target.new.g1`, fix: expect.stringContaining('signalbox topology export') }),
    ]);
    await manage('PUT', `permissions/${vhost}/${user}`, { configure: '^$', write: '^amq\\.default$', read: `^${prefix}\\.` });
    expect(of(await broker({ prefix, url: url.href }).diagnose(specs, how), 'problem')).toEqual([`rabbitmq.rights: no right to write ${prefix}.*`]);
    await manage('PUT', `permissions/${vhost}/${user}`, { configure: '^$', write: `^${prefix}\\.`, read: '^$' });
    const refused = of(await broker({ prefix, url: url.href }).diagnose(specs, how), 'problem');
    expect(refused[0]).toBe(`rabbitmq.rights: no right to read ${prefix}.*`);
    expect(refused.at(-1)).toMatch(/^rabbitmq\.publish: .*ACCESS_REFUSED/);
  }, 60_000);

  test('an alarm is found with AMQP alone', async () => {
    await server.control('set_vm_memory_high_watermark', 'absolute', '1024');
    cleanups.push(async () => void (await server.control('set_vm_memory_high_watermark', '0.4')));
    const found = await broker({ management: undefined }).diagnose([], how);
    expect(of(found, 'problem')).toEqual(['rabbitmq.alarm: memory alarm']);
  }, 60_000);
});

describe('the watchdog at RabbitMQ', () => {
  // For channels that are opened from now on.
  beforeAll(() => server.control('eval', 'application:set_env(rabbit, consumer_timeout, 4000), application:set_env(rabbit, channel_tick_interval, 1000).'));

  async function start(send: (call: number) => Promise<Receipt>) {
    let shift = 0;
    const log = recorder();
    const prefix = `t${unique()}`;
    const world = await startWorld(undefined, new RabbitmqBroker({ urls: [server.access.url], prefix, settleMs: 0, clock, log }), {
      ...clock,
      monotonic: () => performance.now() + shift,
    });
    cleanups.push(() => world.close());
    let calls = 0;
    const target = testTarget(() => send(++calls));
    await world.supervisor.apply(plan([system('out', { outbound: target, parallel: 1, callLimitMs: 30_000 })]));
    const accept = (id: string) => world.intake.accept('in.things', [{ id, value: { name: id } }], { patienceMs: 10_000, signal: AbortSignal.timeout(20_000) });
    const look = async (ms: number): Promise<readonly string[]> => {
      shift += ms;
      await world.watchdog.look(world.supervisor.watched());
      return world.log.lines.filter(({ event }) => event.startsWith('watchdog-')).map(({ message }) => message);
    };
    return { world, target, prefix, log, accept, look, calls: () => calls };
  }

  test('a call that hangs longer than the broker waits for an ack: made again, once, and nothing is left over', async () => {
    const { world, target, log, accept, look, calls } = await start((call) => (call === 1 ? new Promise(() => undefined) : Promise.resolve({ detail: 'ok' })));
    await accept('one');
    await eventually('RabbitMQ has had enough', () => log.warnings.some(({ message: text }) => /PRECONDITION.FAILED.*timed out/i.test(text)), 60_000);
    expect(await look(20_000)).toEqual([]);
    expect(await look(90_000)).toEqual(['out.things: a call did not end within 90 s; its link is opened anew']);
    await eventually('it is delivered', () => target.got.length === 1);
    await eventually('nothing is left', async () => {
      const { ready, unsettled } = await world.broker.depth('target.out.things');
      return ready + unsettled === 0;
    });
    await accept('two');
    await eventually('others follow', () => target.got.length === 2);
    expect([target.got.map(({ payload }) => payload['name']), calls()]).toEqual([['one', 'two'], 3]);
  }, 120_000);

  test('a queue that was deleted and made again at once: what RabbitMQ swallows then is handed out in the end', async () => {
    const { world, target, prefix, accept, look } = await start(() => Promise.resolve({ detail: 'ok' }));
    await accept('one');
    await eventually('it is delivered', () => target.got.length === 1);
    const { queue, bindings } = channelLayout(prefix, { name: 'target.out.things' });
    await administrate(async (channel) => {
      await channel.deleteQueue(queue.name);
      await channel.assertQueue(queue.name, { arguments: queue.arguments });
      for (const { exchange, key } of bindings) await channel.bindQueue(queue.name, exchange, key);
    });
    await accept('two');
    // RabbitMQ 3.10 counts it as handed out to a consumer that never sees it; later versions may deliver it.
    let looks = 0;
    await eventually('it is delivered too', async () => {
      if (target.got.length < 2 && looks++ < 100) await look(10_000);
      return target.got.length === 2;
    });
    await eventually('the consumer is there', async () => (await world.broker.depth('target.out.things')).consumers === 1);
    const before = await look(0);
    for (let more = 0; more < 10; more++) expect(await look(20_000)).toEqual(before);
  }, 120_000);
});

test.each([
  ['3.9.29', 'problem'],
  ['3.10.8', 'warning'],
  ['3.13.6', 'warning'],
  ['3.13.7', 'warning'],
  ['4.0.8', 'warning'],
  ['4.1.5', 'ok'],
  ['4.2.6', 'warning'],
  ['4.2.7', 'ok'],
  ['4.3.5', 'ok'],
  ['4.3.5+2', 'ok'],
  ['4.5.0', 'warning'],
  ['5.0.0-rc.1', 'warning'],
])('RabbitMQ %s: %s', (version, result) => {
  expect(versionDiagnosis(version).result).toBe(result);
});
