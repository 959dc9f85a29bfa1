// npm run simulate -- --seeds 5000 [--from 1] | --seed 1234 [--verbose] | --mutations
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { record } from '../faults/results.js';
import { MUTATIONS } from './mutations.js';
import { simulate } from './simulate.js';
import type { RunResult } from './world.js';

/** What a process that crashed waits for is never let go of by Node, so a thread does not live long. */
const CHUNK = 100;

// Whoever reads the trace may have seen enough.
process.stdout.on('error', () => process.exit());

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    mutation: { type: 'string' },
    mutations: { type: 'boolean', default: false },
    workers: { type: 'string', default: '2' },
    'keep-going': { type: 'boolean', default: false },
  },
});

const mutation = values.mutation === undefined ? undefined : MUTATIONS[values.mutation];
if (values.mutation !== undefined && !mutation) throw new Error(`there is no mutation ${values.mutation}: ${Object.keys(MUTATIONS).join(', ')}`);

if (values.mutations) {
  process.exitCode = await findAll(Number(values.seeds));
} else if (values.seed !== undefined) {
  const print = values.verbose ? (line: string): void => void process.stdout.write(`${line}\n`) : undefined;
  const result = await simulate(Number(values.seed), { ...(mutation ? { mutation } : {}), ...(print ? { print } : {}) });
  if (result.violations.length > 0) report(result);
  process.stdout.write(`seed ${result.seed}: ${result.violations.length === 0 ? 'good' : 'BROKEN'}, ${result.inputs} inputs, ${result.steps} steps, trace ${result.digest}\n`);
  process.exitCode = result.violations.length === 0 ? 0 : 1;
} else {
  process.exitCode = await many(Number(values.from), Number(values.seeds), Number(values.workers));
}

/** Whether each mutation is found. @returns the exit code */
async function findAll(most: number): Promise<number> {
  let missed = 0;
  for (const [name, broken] of Object.entries(MUTATIONS)) {
    let found: RunResult | undefined;
    for (let seed = 1; seed <= most && !found; seed++) {
      const result = await simulate(seed, { mutation: broken });
      if (result.violations.length > 0) found = result;
    }
    if (!found) missed++;
    process.stdout.write(`${name}: ${found ? `found with seed ${found.seed}: ${found.violations[0]}` : `NOT FOUND within ${most} seeds`}\n`);
  }
  return missed === 0 ? 0 : 1;
}

/** @returns the exit code */
async function many(from: number, count: number, workers: number): Promise<number> {
  const started = performance.now();
  let done = 0;
  let steps = 0;
  let inputs = 0;
  let effects = 0;
  let longest = 0;
  const broken: RunResult[] = [];
  const take = (result: RunResult): void => {
    done++;
    steps += result.steps;
    inputs += result.inputs;
    effects += result.effects;
    longest = Math.max(longest, result.recoveryMs);
    if (result.violations.length === 0) return;
    broken.push(result);
    if (broken.length === 1 || values['keep-going']) report(result, !values['keep-going']);
  };
  let next = from;
  const work = async (): Promise<void> => {
    while (next < from + count && (broken.length === 0 || values['keep-going'])) {
      const first = next;
      next = Math.min(from + count, first + CHUNK);
      await inThread(first, next, take);
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  const seconds = (performance.now() - started) / 1000;
  const figures = `${done} seeds in ${seconds.toFixed(1)} s, ${inputs} inputs, ${steps} steps, longest recovery ${Math.round(longest / 1000)} s (virtual)`;
  process.stdout.write(`${broken.length === 0 ? 'good' : `${broken.length} BROKEN`}: ${figures}\n`);
  record({
    kind: 'run',
    section: 'simulation',
    name: 'the core with one or two nodes, in virtual time',
    command: `npm run simulate -- --from ${from} --seeds ${count}`,
    times: done,
    messages: inputs,
    deliveries: effects,
    lost: broken.length,
    duplicated: 0,
    unknown: 0,
    seconds,
    detail: `${steps} steps, recovery after at most ${Math.round(longest / 1000)} s of virtual time; a seed that breaks any rule counts as lost`,
  });
  return broken.length === 0 && done === count ? 0 : 1;
}

function inThread(from: number, until: number, take: (result: RunResult) => void): Promise<void> {
  const workerData = { from, until, mutation: values.mutation, keepGoing: values['keep-going'] };
  const worker = new Worker(new URL('./simulation-worker.js', import.meta.url), { workerData });
  worker.on('message', take);
  return new Promise((resolve, reject) => {
    worker.on('error', reject);
    worker.on('exit', () => resolve());
  });
}

function report({ seed, violations, last }: RunResult, full = true): void {
  const more = values.mutation === undefined ? '' : ` --mutation '${values.mutation}'`;
  const lines = full ? [...last.map((line) => `    ${line}`), ''] : [];
  process.stdout.write(
    `${[`seed ${seed} is BROKEN:`, ...violations.map((one) => `  - ${one}`), ...lines].join('\n')}\n  replay: npm run simulate -- --seed ${seed} --verbose${more}\n\n`,
  );
}
