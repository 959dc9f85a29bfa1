import type { CodeTable } from './code.js';

/** E3xx: a message whose content does not fit, found while it is decoded, mapped, validated or encoded. */
export const dataCodes = {
  E300: {
    title: 'the input could not be decoded',
    meaning: 'The bytes are not what the endpoint is configured to read. They were kept in the dead letters.',
    fix: "Compare the input with the endpoint's format; `signalbox dlq show` has the original bytes.",
  },
  E301: {
    title: 'a required field has no value',
    meaning: 'The type says the field is required, and the mapping gave nothing for it.',
    fix: 'Correct the input at its source, give a `default`, or make the field optional.',
  },
  E302: {
    title: 'the text is too long',
    meaning: 'The type limits the length of the field. Nothing is cut.',
    fix: 'Shorten it at the source, use substring(), or raise the length in the type.',
  },
  E303: {
    title: 'the number has too many digits',
    meaning: 'The type limits the digits of the field. Nothing is rounded.',
    fix: 'Use round(x, digits) if rounding is right, or raise the digits in the type.',
  },
  E304: {
    title: 'the text is no date of the expected form',
    meaning: 'It could not be read with the pattern, or is a day that does not exist.',
    fix: 'Correct the pattern after `date:`, or name the text for "no date" with `empty:`.',
  },
  E305: {
    title: 'the text is no number of the expected form',
    meaning: 'Digits, one mark for decimals and correct grouping are accepted; nothing is guessed.',
    fix: 'Say `decimal: comma` or `decimal: point`, or correct the input at its source.',
  },
  E306: {
    title: 'the value has the wrong type',
    meaning: 'The value cannot be put into the field of this type without guessing.',
    fix: 'Convert it in the mapping.',
  },
  E310: {
    title: 'a field is missing',
    meaning: 'The expression uses a field that this message does not have.',
    fix: 'Test it first: has(record.FIELD) ? record.FIELD : null; or correct the name.',
  },
  E311: {
    title: 'no row in the table',
    meaning: 'The value is not in the code list, and the list says `missing: fail`.',
    fix: 'Add the row to the table, then replay the message.',
  },
  E312: {
    title: 'a value is needed and there is none',
    meaning: 'The expression calculates or compares with a field that is null.',
    fix: 'Test it first: order.total != null && order.total > 0.',
  },
  E313: {
    title: 'the expression met a value of the wrong type',
    meaning: 'The field is not described by a type, and this message has something else in it than the expression expects.',
    fix: 'Convert it: text(x), integer(x), decimal(x); or describe the fields of the source.',
  },
  E314: {
    title: 'the number cannot be calculated',
    meaning: 'A division by zero, or a result with thousands of digits.',
    fix: 'Test the divisor first.',
  },
  E315: {
    title: 'too much data for an expression',
    meaning: 'A list has more than 10,000 elements, a text more than 1 MiB, or a text for rx() more than 64 KiB.',
    fix: 'Split the message before it is routed.',
  },
  E316: {
    title: 'the message does not fit its type',
    meaning: 'It entered with a type that is not declared, or with data that is not a record of that type.',
    fix: 'Correct the sender, or the type.',
  },
  E317: {
    title: 'no route subscribes to the type',
    meaning: 'The message is kept in the dead letters because no route wants it.',
    fix: 'Add a route with `subscribe`, then replay.',
  },
  E318: {
    title: 'no rule matched',
    meaning: 'No rule of the route wants the message, and `otherwise` sends it to the dead letters.',
    fix: 'Add a rule, or `otherwise: {to: drop}` if such messages are expected.',
  },
  E319: {
    title: 'two elements of a split have the same idempotency key',
    meaning: 'The target would take the second one for a repetition of the first and ignore it. It is kept in the dead letters instead.',
    fix: 'Make the key of each element different, for example with its line number.',
  },
  E320: {
    title: 'a place in a path template has no value',
    meaning: 'The file name or URL of the target is built from the message, and a part it needs is missing or empty.',
    fix: 'Map the field in the rule, or use a place that always has a value, such as {id}.',
  },
} as const satisfies CodeTable;
