import { isIdempotent } from '../../../adapters/contract/spec.js';
import type { Bench } from './bench.js';
import type { AdapterHarness } from './harness.js';

/** One sentence every adapter must keep. */
export interface Scenario {
  readonly name: string;
  readonly applies: (harness: AdapterHarness) => boolean;
  readonly run: (bench: Bench) => Promise<void>;
}

export const always = () => true;
export const ifPolling = ({ spec }: AdapterHarness) => spec.read?.pattern === 'polling';
export const ifListening = ({ spec }: AdapterHarness) => spec.read?.pattern === 'listening';
export const ifOutbound = ({ spec }: AdapterHarness) => spec.write !== undefined;
export const ifIdempotent = ({ spec, outbound }: AdapterHarness) => spec.write !== undefined && isIdempotent(spec.write, spec.write.config.safeParse(outbound?.config()).data);
export const ifLosing = ({ outbound }: AdapterHarness) => outbound?.loseAnswer !== undefined;
export const ifVerifying = ({ spec, outbound }: AdapterHarness) => spec.write?.verifies?.(spec.write.config.safeParse(outbound?.config()).data) === true;
export const ifCallable = ({ spec }: AdapterHarness) => spec.call !== undefined;
export const ifConnecting = (harness: AdapterHarness) => ifPolling(harness) || ifOutbound(harness);
