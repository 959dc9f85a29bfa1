import { token } from '../../adapters/contract/injection.js';
import type { Handler } from '../handler.js';
import type { LeaseTiming } from './lease.js';
import type { Telemetry } from './telemetry.js';
import type { Traffic } from './traffic.js';

export const TELEMETRY = token<Telemetry>('Telemetry');
export const TRAFFIC = token<Traffic>('Traffic');
export const ROUTING = token<Routing>('Routing');
/** Name of this process in the history and for people. */
export const NODE = token<string>('Node');
export const NODES = token<Nodes>('Nodes');

/** The handler that routes now; a reload puts another one in its place. */
export interface Routing {
  handler: Handler;
}

/** The processes that share the store and the bus. Values change while it runs: ask each time. */
export interface Nodes {
  /** In whose name this process takes leases: no two processes that share a store have the same. */
  readonly holder: string;
  readonly timing: LeaseTiming;
  /** How many share the work now, this one included: at least 1. May lag 20 s behind a crash. */
  liveNodes(): number;
  /** Name of another node that reads the source now, for people. */
  readerOf(source: string): string | undefined;
}
