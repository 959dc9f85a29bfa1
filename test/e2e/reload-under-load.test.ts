// Configurations are changed while messages flow. What a message became shows which revision handled it; no endpoint is touched that has not changed.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isFull } from '../faults/faults.js';
import { ReloadWorld, type Version } from './reload-world.js';
import { until } from './run.js';

const LIMIT_MS = 60_000;

/** Changes, with what a receipt has to name. */
const CHANGES: readonly (readonly [what: string, change: Partial<Version>, changed: readonly string[]])[] = [
  ['a mapping', { mark: 'm2' }, ['orders-out']],
  ['the condition of a rule', { noted: 'web' }, ['orders-out']],
  ['a rule that goes', { noted: 'none' }, ['orders-out']],
  ['a rule that comes', { noted: 'all' }, ['orders-out']],
  ['a code list', { zone: 'z2' }, ['table zone']],
  ['the retry policy', { attempts: 5 }, ['defaults']],
  ['how many at once', { parallel: 8 }, ['files']],
  ['how to connect', { timeout: '21s' }, ['partner']],
  ['the schedule of a source', { everyMs: 150 }, ['shop']],
  ['the mapping of all sources', { taken: 't2' }, ['drop-in', 'shop-in', 'web-in']],
  ['a webhook', { largest: '2MiB' }, ['web']],
  [
    'everything at once',
    { taken: 't3', mark: 'm3', zone: 'z3', parallel: 2, timeout: '20s', largest: '1MiB' },
    ['files', 'partner', 'web', 'drop-in', 'orders-out', 'shop-in', 'web-in', 'table zone'],
  ],
  ['nothing', {}, []],
];

describe('reloads under load, embedded bus', () => {
  let world: ReloadWorld;
  beforeAll(async () => {
    world = await ReloadWorld.start({ bus: 'embedded', store: 'sqlite', nodes: 1 });
    world.load();
    await flows(world);
  }, 120_000);
  afterAll(() => world?.close(), 60_000);

  test.each(CHANGES)(
    '%s',
    async (_, change, changed) => {
      await onlyRestarts(world, change, changed);
    },
    60_000,
  );

  test('a target that is removed and comes back has what waited for it, as it was mapped then', async () => {
    const { service } = world.node(0);
    await service.pause('notes', { who: 'test' });
    await until(async () => (await world.waiting('notes.orders')) >= 10, 'messages wait', LIMIT_MS);
    expect((await world.change({ hasNotes: false })).changed).toEqual(['notes', 'orders-out']);
    expect((await service.system('notes')).endpoints[0]?.detail).toMatch(/^E509 \d+ messages wait/);
    await onlyRestarts(world, { mark: 'm4' }, ['orders-out']);
    expect((await world.change({ hasNotes: true })).changed).toEqual(['notes', 'orders-out']);
    const made = (await world.effects('notes.orders')).length;
    await service.resume('notes', { who: 'test' });
    await until(async () => (await world.waiting('notes.orders')) === 0 && (await world.effects('notes.orders')).length > made + 10, 'they are delivered', LIMIT_MS);
  }, 120_000);

  test('files with mistakes change nothing', async () => {
    const { service } = world.node(0);
    const before = await service.status();
    world.writeText(world.text().replace('subscribe: Order', 'subscribe: Odrer'));
    const result = await world.reload();
    expect([result.applied, result.revision, result.changed]).toEqual([false, before.revision.number, []]);
    expect((await service.status()).revision).toEqual(before.revision);
    world.write({});
    expect((await world.reload()).revision).toBe(before.revision.number);
  }, 60_000);

  test('SIGHUP twice at once is one change', async () => {
    const { service, child } = world.node(0);
    const { revision } = await service.status();
    world.write({ mark: 'm5' });
    world.versions.set(revision.number + 1, world.version);
    child?.kill('SIGHUP');
    child?.kill('SIGHUP');
    await until(async () => (await service.status()).revision.number > revision.number, 'it runs', LIMIT_MS);
    expect((await world.reload()).revision).toBe(revision.number + 1);
    expect((await service.revisions(1))[0]?.number).toBe(revision.number + 1);
  }, 60_000);

  test('a target that is down', async () => {
    await world.partner.close();
    await until(async () => (await world.waiting('partner.bookings')) >= 10, 'messages wait', LIMIT_MS);
    await onlyRestarts(world, { mark: 'm6' }, ['orders-out']);
    await onlyRestarts(world, { timeout: '22s' }, ['partner']);
    await onlyRestarts(world, { mark: 'm7', taken: 't7' }, ['drop-in', 'orders-out', 'shop-in', 'web-in']);
    await world.partner.listen();
    await until(async () => (await world.waiting('partner.bookings')) < 10, 'they are delivered', LIMIT_MS);
  }, 120_000);

  test('a call that hangs holds up its own system alone, and the command says what it waits for', async () => {
    world.partner.hold();
    await until(() => world.partner.held > 0, 'a call is under way', LIMIT_MS);
    world.write({ timeout: '23s', largest: '3MiB', mark: 'm8' });
    const { revision } = await world.node(0).service.status();
    world.versions.set(revision.number + 1, world.version);
    const since = { reports: (await world.effects('reports.orders')).length, sent: world.sentCount, files: (await world.effects('files.orders')).length };
    const command = world.command('reload');
    try {
      await until(async () => (await world.node(0).service.status()).ending.some(({ name }) => name === 'partner.bookings'), 'it waits', LIMIT_MS);
      // Also the webhook, whose system changed too, is back long before that call ends, and the new mapping is at work.
      const flowed = async (): Promise<boolean> => {
        const reports = (await world.effects('reports.orders')).filter(({ mark }) => mark === 'm8').length;
        return reports >= 60 && world.sentCount - since.sent >= 60 && (await world.effects('files.orders')).length - since.files >= 60;
      };
      await until(flowed, 'the others go on', 15_000);
      expect((await world.node(0).service.status()).ending.map(({ name }) => name)).toEqual(['partner.bookings']);
    } finally {
      world.partner.release();
    }
    const { code, out, talk } = await command;
    expect([code, talk]).toEqual([0, expect.stringMatching(/^waiting for what is under way at partner\.bookings \([\d.]+m?s\); the others go on/)]);
    expect(out).toMatch(/^applied {2}revision \d+ {3}changed: partner, web, orders-out(?:.|\n)*\nwaited [\d.]+s for partner\.bookings\n$/);
  }, 120_000);

  test('nothing was lost or doubled, every effect is as the revision says that handled it, and senders heard of nothing but a pause', async () => {
    await world.quiet();
    await world.settled(LIMIT_MS);
    expect(await world.problems()).toEqual([]);
    expect([...world.answers.keys()].filter((status) => ![200, 202, 503].includes(status))).toEqual([]);
    const crossed = (await world.events()).filter(({ kind }) => kind === 'delivered');
    expect(new Set(crossed.map(({ revision }) => revision)).size).toBeGreaterThan(10);
    const errors = world
      .log()
      .split('\n')
      .filter((line) => line.includes('"level":"error"'));
    expect(errors.filter((line) => !/config-problem|reload-refused|E509/.test(line))).toEqual([]);
  }, 120_000);
});

