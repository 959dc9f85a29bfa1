// Answers that are lost, and a process that is killed while its requests are at the partner: the whole product against a real HTTP server.
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import Database from 'better-sqlite3';
import { describe as text } from '../../bus/errors.js';
import { remoteService } from '../../cli/client.js';
import { signalbox } from '../cli/harness.js';
import { type Hub, run, stop, until } from '../e2e/run.js';
import { type Conduct, ForgetfulPartner, MOMENTS_OF_UNKNOWN } from './forgetful-partner.js';
import { record } from './results.js';

/** At first, and more of them whenever all are at an end and a life is not. */
const ROWS = 24;
const MORE_ROWS = 8;
/** Each life of the process ends at one of these moments; in the last ones the partner kills it with a request in its hands, which it did or did not do. */
const LIVES = [...MOMENTS_OF_UNKNOWN.filter((moment) => moment.startsWith('target.')), 'effect', 'no effect', 'effect'] as const;
/** Requests of a life before it is killed by the partner. */
const REQUESTS_OF_A_LIFE = 8;
const TROUBLES: readonly Conduct[] = [
  { applies: true, answer: 'reset' },
  { applies: false, answer: 'reset' },
  { applies: true, answer: 'half' },
  { applies: true, answer: 'silence' },
  { applies: true, answer: 504 },
  { applies: false, answer: 504 },
  { applies: false, answer: 503 },
];

const configuration = (directory: string, port: number): string => `version: 1
bus: embedded
types:
  Order: {number: required text}
defaults:
  retry: {attempts: 12, wait: 1s..2s, factor: 1, jitter: 20%}
systems:
  legacy:
    adapter: sql
    connect: {driver: sqlite, file: ${directory}/legacy.db}
    read:
      orders: {table: orders, key: num, columns: {num: integer}, max_records: 7, schedule: {every: 100ms}}
  partner:
    adapter: rest
    connect: {base: "http://127.0.0.1:${port}", timeout: 1s}
    write:
      keyed: {path: /keyed, parallel: 4}
      verified: {path: /verified, parallel: 4, idempotency_key: none, verify: {path: "/verified/{key}"}}
      parked: {path: /parked, parallel: 4, idempotency_key: none}
routes:
  in:
    from: legacy.orders
    publish: Order
    key: order.number
    map: {number: text(record.num)}
  out:
    subscribe: Order
    deliver:
      - {name: keyed, to: partner.keyed, map: {ref: order.number}}
      - {name: verified, to: partner.verified, map: {ref: order.number}}
      - {name: parked, to: partner.parked, map: {ref: order.number}}
`;

