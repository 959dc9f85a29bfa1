// Runs its share of the seeds, one after the other.
import { parentPort, workerData } from 'node:worker_threads';
import { MUTATIONS } from './mutations.js';
import { simulate } from './simulate.js';

const { from, until, step, mutation, keepGoing } = workerData as {
  readonly from: number;
  readonly until: number;
  readonly step: number;
  readonly mutation: string | undefined;
  readonly keepGoing: boolean;
};
const broken = mutation === undefined ? undefined : MUTATIONS[mutation];
for (let seed = from; seed < until; seed += step) {
  const result = await simulate(seed, broken ? { mutation: broken } : {});
  parentPort?.postMessage(result.violations.length === 0 ? { ...result, last: [] } : result);
  if (result.violations.length > 0 && !keepGoing) break;
}
