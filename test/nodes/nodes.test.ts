// Two processes of the whole product on one RabbitMQ and one PostgreSQL, killed, stopped and restarted while rows and files flow.
import { afterEach, expect, test } from '@jest/globals';
import type { NodeStatus } from '../../console/service.js';
import { until } from '../e2e/run.js';
import { services } from '../services/services.js';
import { NodesWorld, TARGETS } from './world.js';

const LEASE_MS = 4_000;
/** A lease and a renewal, and time to start and to be noticed on a loaded machine. */
const MOST_TAKEOVER_MS = 20_000;

let world: NodesWorld | undefined;
afterEach(() => world?.close());

test('nodes are killed, stopped for longer than a lease and restarted one after the other: nothing is lost, nothing done twice', async () => {
  const [rabbitmq, postgres, mariadb] = await Promise.all([services.rabbitmq(), services.postgres(), services.mariadb()]);
  world = await NodesWorld.start({ rabbitmq, postgres, mariadb }, { leaseMs: LEASE_MS, writers: 12, rowsPerSecond: 20 });
  const [anna, bert] = [world.node(0), world.node(1)];

  // One configuration, one revision; each source is read by one of them, and both say so.
  const [first, second] = await Promise.all([anna.service.status(), bert.service.status()]);
  expect([first.revision.number, second.revision.number]).toEqual([1, 1]);
  await until(async () => (await anna.service.nodes()).length === 2, 'they know each other', 30_000);
  const nodes = await anna.service.nodes();
  expect(nodes.map(({ name, isLive, isSelf }) => ({ name, isLive, isSelf }))).toEqual([
    { name: 'anna', isLive: true, isSelf: true },
    { name: 'bert', isLive: true, isSelf: false },
  ]);
  world.fill();
  await world.flows(60_000);
  const states = await Promise.all([anna, bert].map(async ({ service }) => (await service.system('table')).endpoints[0]));
  expect(states.map((endpoint) => endpoint?.state).sort()).toEqual(['ok', 'standby']);
  expect(states.find((endpoint) => endpoint?.state === 'standby')?.detail).toMatch(/^read by (anna|bert|another node)$/);

  for (let kill = 0; kill < 2; kill += 1) {
    const victim = await world.holder('table.orders');
    const { over } = await world.watchTakeover(victim);
    await victim.kill();
    victim.start();
    await over;
    await victim.up();
    await world.flows(60_000);
  }

  // A process that is stopped does not know it. When it goes on, the other one reads, and it publishes nothing.
  const zombie = await world.holder('table.orders');
  const { over } = await world.watchTakeover(zombie);
  zombie.signal('SIGSTOP');
  await over;
  await world.flows(60_000);
  zombie.signal('SIGCONT');
  await until(() => zombie.lines('source-lease-lost').length > 0, 'it noticed', 60_000);
  await until(async () => (await zombie.service.system('table')).endpoints[0]?.state === 'standby', 'it stands by', 60_000);

  // A rolling change: what a node holds is free at once, for a while two revisions run, and in the end both nodes name theirs alike.
  const running: unknown[] = [];
  for (const node of world.all) {
    node.change('routes.yaml', (now) => `${now}# changed\n`);
    expect(await node.terminate()).toBe(0);
    node.start();
    await node.up();
    running.push(revisions(await node.service.nodes()));
  }
  expect(running).toEqual([
    { anna: 2, bert: 1 },
    { anna: 2, bert: 2 },
  ]);
  await world.flows(60_000);

  await world.stopFilling();
  await world.settled(150_000);
  const figures = await world.figures();
  for (const target of TARGETS) {
    const { input, effects, lost, duplicated } = figures[target];
    expect({ target, lost, duplicated, effects }).toEqual({ target, lost: 0, duplicated: 0, effects: input });
  }
  const status = await world.status();
  expect(status).toMatchObject({ deadLetters: 0, messages: { active: 0, dead: 0, delivered: figures.files.input } });
  expect(world.takeovers.length).toBeGreaterThanOrEqual(3);
  expect(Math.max(...world.takeovers.map(({ ms }) => ms))).toBeLessThan(MOST_TAKEOVER_MS);
  expect(world.all.flatMap((node) => node.errors())).toEqual([]);
}, 400_000);

/** Of the last life of each node; one that was killed a moment ago may still be listed. */
function revisions(nodes: readonly NodeStatus[]): Readonly<Record<string, number>> {
  return Object.fromEntries([...nodes].sort((a, b) => a.startedAt - b.startedAt).map(({ name, revision }) => [name, revision]));
}
