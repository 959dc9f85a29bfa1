import type { CodeTable } from './code.js';

/** E5xx: the bus itself: broker, store, runtime, commands. */
export const busCodes = {
  E500: {
    title: 'an unexpected error inside Signalbox',
    meaning: 'The error is none that an adapter or a route is expected to raise. The message was put into the dead letters with the stack.',
    fix: 'Report it with the output of `signalbox dlq show`; redeliver after an upgrade.',
  },
} as const satisfies CodeTable;
