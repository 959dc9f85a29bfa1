// Stand-ins for what the runtime gives an adapter, for tests.
import type { Clock, EndpointState, LogFields, Logger } from '../../adapters/contract/index.js';

export { systemClock as realClock } from '../../bus/runtime/clock.js';

/** Notes in memory; the map is open so that a test can look and prepare. */
export interface MemoryState extends EndpointState {
  readonly entries: Map<string, string>;
}

export function memoryState(): MemoryState {
  const entries = new Map<string, string>();
  return {
    entries,
    get: async (key) => entries.get(key),
    put: async (changes) => {
      for (const [key, value] of changes) {
        if (value === undefined) entries.delete(key);
        else entries.set(key, value);
      }
    },
    list: async (prefix, limit) => new Map([...entries].filter(([key]) => key.startsWith(prefix)).slice(0, limit)),
  };
}

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** Keeps every line, those of `with()` included. */
export interface RecordingLog extends Logger {
  readonly lines: LogLine[];
}

export function recordingLog(lines: LogLine[] = [], fixed: LogFields = {}): RecordingLog {
  const at = (level: LogLine['level']) => (event: string, message: string, fields?: LogFields) => {
    lines.push({ level, event, message, fields: { ...fixed, ...fields } });
  };
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), with: (fields) => recordingLog(lines, { ...fixed, ...fields }) };
}

/** Time that stands still until `advance` moves it; sleepers wake in order of their time. */
export interface HeldClock extends Clock {
  advance(ms: number): Promise<void>;
  /** Time passes and nobody wakes, as in a process that is stopped; sleepers that are due wake with the next `advance`. */
  jump(ms: number): void;
  /** Sets the wall clock; what is measured goes on. */
  set(wall: number): void;
  /** How many sleep now; for waiting until the code under test does. */
  readonly sleeping: number;
}

export function heldClock(start = '2026-03-01T08:00:00.000Z'): HeldClock {
  let origin = Date.parse(start);
  const sleepers = new Set<{ readonly due: number; readonly wake: () => void }>();
  let elapsed = 0;
  return {
    now: () => new Date(origin + elapsed),
    monotonic: () => elapsed,
    jump(ms) {
      elapsed += ms;
    },
    set(wall) {
      origin = wall - elapsed;
    },
    random: () => 0.5,
    get sleeping() {
      return sleepers.size;
    },
    sleep: (ms, signal) =>
      new Promise((done, fail) => {
        if (signal?.aborted) {
          fail(signal.reason);
          return;
        }
        const abort = () => {
          sleepers.delete(sleeper);
          fail(signal?.reason);
        };
        const sleeper = {
          due: elapsed + ms,
          wake: () => {
            sleepers.delete(sleeper);
            signal?.removeEventListener('abort', abort);
            done();
          },
        };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', abort, { once: true });
      }),
    async advance(ms) {
      const until = elapsed + ms;
      for (;;) {
        const next = [...sleepers].filter((sleeper) => sleeper.due <= until).sort((a, b) => a.due - b.due)[0];
        if (!next) break;
        elapsed = Math.max(elapsed, next.due);
        next.wake();
        await new Promise(setImmediate); // let what was woken run, so that it can sleep again within this step
      }
      elapsed = until;
    },
  };
}
