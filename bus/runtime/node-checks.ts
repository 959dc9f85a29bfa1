// What this process and its machine have to be.
import { access, constants, readFile } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Clock } from '../../adapters/contract/services.js';
import { type Diagnosis, fine, notChecked, problem, warning } from '../diagnosis.js';
import { describe } from '../errors.js';

const NODE_MAJOR = 24;
const LEAST_FILES = 4_096;
const LEAST_HEAP = 256 * 1024 ** 2;
const LOOP_MS = 500;
const SLOW_LOOP_MS = 200;
/** A heartbeat of RabbitMQ. */
const STUCK_LOOP_MS = 10_000;
/** Before this program was written: the clock of a machine without battery starts in 1970 or 2000. */
const EARLIEST = Date.UTC(2026, 0, 1);

export async function diagnoseNode(stateDirectory: string, clock: Clock, signal: AbortSignal): Promise<readonly Diagnosis[]> {
  return [version(), await fileLimit(), memory(), wallClock(clock), ...(await writable(stateDirectory)), await eventLoop(clock, signal)];
}

function version(): Diagnosis {
  const found = `Node.js ${process.versions.node}`;
  if (Number(process.versions.node.split('.')[0]) === NODE_MAJOR) return fine('node.version', found);
  return warning('node.version', found, `Signalbox is tested with Node.js ${NODE_MAJOR}`, 'start it with the Node.js that `npm ci` brings: `cli/signalbox.sh`');
}

async function fileLimit(): Promise<Diagnosis> {
  const check = 'node.files';
  const fix = 'set `LimitNOFILE=65536` in the unit, or `ulimit -n 65536`';
  try {
    const [, soft = ''] = /^Max open files\s+(\S+)/m.exec(await readFile('/proc/self/limits', 'utf8')) ?? [];
    const limit = soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
    const found = `${soft} open files`;
    return limit < LEAST_FILES ? warning(check, found, 'each connection and each file under way is one; at the limit nothing can be opened', fix) : fine(check, found);
  } catch {
    // Only Linux tells a process its own limits in a file.
    return notChecked(check, 'the limit of open files cannot be asked for on this system', fix);
  }
}

function memory(): Diagnosis {
  const heap = getHeapStatistics().heap_size_limit;
  // Undefined, zero, or more than there is when no limit is set.
  const limit = process.constrainedMemory();
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`;
  const isLimited = limit > 0 && limit < 2 ** 50;
  const found = `heap up to ${megabytes(heap)}${isLimited ? ` of ${megabytes(limit)} the process may use` : ''}`;
  if (heap < LEAST_HEAP) return warning('node.memory', found, 'messages of up to 16 MiB are held in memory', 'remove `--max-old-space-size`, or give it 512 or more');
  if (isLimited && heap > limit)
    return warning(
      'node.memory',
      found,
      'the process is killed before it notices that memory is short',
      `\`NODE_OPTIONS=--max-old-space-size=${Math.floor((limit * 0.75) / 1024 ** 2)}\``,
    );
  return fine('node.memory', found);
}

function wallClock(clock: Clock): Diagnosis {
  const now = clock.now();
  const found = now.toISOString();
  if (now.getTime() >= EARLIEST) return fine('node.clock', found);
  return problem(
    'node.clock',
    found,
    'times of messages, schedules and certificates go by this clock',
    'set the clock, and let it follow a time server (`timedatectl set-ntp true`)',
  );
}

async function writable(directory: string): Promise<readonly Diagnosis[]> {
  try {
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    return [];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    return [problem('state.directory', describe(error), 'the service cannot store anything there', `give ${directory} to the user of the service`)];
  }
}

async function eventLoop(clock: Clock, signal: AbortSignal): Promise<Diagnosis> {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  await clock.sleep(LOOP_MS, signal);
  delay.disable();
  const worst = Math.max(0, delay.max / 1e6 - 10);
  const found = `late by up to ${Math.round(worst)} ms within ${LOOP_MS} ms`;
  if (worst < SLOW_LOOP_MS) return fine('node.event-loop', found);
  const why = 'everything waits meanwhile; after two heartbeats RabbitMQ cuts the connection';
  const fix = 'give the machine more processor time, or split large messages and files';
  return worst < STUCK_LOOP_MS ? warning('node.event-loop', found, why, fix) : problem('node.event-loop', found, why, fix);
}
