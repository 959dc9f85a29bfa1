import type { CodeTable } from './code.js';

/** E5xx: the bus itself: broker, store, runtime, commands. */
export const busCodes = {
  E500: {
    title: 'an unexpected error inside Signalbox',
    meaning: 'The error is none that an adapter or a route is expected to raise. The message was put into the dead letters with the stack.',
    fix: 'Report it with the output of `signalbox dlq show`; redeliver after an upgrade.',
  },
  E501: {
    title: 'a message in a channel is none of Signalbox',
    meaning: 'Something else wrote into a queue of Signalbox, or the message was damaged. It was put into the dead letters as it is.',
    fix: 'Find the foreign publisher; give Signalbox a virtual host and user of its own.',
  },
  E502: {
    title: 'the message was handed out too often without an end',
    meaning: 'Handling this message ended with a crash or a lost connection several times. It was set aside so that the others can go on.',
    fix: 'Look at the log around the crashes; `signalbox dlq redeliver` hands it out again.',
  },
  E503: {
    title: 'the retry attempts are used up',
    meaning: 'The target answered with a passing failure at each attempt of the retry policy.',
    fix: 'Repair the target, then `signalbox dlq redeliver`; or allow more attempts under `retry:`.',
  },
  E504: {
    title: 'the bus did not take the message',
    meaning: 'The broker refused to store it, or could not be reached. The sender was not told that it was accepted.',
    fix: '`signalbox status` shows the state of the bus: connection, alarms, a channel at its limit.',
  },
  E505: {
    title: 'the message is larger than the bus takes',
    meaning: 'A payload above 16 MiB cannot be carried in one message. It was put into the dead letters.',
    fix: 'Split it in the route (`split:`), or map only what the target needs.',
  },
  E506: {
    title: 'no HTTP listener is configured',
    meaning: 'An endpoint wants to be called over HTTP, but this Signalbox does not listen.',
    fix: 'Add `listen: "127.0.0.1:8080"` to the settings, and TLS where it leaves the machine.',
  },
} as const satisfies CodeTable;