if (isFull) {
  describe('a rolling change of two nodes under load, RabbitMQ and PostgreSQL', () => {
    let world: ReloadWorld;
    beforeAll(async () => {
      world = await ReloadWorld.start({ bus: 'rabbitmq', store: 'postgres', nodes: 2 });
      world.load();
      await flows(world);
    }, 120_000);
    afterAll(() => world?.close(), 60_000);

    test.each(CHANGES)(
      '%s',
      async (_, change, changed) => {
        world.write(change, 0);
        const first = await world.reload(0);
        await flows(world);
        world.write({}, 1);
        const second = await world.reload(1);
        expect([first.changed, second.changed]).toEqual([changed, changed]);
        expect(second.revision).toBe(first.revision);
        await flows(world);
      },
      60_000,
    );

    test('nothing was lost or doubled, and every effect is as the revision says that handled it', async () => {
      await world.quiet();
      await world.settled(LIMIT_MS);
      expect(await world.problems()).toEqual([]);
      expect([...world.answers.keys()].filter((status) => ![200, 202, 503].includes(status))).toEqual([]);
    }, 120_000);
  });
}

test('a reload that fails records nothing, and the next one does what it did not', async () => {
  const world = await ReloadWorld.start({ bus: 'embedded', store: 'postgres', nodes: 1 });
  try {
    const { service } = world.node(0);
    world.load();
    await flows(world);
    const before = await service.status();
    const counts = await world.counts();
    await world.query(
      `CREATE FUNCTION store.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; CREATE TRIGGER refuse BEFORE INSERT ON store.revision EXECUTE FUNCTION store.refuse()`,
    );
    world.write({ mark: 'm2', timeout: '21s' });
    await expect(world.reload()).rejects.toThrow();
    await world.query('DROP TRIGGER refuse ON store.revision');
    await flows(world);
    for (const [name, count] of await world.counts()) expect([name, count >= (counts.get(name) ?? 0)]).toEqual([name, true]);
    expect((await service.status()).revision).toEqual(before.revision);
    expect(await service.revisions(5)).toHaveLength(1);
    const after = await world.reload();
    expect([after.revision, after.changed]).toEqual([before.revision.number + 1, ['partner', 'orders-out']]);
    await world.quiet();
    await world.settled(LIMIT_MS);
    expect(await world.problems()).toEqual([]);
    expect(world.log()).toContain('reload-failed');
  } finally {
    await world.close();
  }
}, 180_000);

/** Makes a change: the receipt names what changed, and everything else goes on without being started anew. */
async function onlyRestarts(world: ReloadWorld, change: Partial<Version>, changed: readonly string[]): Promise<void> {
  const [before, shop, reports] = [await world.counts(), ports(world, 'shop'), ports(world, 'reports')];
  const result = await world.change(change);
  const after = await world.counts();
  expect([result.applied, result.changed]).toEqual([true, changed]);
  const restarted = [...before].filter(([name, count]) => (after.get(name) ?? 0) < count).map(([name]) => name.split('.')[0] ?? '');
  expect(restarted.filter((name) => !changed.includes(name))).toEqual([]);
  if (!changed.includes('shop')) expect(ports(world, 'shop')).toEqual(expect.arrayContaining([...shop]));
  if (!changed.includes('reports')) expect(ports(world, 'reports')).toEqual(expect.arrayContaining([...reports]));
}

/** What the database sees of us: a connection that stays has the same port. */
function ports(world: ReloadWorld, place: 'shop' | 'reports'): readonly number[] {
  return world.proxies.get(place)?.serverPorts ?? [];
}

/** Waits until some more has been delivered of each origin. */
async function flows(world: ReloadWorld): Promise<void> {
  const made = (await world.effects('reports.orders')).length;
  await until(async () => (await world.effects('reports.orders')).length >= made + 10, 'messages flow', LIMIT_MS);
}
