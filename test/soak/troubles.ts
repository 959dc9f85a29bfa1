// What goes wrong in a soak: one trouble after the other, chosen by the seed.
import { setTimeout as sleep } from 'node:timers/promises';
import { kill } from '../adapters/sftp/kill.js';
import { stop } from '../e2e/run.js';
import type { FaultWorld, Place } from '../faults/world.js';
import type { Server } from '../services/servers.js';

/** A server of the world that may be killed. */
export type Servers = ReadonlyMap<Place, Server<unknown>>;

export interface Trouble {
  readonly name: string;
  /** Brings it, waits as long as it lasts, takes it away. */
  run(signal: AbortSignal): Promise<void>;
}

export interface Choice {
  readonly world: FaultWorld;
  readonly servers: Servers;
  readonly places: readonly Place[];
  /** Between 0 and 1, the next of the seed. */
  readonly random: () => number;
  /** The process under test may be killed now. */
  readonly mayKillProcess: boolean;
}

/** The next trouble. It takes the same number of random values whatever it is, so that a seed means the same on a slow machine. */
export function nextTrouble({ world, servers, places, random, mayKillProcess }: Choice): Trouble {
  const pick = <T>(list: readonly T[]): T => {
    const chosen = list[Math.floor(random() * list.length)];
    if (chosen === undefined) throw new Error('nothing to choose from');
    return chosen;
  };
  const place = pick(places);
  const kind = random();
  const holdMs = 1_000 + Math.floor(random() * 14_000);
  const again = 1 + Math.floor(random() * 5);
  const proxy = world.proxy(place);
  const hold = (name: string, begin: () => void): Trouble => ({
    name: `${name} ${Math.round(holdMs / 1000)} s`,
    run: async (signal) => {
      begin();
      await pause(holdMs, signal);
      proxy.heal();
    },
  });
  const repeat = (name: string, act: () => void): Trouble => ({
    name: `${name} x${again}`,
    run: async (signal) => {
      for (let time = 0; time < again && !signal.aborted; time++) {
        act();
        await pause(500, signal);
      }
    },
  });
  const at = ({ name, run }: Trouble): Trouble => ({ name: `${place}: ${name}`, run });
  if (kind < 0.08 && mayKillProcess) return killedProcess(world, holdMs / 5);
  const server = servers.get(place);
  if (kind < 0.2 && server) return at(killedServer(place, server, holdMs / 5));
  if (kind < 0.35) return at(repeat('connections cut', () => proxy.cut()));
  if (kind < 0.5) return at(repeat('connections reset', () => proxy.reset()));
  if (kind < 0.6) return at(repeat('half-open', () => proxy.halfOpen()));
  if (kind < 0.75) return at(hold('black hole', () => proxy.set({ hold: true })));
  if (kind < 0.85) return at(hold('answers swallowed', () => proxy.set({ hold: true }, 'down')));
  if (kind < 0.95) return at(hold('latency 200 ms', () => proxy.set({ latencyMs: 200 })));
  return at(hold('packets of 1 byte', () => proxy.set({ slice: 1 })));
}

export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined); // asked to end: the caller looks at its signal
}

function killedProcess(world: FaultWorld, downMs: number): Trouble {
  return {
    name: 'signalbox: SIGKILL and restart',
    run: async (signal) => {
      if (world.child) await stop(world.child, 'SIGKILL');
      await pause(downMs, signal);
      await world.launch();
    },
  };
}

function killedServer(place: Place, server: Server<unknown>, downMs: number): Trouble {
  return {
    name: 'SIGKILL and restart',
    run: async (signal) => {
      await (place === 'files' ? kill(server) : server.kill());
      await pause(downMs, signal);
      await server.restart();
    },
  };
}
