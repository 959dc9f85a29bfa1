import { token } from '../../adapters/contract/injection.js';
import type { Handler } from '../handler.js';
import type { Telemetry } from './telemetry.js';
import type { Traffic } from './traffic.js';

export const TELEMETRY = token<Telemetry>('Telemetry');
export const TRAFFIC = token<Traffic>('Traffic');
export const ROUTING = token<Routing>('Routing');
export const NODE = token<string>('Node');

/** The handler that routes now; a reload puts another one in its place. */
export interface Routing {
  handler: Handler;
}
