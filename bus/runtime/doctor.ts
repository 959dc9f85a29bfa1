import type { ProbeStep } from '../../adapters/contract/endpoint.js';
import type { Clock } from '../../adapters/contract/services.js';
import type { Broker, ChannelSpec } from '../broker.js';
import { type DiagnoseOptions, type Diagnosis, fine, problem } from '../diagnosis.js';
import { describe } from '../errors.js';
import type { Store } from '../store/contract.js';
import { diagnoseNode } from './node-checks.js';
import { testRetry } from './self-test.js';

export interface DoctorSubjects {
  readonly broker: Broker;
  readonly store: Store;
  readonly clock: Clock;
  readonly stateDirectory: string;
  readonly channels: readonly ChannelSpec[];
  /** Probes of the systems that are asked for, by name. */
  readonly systems: ReadonlyMap<string, (signal: AbortSignal) => Promise<readonly ProbeStep[]>>;
  /** Sends a message through the retry ladder; the bus must be open. */
  readonly selfTest: boolean;
  readonly integrity: boolean;
  /** What the watchdog knows; nothing when nothing runs. */
  readonly watched: readonly Diagnosis[];
}

const LIMIT_MS = 300_000;

/** Looks at everything the promises depend on. Never throws: a part that cannot be looked at is a problem among the others. */
export async function examine(subjects: DoctorSubjects): Promise<readonly Diagnosis[]> {
  const { broker, store, clock, channels, systems, selfTest, integrity, stateDirectory, watched } = subjects;
  const signal = AbortSignal.timeout(LIMIT_MS);
  const how: DiagnoseOptions = { integrity, signal };
  const parts = await Promise.all([
    guarded('node', () => diagnoseNode(stateDirectory, clock, signal)),
    guarded('bus', async () => (await broker.diagnose?.(channels, how)) ?? []),
    guarded('store', async () => (await store.diagnose?.(how)) ?? []),
    guarded('watchdog', async () => watched),
    guarded('bus.retry', async () => (selfTest ? [await testRetry(broker, clock, signal)] : [])),
    ...Array.from(systems, ([name, probe]) => guarded(`system.${name}`, async () => (await probe(signal)).map((step) => probed(name, step)))),
  ]);
  // Bus and store may share a directory, and both look at it.
  const seen = new Set<string>();
  return parts.flat().filter((diagnosis) => {
    const text = JSON.stringify(diagnosis);
    return !seen.has(text) && seen.add(text);
  });
}

function probed(system: string, { name, ok, detail, fix }: ProbeStep): Diagnosis {
  const check = `system.${system}`;
  if (ok) return fine(check, `${name}: ${detail}`);
  return problem(check, `${name}: ${detail}`, 'it cannot be read, or deliveries wait', fix ?? `\`signalbox systems test ${system}\``);
}

async function guarded(check: string, look: () => Promise<readonly Diagnosis[]>): Promise<readonly Diagnosis[]> {
  try {
    return await look();
  } catch (error) {
    return [problem(check, `the examination failed: ${describe(error)}`, 'what was not reached is not known', 'report it with the output of `signalbox doctor -o json`')];
  }
}
