import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Diagnosis } from '../../bus/diagnosis.js';
import { command, type Hub, run, stop, until } from '../e2e/run.js';
import { freePort } from '../services/servers.js';
import { DANGEROUS, type Instance, type Ran, signalbox, startInstance } from './harness.js';

describe('doctor, asked of a running service', () => {
  let instance: Instance;
  let ask: (...args: readonly string[]) => Promise<Ran>;
  beforeAll(async () => {
    instance = await startInstance();
    ask = instance.run;
  });
  afterAll(() => instance.close());
  beforeEach(() => {
    instance.service.healthy = true;
  });

  test('shows the worst first, each with why and what helps', async () => {
    const { code, out, err } = await ask('doctor', '--systems', '--integrity');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).not.toMatch(DANGEROUS);
    expect(out.split('\n')).toEqual([
      expect.stringMatching(/^WARN {2}rabbitmq\.policy {3}a\\x1b\]0;owned\\x07b\\nforged/),
      '  = why:  messages are dropped',
      '  = help: rabbitmqctl clear_policy x',
      '-     rabbitmq.node     disk limits',
      '  = help: configure `bus.management`',
      'ok    rabbitmq.version  RabbitMQ 4.3.5 {"systems":true,"selfTest":false,"integrity":true}',
      '',
      '1 ok, 1 warning, 0 problems, 1 not checked',
      '',
    ]);
  });

  test('a problem is exit code 1, also as JSON', async () => {
    instance.service.healthy = false;
    const { code, out } = await ask('doctor', '-o', 'json');
    expect(code).toBe(1);
    expect((JSON.parse(out) as Diagnosis[]).map(({ result }) => result)).toEqual(['ok', 'problem', 'not-checked']);
  });
});

describe('with a configuration', () => {
  let hub: Hub;
  beforeEach(async () => {
    const directory = mkdtempSync(join(tmpdir(), 'signalbox-doctor-cli-'));
    hub = { directory, environment: process.env };
    await signalbox(['init', directory]);
  });
  afterEach(() => rmSync(hub.directory, { recursive: true, force: true }));

  const found = (text: string): Record<string, string> => Object.fromEntries((JSON.parse(text) as Diagnosis[]).map(({ check, result }) => [check, result]));

  test('doctor looks at what lies there when nothing runs, and asks the service when it does', async () => {
    const before = command(hub, 'doctor', '-o', 'json', '--systems', '--self-test');
    expect(before.talk).toContain('nothing runs with this configuration');
    expect(found(before.out)).toMatchObject({ 'bus.file': 'ok', 'store.file': 'ok', 'bus.retry': 'ok', 'node.files': expect.any(String) });
    expect(Object.keys(found(before.out)).some((check) => check.startsWith('system.'))).toBe(true);
    const service = run(hub);
    try {
      await until(() => command(hub, 'status', '-q').code === 0, 'it runs', 30_000);
      const during = command(hub, 'doctor', '-o', 'json', '--self-test');
      expect({ code: during.code, talk: during.talk }).toEqual({ code: 0, talk: '' });
      expect(found(during.out)).toMatchObject({ 'bus.durability': 'ok', 'store.durability': 'ok', 'bus.retry': 'ok', 'node.event-loop': expect.any(String) });
    } finally {
      await stop(service, 'SIGTERM');
    }
  });

  test('a RabbitMQ that is away is a problem; a configuration with errors is shown', async () => {
    writeFileSync(join(hub.directory, 'signalbox.yaml'), `version: 1\nbus: amqp://guest@127.0.0.1:${await freePort()}\n`);
    const away = command(hub, 'doctor', '-o', 'json');
    expect(away.code).toBe(1);
    expect(found(away.out)).toMatchObject({ 'rabbitmq.connection': 'problem', 'store.file': 'ok' });
    writeFileSync(join(hub.directory, 'signalbox.yaml'), 'version: 1\nbuss: embedded\n');
    const wrong = command(hub, 'doctor');
    expect(wrong).toMatchObject({ code: 1, out: '', talk: expect.stringContaining('did you mean `bus`?') });
  });

  test('topology export writes definitions of the configured targets', () => {
    const embedded = command(hub, 'topology', 'export');
    expect(embedded).toMatchObject({ code: 1, out: '', talk: expect.stringContaining('the embedded one') });
    writeFileSync(join(hub.directory, 'signalbox.yaml'), 'version: 1\nbus: {urls: ["amqp://hub@mq1.corp.local/sales%2Fnorth"], prefix: sales}\n');
    const { code, out } = command(hub, 'topology', 'export');
    const definitions = JSON.parse(out) as Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;
    expect(code).toBe(0);
    expect(definitions['vhosts']).toEqual([{ name: 'sales/north' }]);
    expect(definitions['permissions']).toEqual([{ user: 'hub', vhost: 'sales/north', configure: '^$', write: '^(sales\\.|amq\\.default$)', read: '^sales\\.' }]);
    const names = definitions['queues']?.map(({ name }) => name);
    expect(names).toEqual([...[1, 2, 3, 4, 5, 6].map((step) => `sales.delay.${step}`), expect.stringMatching(/^sales\.target\..*\.g1$/), 'sales.doctor.g1']);
    const other = JSON.parse(command(hub, 'topology', 'export', '--vhost', '/', '--user', 'anna').out) as typeof definitions;
    expect([other['vhosts'], other['permissions']?.[0]]).toEqual([[{ name: '/' }], expect.objectContaining({ user: 'anna', vhost: '/' })]);
  });
});
