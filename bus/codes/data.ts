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
  E326: {
    title: 'a time does not fit the zone of the column',
    meaning:
      'A time with a zone is for a column without one, or the other way round, and the configuration does not say in which zone the column is; or the local time is one that its clocks jump over or show twice.',
    fix: 'Set `zone` in `connect` to the time zone the application writes its local times in, or map the time to the form of the column.',
  },
  E327: {
    title: 'a time of day would be lost',
    meaning: 'The target column keeps a date alone, and the value has a time of day. Nothing was cut and nothing was written.',
    fix: 'Map the date: `date(...)` of the time in the zone that counts.',
  },
  E330: {
    title: 'a cell of the row cannot be read as its type',
    meaning:
      'A value in the row has no exact form, such as NaN or the date 0000-00-00, does not fit the type the configuration declares, is no text in its encoding, is a local time that does not exist, or is too large for a message and was not loaded. The row was set aside, the rows around it went on.',
    fix: 'Correct the value in the source system, declare another type for the column (`text` takes a date as it is), or leave the column out of `columns`.',
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
    fix: 'Map single fields, write lists to a child table with `include`, or write the lines with a split.',
  },
  E335: {
    title: 'a parameter of the call does not fit its statement',
    meaning: 'The call gives no value for a parameter of the SQL, gives one it does not have, or the answer has more rows than allowed.',
    fix: 'Give exactly the parameters the SQL names with a colon, and narrow the statement.',
  },
  E336: {
    title: 'the row to change is not there',
    meaning: 'The target has no row with the key of the message, and the mode is update.',
    fix: 'Use mode: upsert if the row may be missing, or `missing: ignore` if that is no error; otherwise replay the message when the row is there.',
  },
  E337: {
    title: 'a procedure or trigger of the database refused the row',
    meaning: 'Code in the database raised an error of its own for this row. The transaction of the row was undone.',
    fix: 'The message is the text of that code: correct the data, or the mapping, and replay.',
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
  E353: {
    title: 'the control totals of a file are wrong',
    meaning:
      'The number of records or a sum in the header or trailer is not what was read, or the header or trailer is missing. Without all_or_nothing its records were handed over.',
    fix: 'Ask the sender for the complete file; the detail has both numbers. With all_or_nothing: true nothing of such a file is handed over.',
  },
  E354: {
    title: 'a record has no place in the layout',
    meaning: 'No kind of record fits its discriminator, or it belongs below a record that is not there.',
    fix: 'Compare the record with `records` of the endpoint: the position and the values of `when`, and which record lists it under `children`.',
  },
  E355: {
    title: 'a field does not hold what the copybook says',
    meaning: 'The bytes of the field are no number of its PICTURE and USAGE, or no alternative of a REDEFINES fits. Nothing was guessed.',
    fix: 'Compare the bytes in the detail with the copybook: an old copybook, a wrong code page or a file that was converted as text on its way are the usual causes.',
  },
  E356: {
    title: 'the lengths between the records are wrong',
    meaning: 'A record or block descriptor word holds a length that cannot be. Nothing after it can be told apart, so the rest of the file was not read.',
    fix: 'Transfer the file in binary with its descriptor words, and check record_format of the endpoint.',
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
  E363: {
    title: 'the input is not the XML that is expected',
    meaning: 'The document is not well-formed XML 1.0, has a document type, or its root is another one. The records before the place were taken over.',
    fix: 'Correct the document at its source; the detail names file, line and column. Document types (DTD) and entities are never read.',
  },
  E364: {
    title: 'an element of the XML has no clear form',
    meaning: 'An element is repeated without being declared a list, has text beside elements, or its name is in two namespaces. Only this record failed.',
    fix: 'Add the path to xml: lists, or the namespace to xml: namespaces; the detail names file, line and column.',
  },
  E365: {
    title: 'the input is not the EDI interchange that is expected',
    meaning: 'A segment, a message or the envelope around it is broken, so that where it ends cannot be told for certain.',
    fix: 'Compare the file with its standard; the detail names the segment, its number and the byte it starts at.',
  },
  E366: {
    title: 'the control numbers or counts of an interchange do not fit',
    meaning: 'A count (segments, messages, groups) or a control number at the end differs from the one that was counted or given at the beginning: something is missing.',
    fix: 'Ask the sender for the complete interchange. The messages that fit were taken over; the rest is in the dead letters.',
  },
  E367: {
    title: 'the workbook cannot be read',
    meaning: 'The file is no .xlsx workbook, is protected by a password, has not the sheet or the header that is asked for, or is larger than allowed.',
    fix: 'Save it as .xlsx (Excel workbook) without a password, or correct sheet and header_row.',
  },
  E368: {
    title: 'a cell of the workbook has no value',
    meaning: 'The cell holds an error such as #N/A, or a date that does not exist. Only this row failed.',
    fix: 'Correct the cell or its formula; the detail names sheet and cell.',
  },
  E369: {
    title: 'the compressed data is damaged',
    meaning: 'The file ends too early, its checksum differs, or it is not of the declared kind. Nothing behind the damaged place was read.',
    fix: 'Let the sender send it again, and under a temporary name until it is complete.',
  },
  E370: {
    title: 'the archive is refused',
    meaning:
      'It has more entries or bytes than allowed, grows more than 100 times, or has an entry that is encrypted, a link, there twice, an archive itself, or named to lead elsewhere. Such archives are made to do harm.',
    fix: 'Have a look at it by hand. Raise the limit under compression only when the sender really needs it.',
  },
  E371: {
    title: 'the file cannot be decrypted, or its signature is not accepted',
    meaning: 'It is not encrypted for the key, was changed, or has no valid signature of a configured key. Nothing of it was taken over.',
    fix: 'Check with the sender which keys were used; the detail names the key. Never read the file without verifying instead.',
  },
  E372: {
    title: 'the OpenPGP key cannot be used',
    meaning:
      'The key is no OpenPGP key of the expected kind, cannot do what it is configured for, is expired or revoked, or its passphrase is wrong. The endpoint stops; no file is touched, and messages wait.',
    fix: 'Export it with gpg --armor --export (or --export-secret-keys) and check the passphrase and the expiry date.',
  },
  E373: {
    title: 'the file needs more room than allowed',
    meaning: 'To read it, its content has to be kept beside it first, and it has more bytes than max_size.',
    fix: 'Raise max_size, and see that the folder for temporary files (TMPDIR) has room for it.',
  },
} as const satisfies CodeTable;
