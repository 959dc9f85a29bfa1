import type { AdapterSpec } from './contract/index.js';
import rest from './rest/index.js';

/** The adapters that come with Signalbox. Others are packages, named in the configuration (`load.ts`). */
export const builtIn: readonly AdapterSpec[] = [rest];
