import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { kill } from '../adapters/sftp/kill.js';
import { until } from '../e2e/run.js';
import { record } from './results.js';
import type { FaultWorld, Place } from './world.js';

/** `faults=all` runs each fault at each system and holds it as long as a real one; otherwise a selection in which each of both occurs. */
export const isFull = process.env['SIGNALBOX_FAULTS'] === 'all';

/** Brings the trouble, keeps it up for a while, and takes it away. */
export type Fault = (world: FaultWorld, place: Place) => Promise<void>;

type Result = Extract<Parameters<typeof record>[0], { readonly kind: 'fault' }>;

/** What cannot be written is said in the log, once for each endpoint. */
const EXPLAINED: Readonly<Partial<Record<Result['place'], RegExp>>> = { store: /"event":"store-failed"/, disk: /./ };

const HOLD_MS = isFull ? 15_000 : 6_000;
const RECOVERY_MS = 60_000;
const MOST_MEGABYTES = 500;

async function repeated(act: () => void): Promise<void> {
  for (let time = 0; time < 5; time++) {
    act();
    await sleep(400);
  }
}

async function during(ms: number, begin: () => void, end: () => void): Promise<void> {
  begin();
  await sleep(ms);
  end();
}

/** Faults of the network and of the server's process, for every system. */
export const FAULTS = {
  'connections cut (FIN), 5 times': (world, place) => repeated(() => world.proxy(place).cut()),
  'connections reset (RST), 5 times': (world, place) => repeated(() => world.proxy(place).reset()),
  'black hole': (world, place) => {
    const proxy = world.proxy(place);
    return during(
      HOLD_MS,
      () => proxy.set({ hold: true }),
      () => proxy.heal(),
    );
  },
  'answers swallowed': (world, place) => {
    const proxy = world.proxy(place);
    return during(
      HOLD_MS,
      () => proxy.set({ hold: true }, 'down'),
      () => proxy.heal(),
    );
  },
  'half-open, 3 times': async (world, place) => {
    for (let time = 0; time < 3; time++) {
      world.proxy(place).halfOpen();
      await sleep(1_000);
    }
  },
  'latency 200 ms': (world, place) => {
    const proxy = world.proxy(place);
    return during(
      5_000,
      () => proxy.set({ latencyMs: 200 }),
      () => proxy.heal(),
    );
  },
  'packets of 1 byte': (world, place) => {
    const proxy = world.proxy(place);
    return during(
      4_000,
      () => proxy.set({ slice: 1 }),
      () => proxy.heal(),
    );
  },
  'restarted in order': async (world, place) => {
    if (!world.victim) throw new Error(`${place} is not ours to restart`);
    await world.victim.restart();
  },
  'SIGKILL and restart': async (world, place) => {
    const { victim } = world;
    if (!victim) throw new Error(`${place} is not ours to kill`);
    if (place === 'files') await kill(victim);
    else await victim.kill();
    await sleep(1_000);
    await victim.restart();
  },
} satisfies Record<string, Fault>;
export type FaultName = keyof typeof FAULTS;
/** They need a server of our own. */
export const TO_THE_SERVER: readonly FaultName[] = ['restarted in order', 'SIGKILL and restart'];

/** Signalbox itself stands still, while the world goes on: its connections and its lease are given up by the others. */
export const standStill: Fault = async (world) => {
  world.child?.kill('SIGSTOP');
  await sleep(isFull ? 60_000 : 10_000);
  world.child?.kill('SIGCONT');
};

export const killNode: Fault = async (world) => {
  for (let time = 0; time < (isFull ? 8 : 3); time++) {
    await sleep(Math.random() * 1_500);
    await world.killChild();
    await world.launch();
  }
};

/** Rows flow, the fault comes and goes while more follow, and in the end each row must have had one effect at each target. */
export async function round(world: FaultWorld, place: Result['place'], name: string, fault: Fault, rows = isFull ? 400 : 200): Promise<void> {
  world.newRound();
  const logged = world.log('error').length;
  const pid = world.child?.pid;
  await world.addRows(rows / 4);
  await until(async () => Object.values(await world.counts()).every((count) => count > 0), 'rows flow', 30_000);
  const flowing = (async () => {
    for (let part = 0; part < 15; part++) {
      await sleep(150);
      await world.addRows(rows / 20);
    }
  })();
  const watched = place === 'partner' || place === 'reports' ? place : 'files';
  const before = (await world.counts())[watched];
  await fault(world, place === 'node' || place === 'disk' ? 'bus' : place);
  const after = (await world.counts())[watched];
  const healed = performance.now();
  await flowing;
  let inverted: number | undefined;
  try {
    await world.settled(RECOVERY_MS);
  } finally {
    // Also of a round that fails.
    const recoveryMs = performance.now() - healed;
    const { lost, duplicated } = await tally(world);
    inverted = await world.inverted();
    record(
      {
        kind: 'fault',
        place,
        bus: world.bus,
        fault: name,
        rows: world.expected,
        deliveries: world.expected * 3,
        lost: lost.length,
        duplicated: duplicated.length,
        ...(inverted === undefined ? {} : { inverted }),
        unknown: 0,
        duringFault: after - before,
        recoveryMs,
        repeats: world.partner.repeats,
        megabytes: Math.round(world.peakMegabytes),
      },
      world.versions,
    );
  }
  expect({ ...(await tally(world)), inverted: inverted ?? 0 }).toEqual({ lost: [], duplicated: [], inverted: 0 });
  const status = await world.status();
  expect(status).toMatchObject({ deadLetters: 0, messages: { active: 0, dead: 0, delivered: world.added }, bus: { health: { connected: true } } });
  expect(world.child?.exitCode).toBeNull();
  if (place !== 'node') expect(world.child?.pid).toBe(pid);
  expect(
    world
      .log('error')
      .slice(logged)
      .filter((line) => !EXPLAINED[place]?.test(line)),
  ).toEqual([]);
  expect(world.peakMegabytes).toBeLessThan(MOST_MEGABYTES);
}

async function tally(world: FaultWorld): Promise<{ readonly lost: readonly string[]; readonly duplicated: readonly string[] }> {
  const arrived = Object.entries(await world.arrived());
  const lost = arrived.flatMap(([target, effects]) => world.wanted.filter((row) => !effects.has(row)).map((row) => `${target} ${row}`));
  const duplicated = arrived.flatMap(([target, effects]) => [...effects].filter(([, count]) => count > 1).map(([row, count]) => `${target} ${row}: ${count}`));
  return { lost, duplicated };
}
