import type { CodeTable } from './code.js';

/** E5xx: the bus itself: broker, store, runtime, commands. */
export const busCodes = {
  E500: {
    title: 'an unexpected error inside Signalbox',
    meaning: 'The error is none that an adapter or a route is expected to raise. The message was put into the dead letters with the stack.',
    fix: 'Report it with the output of `signalbox dlq show`; redeliver after an upgrade.',
  },
  E550: {
    title: 'no running Signalbox answers',
    meaning: 'The command talks to the running service over its admin socket, and nobody listens there.',
    fix: 'Start it with `signalbox run`, or point at the right one with `--config DIR` or `--socket FILE`.',
  },
  E551: {
    title: 'another Signalbox runs with this state directory',
    meaning: 'The admin socket of the state directory is answered by a running process. Two of them would read every source twice.',
    fix: 'Use the one that runs (`signalbox status`), stop it first, or give this one a state directory of its own.',
  },
  E552: {
    title: 'nothing has this name',
    meaning: 'The running configuration has no system, endpoint, route, message or dead letter of this name. Commands that change something want the exact name.',
    fix: 'Look the name up: `signalbox systems list`, `signalbox routes list`, `signalbox messages search`, `signalbox dlq list`.',
  },
  E553: {
    title: 'the admin API has no such call',
    meaning: 'The method and path are none that the running version answers.',
    fix: 'Use the command line of the version that runs; `signalbox status` names it.',
  },
  E554: {
    title: 'the request does not fit the call',
    meaning: 'A parameter or a member of the JSON body is missing, unknown or not of its form. Nothing was done.',
    fix: 'Correct what the message names.',
  },
  E555: {
    title: 'the admin socket cannot be made',
    meaning: 'The state directory is not writable, or its path is longer than the operating system allows for a socket (107 bytes on Linux).',
    fix: 'Correct owner and mode of the state directory, or choose a shorter path.',
  },
  E556: {
    title: 'the answer of the running Signalbox was not understood',
    meaning: 'The connection was cut, or the answer is not of the form this version of the command line expects. The request may have been carried out.',
    fix: 'Look at `signalbox status` and the log of the service; use the command line of the version that runs.',
  },
  E557: {
    title: 'the file is there already',
    meaning: '`signalbox init` writes a starting configuration and never overwrites a file. Nothing was written.',
    fix: 'Choose an empty directory.',
  },
  E558: {
    title: 'the command wants a confirmation',
    meaning: 'It would change more than one message, and there is no terminal to ask. Nothing was done.',
    fix: 'Look at the count and the sample, then run it again with `--yes`.',
  },
} as const satisfies CodeTable;
