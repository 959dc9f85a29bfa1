// Runs its share of the seeds, one after the other.
import { parentPort, workerData } from 'node:worker_threads';
import { MUTATIONS } from './mutations.js';
import { simulate } from './simulate.js';

const REPEAT = 50;

const { from, until, mutation, keepGoing } = workerData as {
  readonly from: number;
  readonly until: number;
  readonly mutation: string | undefined;
  readonly keepGoing: boolean;
};
const broken = mutation === undefined ? undefined : MUTATIONS[mutation];
const options = broken ? { mutation: broken } : {};
for (let seed = from; seed < until; seed++) {
  const result = await simulate(seed, options);
  const violations = [...result.violations];
  // A run that cannot be repeated is no help: now and then one is.
  if (seed % REPEAT === 0 && (await simulate(seed, options)).digest !== result.digest) violations.push('the same seed ran in another way the second time');
  parentPort?.postMessage({ ...result, violations, last: violations.length === 0 ? [] : result.last });
  if (violations.length > 0 && !keepGoing) break;
}
