// One run in this process: what it reports, and what must not happen while it runs.
import type { Mutation } from './node.js';
import { type RunResult, World } from './world.js';

/** Runs one seed. Runs of one process must not overlap: they share its unhandled rejections and its timers. */
export async function simulate(seed: number, options: { readonly mutation?: Mutation; readonly print?: (line: string) => void } = {}): Promise<RunResult> {
  const world = new World(seed, options);
  const unhandled = (reason: unknown): void => world.context.violated(`unhandled rejection: ${Error.isError(reason) ? (reason as Error).stack : String(reason)}`);
  process.on('unhandledRejection', unhandled);
  const restore = guard((what) => world.context.violated(`the core used ${what} past its clock: ${new Error().stack?.split('\n').slice(3, 6).join(' < ')}`));
  try {
    return await world.run();
  } finally {
    restore();
    process.off('unhandledRejection', unhandled);
  }
}

/** Real time and real chance would make a run unrepeatable. @returns puts everything back */
function guard(caught: (what: string) => void): () => void {
  const { setTimeout, setInterval } = globalThis;
  const { random } = Math;
  const { now } = Date;
  const { timeout } = AbortSignal;
  const never = new AbortController().signal;
  Math.random = () => {
    caught('Math.random');
    return 0.5;
  };
  Date.now = () => {
    caught('Date.now');
    return 0;
  };
  AbortSignal.timeout = () => {
    caught('AbortSignal.timeout');
    return never;
  };
  const timer = (what: string) => (): undefined => {
    caught(what);
  };
  Object.assign(globalThis, { setTimeout: timer('setTimeout'), setInterval: timer('setInterval') });
  return () => {
    Math.random = random;
    Date.now = now;
    AbortSignal.timeout = timeout;
    Object.assign(globalThis, { setTimeout, setInterval });
  };
}
