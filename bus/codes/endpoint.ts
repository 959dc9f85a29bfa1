import type { CodeTable } from './code.js';

/** E4xx: talking to a system outside: connections, credentials, answers. */
export const endpointCodes = {
  E400: {
    title: 'the system cannot be reached',
    meaning: 'No connection could be made, or it was lost. Messages for it wait; nothing is dropped.',
    fix: 'Check host, port and network; `signalbox systems test <name>` goes through the steps.',
  },
} as const satisfies CodeTable;
