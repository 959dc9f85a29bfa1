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
  E330: {
    title: 'a cell of the row cannot be read as its type',
    meaning: 'A value in the row has no exact form, such as NaN, or does not fit the type the configuration declares. The row was set aside, the rows around it went on.',
    fix: 'Correct the value in the source system, or declare another type for the column.',
  },
  E331: {
    title: 'the row breaks a constraint of the target table',
    meaning: 'A unique, foreign key or check constraint of the target refused the row.',
    fix: 'Compare the row with the constraint named in the message; for rows that may be there already use mode: upsert.',
  },
  E332: {
    title: 'a value does not fit the target column',
    meaning: 'The value is too long, out of range, missing, or of another type than the column.',
    fix: 'Change the mapping of the field named in the message.',
  },
  E333: {
    title: 'a number would lose digits',
    meaning: 'The target column keeps fewer digits than the value has. Nothing was rounded and nothing was written.',
    fix: 'Round in the mapping if that is right, or widen the column.',
  },
  E334: {
    title: 'a list or record cannot be written to a column',
    meaning: 'A column or parameter takes one value.',
    fix: 'Map single fields, or write the lines with a split.',
  },
  E335: {
    title: 'a parameter of the call does not fit its statement',
    meaning: 'The call gives no value for a parameter of the SQL, gives one it does not have, or the answer has more rows than allowed.',
    fix: 'Give exactly the parameters the SQL names with a colon, and narrow the statement.',
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
