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
} as const satisfies CodeTable;