describe('answers that are lost, and a process that is killed', () => {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-unknown-'));
  const hub: Hub = { directory: join(directory, 'hub'), environment: { ...process.env, NODE_COMPILE_CACHE: join(directory, 'cache') } };
  const lives: string[] = [...LIVES];
  const deaths: string[] = [];
  let child: ChildProcess | undefined;
  let isWell = false;
  let requestsOfLife = 0;

  /** Whenever it dies it is started again. */
  const live = (ends: string | undefined): void => {
    const born = run({ ...hub, environment: ends?.includes('.') ? { ...hub.environment, SIGNALBOX_FAILPOINT: ends } : hub.environment });
    child = born;
    requestsOfLife = 0;
    born.once('exit', (_, signal) => {
      if (child !== born) return;
      if (signal === 'SIGKILL') deaths.push(ends ?? 'nothing');
      live(lives.shift());
    });
    current = ends;
  };
  let current: string | undefined;
  const partner = new ForgetfulPartner(
    (request) => {
      if (isWell) return { applies: true, answer: 'answered' };
      requestsOfLife++;
      if (current?.endsWith('effect') && requestsOfLife === REQUESTS_OF_A_LIFE) return { applies: current === 'effect', answer: 'killed' };
      // Every third goes wrong, each time in another way.
      return request % 3 === 2 ? (TROUBLES[Math.floor(request / 3) % TROUBLES.length] ?? { applies: true, answer: 'reset' }) : { applies: true, answer: 'answered' };
    },
    async () => {
      const dying = child;
      if (dying) await stop(dying, 'SIGKILL');
    },
  );

  let rows = 0;
  const order = (count: number): void => {
    const legacy = new Database(join(directory, 'legacy.db'));
    legacy.exec('PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS orders (num INTEGER PRIMARY KEY)');
    for (const last = rows + count; rows < last; ) legacy.prepare('INSERT INTO orders VALUES (?)').run(++rows);
    legacy.close();
  };

  beforeEach(async () => {
    mkdirSync(hub.directory);
    writeFileSync(join(hub.directory, 'signalbox.yaml'), configuration(directory, await partner.listen()));
    order(ROWS);
  });
  afterEach(async () => {
    const last = child;
    child = undefined;
    if (last) await stop(last, 'SIGKILL');
    await partner.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('every order is done once, or not more than once and somebody is told', async () => {
    const began = performance.now();
    live(lives.shift());
    const effects = (path: string): readonly number[] => Array.from({ length: rows }, (_, index) => partner.effects.get(`${path} ${index + 1}`) ?? 0);
    const exactlyOnce = () => Array.from({ length: rows }, () => 1);
    // Never in a way that holds up the partner, which lives in this process.
    const service = remoteService(join(hub.directory, '.signalbox/signalbox.sock'));
    const settled = async (): Promise<boolean> => {
      const status = await service.status().catch(() => undefined); // it may be on its way up
      if (!status) return false;
      const { messages, systems } = status;
      const all = Object.values(messages).reduce((sum, count) => sum + count, 0);
      return all === rows && messages.active === 0 && systems.flatMap(({ endpoints }) => endpoints).every(({ waiting }) => !waiting);
    };
    await until(
      async () => {
        if (!(await settled())) return false;
        if (deaths.length === LIVES.length) return true;
        order(MORE_ROWS);
        return false;
      },
      'all at an end',
      150_000,
      async () => [deaths, [...partner.conducts], await service.status().catch(text)],
    );

    expect(deaths).toEqual(LIVES);
    expect([...partner.conducts.keys()].sort()).toEqual([503, 504, 'answered', 'half', 'killed', 'reset', 'silence']);
    expect(effects('/keyed')).toEqual(exactlyOnce());
    expect(effects('/verified')).toEqual(exactlyOnce());
    const unknown = await service.ledger({ state: 'unknown', limit: 1_000 });
    const told = new Set(unknown.map(({ parked }) => parked?.key));
    const parked = effects('/parked');
    expect(new Set(unknown.map(({ endpoint }) => endpoint))).toEqual(new Set(['partner.parked']));
    const isTold = (_: number, index: number): boolean => told.has(String(index + 1));
    expect(parked.filter((count, index) => count > 1 || (count === 0 && !isTold(count, index)))).toEqual([]);
    expect(parked).toContain(0);
    expect(parked.filter(isTold)).toContain(1);
    expect(await service.status()).toMatchObject({
      deadLetters: 0,
      messages: { parked: told.size, delivered: rows - told.size },
      unknown: [{ endpoint: 'partner.parked', count: told.size }],
    });

    // Somebody asks the partner and says so.
    isWell = true;
    const idsWith = (count: number) => unknown.filter((line) => (partner.effects.get(`/parked ${line.parked?.key}`) ?? 0) === count).map(({ deliveryId }) => deliveryId);
    const [there, missing] = [idsWith(1), idsWith(0)];
    const say = (...words: readonly string[]) => signalbox(['-c', hub.directory, 'ledger', 'resolve', ...words, '--yes']);
    for (const moment of MOMENTS_OF_UNKNOWN.filter((each) => each.startsWith('resolve.'))) {
      lives.push(moment);
      if (child) await stop(child, 'SIGKILL');
      await until(settled, 'it runs again', 60_000);
      expect(await say(missing[0] ?? '', '--resend')).toMatchObject({ code: 1 });
      await until(settled, 'it runs again', 60_000);
    }
    expect(deaths.slice(-3)).toEqual(['resolve.ledger.written', 'nothing', 'resolve.published']);
    // Said again, it is either done now or was done then.
    await say(missing[0] ?? '', '--resend');
    expect(await say(...there, '--delivered')).toMatchObject({ code: 0 });
    expect(await say(...missing.slice(1), '--resend', '--reason', 'the partner has no such order')).toMatchObject({ code: 0 });
    // On a busy machine an answer may be late even now.
    const again = async (): Promise<boolean> => {
      const late = await service.ledger({ state: 'unknown', limit: 1_000 });
      for (const { deliveryId, parked: about } of late) await service.resolve([deliveryId], partner.effects.has(`/parked ${about?.key}`) ? 'delivered' : 'resend', { who: 'test' });
      return late.length === 0;
    };
    await until(
      async () => effects('/parked').every((count) => count === 1) && (await settled()) && (await again()),
      'all are done',
      60_000,
      async () => effects('/parked'),
    );
    expect(effects('/parked')).toEqual(exactlyOnce());
    record({
      kind: 'run',
      section: 'unknown outcomes',
      name: 'embedded bus, REST: Idempotency-Key, verify, park',
      command: 'npm run test:faults',
      times: deaths.length + [...partner.conducts].reduce((sum, [answer, count]) => sum + (answer === 'answered' || answer === 503 ? 0 : count), 0),
      messages: rows,
      deliveries: 3 * rows,
      lost: 0,
      duplicated: 0,
      unknown: told.size,
      seconds: (performance.now() - began) / 1000,
      detail: `${deaths.length} kills; what was unknown was told by a person`,
    });
    expect(await service.status()).toMatchObject({ deadLetters: 0, messages: { delivered: rows, parked: 0 }, unknown: [] });
    expect(await service.ledger({ limit: 10 })).toEqual([]);
    const last = child;
    child = undefined;
    expect(last && (await stop(last, 'SIGTERM'))).toBe(0);
  }, 240_000);
});
