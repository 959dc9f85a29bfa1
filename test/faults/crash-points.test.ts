// Every named moment (bus/failpoint.ts) is a place where the process is killed for once. What has come of everything is counted at the systems outside.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { describe as text } from '../../bus/errors.js';
import { FAILPOINTS, type Failpoint } from '../../bus/failpoint.js';
import { services } from '../services/services.js';
import { CrashWorld, PHASES, type Phase } from './crash-world.js';
import { isFull } from './faults.js';
import { MOMENTS_OF_UNKNOWN } from './forgetful-partner.js';
import { record } from './results.js';

/** `SIGNALBOX_FAULTS_ONLY=prune.done` repeats one that failed. */
const ONLY = process.env['SIGNALBOX_FAULTS_ONLY'];
const POINTS = (Object.keys(FAILPOINTS) as Failpoint[]).filter((point) => !MOMENTS_OF_UNKNOWN.includes(point) && (ONLY === undefined || ONLY.split(',').includes(point)));
const LANES = 2;
/** In the full run also later comings to the same moment, as far as there are any, and the same moment on the way of other inputs. */
const HITS = [1, 2, 4];
/** What commits all the time is killed when the inputs are on their way. */
const BUSY: Readonly<Partial<Record<Failpoint, number>>> = {
  'store.commit.before': 6,
  'store.commit.done': 8,
  'bus.commit.before': 3,
  'bus.commit.done': 4,
  'source.lease.held': 2,
};

interface Kill {
  readonly point: Failpoint;
  readonly phase: Phase;
  readonly hit: number;
}

const caches = mkdtempSync(join(tmpdir(), 'signalbox-cache-'));

/** They come once, some time after the start. */
const AFTER_START: readonly Failpoint[] = ['start.done', 'prune.before', 'prune.done'];

/** The phase whose moments are best killed in it comes first. */
const PREFERRED = [...PHASES.filter((phase) => phase !== 'start'), 'start'] as const;

/** Walks every phase once without a kill. @returns the phases in which each moment is reached, the best first, and how often there */
async function walk(world: CrashWorld): Promise<ReadonlyMap<Failpoint, readonly { readonly phase: Phase; readonly times: number }[]>> {
  const all = new Map<Phase, ReadonlyMap<string, number>>();
  for (const phase of PHASES) {
    world.reachedMoments();
    if (phase === 'start') await world.start();
    else {
      await world.put(phase);
      await world.settled();
      await world.operate(phase);
      await world.settled();
    }
    all.set(phase, world.reachedMoments());
  }
  return new Map(
    POINTS.map((point) => [
      point,
      PREFERRED.flatMap((phase) => {
        const times = all.get(phase)?.get(point);
        return times === undefined ? [] : [{ phase: AFTER_START.includes(point) ? 'start' : phase, times }];
      }),
    ]),
  );
}

/** @returns whether it came that often */
async function killAt(world: CrashWorld, { point, phase, hit }: Kill): Promise<boolean> {
  if (phase === 'start') {
    await world.stop();
    world.arm(point, hit);
    await world.start();
  } else world.arm(point, hit);
  const comesAfterAll = phase === 'redeliver' || phase === 'discard' || phase === 'release';
  const wasKilled = await world.dies([
    () => (phase === 'start' ? world.idle() : world.put(phase)),
    () => (comesAfterAll ? world.settled() : Promise.resolve()),
    () => world.operate(phase),
    () => world.settled(),
  ]);
  world.disarm();
  if (wasKilled) await world.start();
  if (phase === 'start') await world.put('table');
  await world.taken();
  // An operator acts on what is there: all of it, as when nothing was killed.
  if (wasKilled && comesAfterAll) await world.accepted();
  if (wasKilled) await world.operate(phase);
  await world.settled();
  return wasKilled;
}

async function lane(
  bus: () => string,
  kills: Kill[],
  begun: CrashWorld | undefined,
  found: { kills: number; inputs: number; deliveries: number; readonly failures: string[] },
): Promise<void> {
  let world = begun;
  try {
    for (let kill = kills.shift(); kill; kill = kills.shift()) {
      if (!world) {
        world = new CrashWorld({ bus: bus(), cache: caches });
        await world.prepare();
        await world.start();
      }
      try {
        if (await killAt(world, kill)) found.kills++;
        else if (kill.hit === 1) found.failures.push(`${kill.point}: was not reached; ${world.log.slice(-5).join('\n')}`);
      } catch (error) {
        found.failures.push(`${kill.point}:${kill.hit} in ${kill.phase}: ${text(error)}; ${world.problems().slice(0, 5).join('; ')}`);
        await world.close();
        world = undefined;
      }
    }
  } finally {
    found.inputs += world?.inputs ?? 0;
    found.deliveries += world?.deliveries ?? 0;
    await world?.close();
  }
}

/** @param bus the words of the configuration after `bus:`, for one world */
async function sweep(bus: () => string, name: string, isReachable: (point: Failpoint) => boolean): Promise<void> {
  const began = performance.now();
  const first = new CrashWorld({ bus: bus(), cache: caches });
  await first.prepare();
  const moments = await walk(first).catch(async (error: unknown) => {
    await first.close();
    throw error;
  });
  const points = POINTS.filter(isReachable);
  const never = points.filter((point) => moments.get(point)?.length === 0);
  const kills = points.flatMap((point): Kill[] => {
    const phases = moments.get(point) ?? [];
    if (isFull) return phases.slice(0, 3).flatMap(({ phase, times }, index) => HITS.filter((hit) => hit <= (index === 0 ? times : 1)).map((hit) => ({ point, phase, hit })));
    return phases.slice(0, 1).map(({ phase }) => ({ point, phase, hit: BUSY[point] ?? 1 }));
  });
  const found = { kills: 0, inputs: 0, deliveries: 0, failures: [] as string[] };
  await Promise.all(Array.from({ length: LANES }, (_, index) => lane(bus, kills, index === 0 ? first : undefined, found)));
  record({
    kind: 'run',
    section: 'crash points',
    name,
    command: 'npm run test:faults',
    times: found.kills,
    messages: found.inputs,
    deliveries: found.deliveries,
    lost: found.failures.length,
    duplicated: 0,
    unknown: 0,
    seconds: (performance.now() - began) / 1000,
    detail: `${points.length} moments`,
  });
  expect({ never, failures: found.failures }).toEqual({ never: [], failures: [] });
}

const embedded = (): string => 'embedded';

describe('a process that is killed at every moment that has a name', () => {
  afterAll(() => rmSync(caches, { recursive: true, force: true }));

  test('on the embedded bus: one effect for each input and target, one end, nothing left over', () => sweep(embedded, 'embedded bus, SQLite store', () => true), 1_800_000);

  if (isFull) {
    test('on RabbitMQ', async () => {
      const url = new URL((await services.rabbitmq()).url);
      // The configuration may not hold it; the process reads it from its environment.
      process.env['SIGNALBOX_SECRET_RABBITMQ'] = decodeURIComponent(url.password);
      let worlds = 0;
      const bus = () => `{urls: ["amqp://${url.username}:\${secret:rabbitmq}@${url.host}${url.pathname}"], prefix: crash-${process.pid}-${++worlds}}`;
      await sweep(bus, 'RabbitMQ, SQLite store', (point) => !point.startsWith('bus.commit.'));
    }, 1_800_000);
  }
});
