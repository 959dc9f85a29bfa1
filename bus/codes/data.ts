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
  E340: {
    title: 'a CSV row is malformed',
    meaning: 'Quotes or the number of columns of the row do not fit. The row went to the dead letters; the rows around it went on.',
    fix: 'Correct the row at its source, or check delimiter and quote of the endpoint. The detail names file, line and column.',
  },
  E341: {
    title: 'the bytes are not text in the declared encoding',
    meaning: 'A byte sequence does not exist in the encoding the endpoint declares. Nothing was replaced or guessed.',
    fix: 'Declare the encoding the sender really uses (often windows-1252 where utf-8 is declared). The detail names the byte offset.',
  },
  E342: {
    title: 'a character does not exist in the target encoding',
    meaning: 'The text has a character the declared encoding cannot write. It is not replaced by a question mark.',
    fix: 'Map the character in the rule, or declare an encoding of the target that has it.',
  },
  E343: {
    title: 'a value is longer than its field',
    meaning: 'A fixed-width field has fewer bytes than the value needs. Nothing was cut.',
    fix: 'Shorten the value in the mapping, or correct the width of the field.',
  },
  E344: {
    title: 'a value does not have the form of its field',
    meaning: 'A number would lose digits, or a text is no number or no date of the declared form.',
    fix: 'Round or convert in the mapping where that is meant, or correct decimals, point or date of the field.',
  },
  E345: {
    title: 'a record is larger than allowed',
    meaning: 'One record of the input is longer than max_record; often a quote or a line end is missing. Its first bytes are in the dead letters.',
    fix: 'Correct the input, or raise max_record of the endpoint.',
  },
  E346: {
    title: 'the input is not the JSON that is expected',
    meaning: 'The text is no JSON (RFC 8259), or not the array, object or lines the endpoint declares.',
    fix: 'Correct the input, or set json: {as: document | lines | array} to what the sender writes.',
  },
  E347: {
    title: 'a fixed-width record has the wrong length',
    meaning: 'The record has more or fewer bytes than its fields declare.',
    fix: 'Compare the record with the declared fields; a wrong encoding shifts all fields after an umlaut.',
  },
  E348: {
    title: 'a value has no place in the target format',
    meaning: 'The payload has a field the format does not declare, or a list or record where the format takes plain values.',
    fix: 'Declare the column or field, or do not map it.',
  },
  E349: {
    title: 'the header of a CSV file cannot be used',
    meaning: 'A column name is missing, empty or there twice, so that values could not be told apart. No row of the file was read.',
    fix: 'Correct the header at the source, or declare header: false with columns.',
  },
  E350: {
    title: 'the file changed while it was read',
    meaning: 'Its content after a restart is not the content whose first records were already taken over.',
    fix: 'Let the sender write under a temporary name and rename, or raise stable. The file is in the error folder.',
  },
  E351: {
    title: 'a file is there with another content',
    meaning: 'A file of the same name exists at the target. It was not overwritten.',
    fix: 'Use a name with {id}, remove the other file, or set exists: replace.',
  },
  E352: {
    title: 'a file name is refused',
    meaning: 'The name made from the message has a path separator, a control character, a leading dot or is too long.',
    fix: 'Build the name from a field without such characters; the detail shows the name.',
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
