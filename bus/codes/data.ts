import type { CodeTable } from './code.js';

/** E3xx: a message whose content does not fit, found while it is decoded, mapped, validated or encoded. */
export const dataCodes = {
  E300: {
    title: 'the input could not be decoded',
    meaning: 'The bytes are not what the endpoint is configured to read. They were kept in the dead letters.',
    fix: "Compare the input with the endpoint's format; `signalbox dlq show` has the original bytes.",
  },
  E320: {
    title: 'a place in a path template has no value',
    meaning: 'The file name or URL of the target is built from the message, and a part it needs is missing or empty.',
    fix: 'Map the field in the rule, or use a place that always has a value, such as {id}.',
  },
  E360: {
    title: 'the body of the request is not UTF-8',
    meaning: 'An authentic request carried bytes that are no UTF-8 text. It was accepted and set aside with its bytes, nothing was replaced.',
    fix: 'Ask the sender to send UTF-8; the bytes are in the dead letters.',
  },
  E361: {
    title: 'a value would change the structure of the request',
    meaning: 'A value of the message would become part of an address or header in a way that changes more than its own place.',
    fix: 'Correct the mapping or the data; a path segment cannot be `.` or `..` and holds no control characters.',
  },
  E362: {
    title: 'a parameter of the call is no text and no number',
    meaning: 'The parameters of a call become part of the address, so they are text, numbers or booleans.',
    fix: 'Give a plain value in the call.',
  },
} as const satisfies CodeTable;
