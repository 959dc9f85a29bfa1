import type { CodeTable } from './code.js';

/** E2xx errors and W2xx warnings: types, expressions, mappings and routes as they are checked when the configuration is loaded. */
export const expressionCodes = {
  E200: {
    title: 'the expression is no valid CEL',
    meaning: 'The expression could not be parsed at the marked place.',
    fix: 'Correct the marked place; text inside an expression needs quotes of its own.',
  },
  E201: {
    title: 'the expression is too large',
    meaning: 'An expression has at most 400 parts, 24 levels, and no exists, all, filter or map inside another one, so that no message can make it slow.',
    fix: 'Split it over several rules or fields, or use a table for long lists of values.',
  },
  E202: {
    title: 'matches() is not available',
    meaning: 'Its regular expressions can take minutes on a text made for it.',
    fix: 'Use rx(text, "pattern"), which has the syntax of RE2 and takes time in proportion to the text.',
  },
  E203: {
    title: 'the pattern of rx() is not usable',
    meaning: 'The pattern must be a text literal in RE2 syntax of at most 1,000 characters: it is compiled once, when the configuration is loaded.',
    fix: 'Write the pattern as a literal; look-around and back-references do not exist in RE2.',
  },
  E204: {
    title: 'unknown function, or wrong number of arguments',
    meaning: 'The function does not exist, or is called with fewer or more arguments than it has.',
    fix: 'Use one of the functions listed with the problem.',
  },
  E205: {
    title: 'an argument has the wrong type',
    meaning: 'The function does not take a value of this type.',
    fix: 'Convert it first: text(x), integer(x), decimal(x), date(x).',
  },
  E210: {
    title: 'unknown variable',
    meaning: 'The expression names something that does not exist in its place.',
    fix: 'Use one of the known names; text needs quotes.',
  },
  E211: {
    title: 'unknown field',
    meaning: 'The type or the columns are known, and this field is not among them.',
    fix: 'Correct the name; if the table or the type has changed, read it in again.',
  },
  E212: {
    title: 'a comparison of two different types',
    meaning: 'Values of these types are never equal, so the comparison cannot mean what it says.',
    fix: 'Remove or add the quotes, or convert one side: text(x), decimal(x), date(x).',
  },
  E213: {
    title: 'the operator does not exist for these types',
    meaning: 'For example, text and a number cannot be added.',
    fix: 'Convert one side: text(x), integer(x), decimal(x).',
  },
  E214: {
    title: 'the expression has the wrong type',
    meaning: 'A condition must be true or false, `each` must be a list, a key must be text or a number.',
    fix: 'Compare the value with something, or use a field of the right type.',
  },
  E215: {
    title: 'a part of CEL that Signalbox does not have',
    meaning: 'Unsigned numbers, byte literals and optional values are left out.',
    fix: 'Write plain numbers and texts.',
  },
  E220: {
    title: 'the type of a field is not understood',
    meaning: 'A field is described by words: `required text 8`, `decimal 12.2`, `integer`, `boolean`, `date`, `timestamp`, `list of Line`, or the name of a type.',
    fix: 'Use these words in this order.',
  },
  E221: {
    title: 'unknown type',
    meaning: 'No type of this name is declared under `types:`.',
    fix: 'Declare the type, or correct the name.',
  },
  E230: {
    title: 'unknown target field',
    meaning: 'The type, or the target, has no field of this name.',
    fix: 'Correct the name; the known fields are listed with the problem.',
  },
  E231: {
    title: 'a required field is not mapped',
    meaning: 'Every message would be refused, because the field can never have a value.',
    fix: 'Map the field, or make it optional in the type.',
  },
  E232: {
    title: 'parts of a mapping that do not go together',
    meaning: 'A field has `from` with conversions, or `each` with `map`, or `map` alone for a nested record.',
    fix: 'Remove one of the parts.',
  },
  E233: {
    title: 'unknown table',
    meaning: 'No table of this name is declared under `tables:`.',
    fix: 'Declare the table, or correct the name.',
  },
  E234: {
    title: 'the date pattern is not usable',
    meaning: 'A pattern is made of yyyy, MM, dd, HH, mm, ss and the characters between them.',
    fix: 'Write the pattern like yyyyMMdd or dd.MM.yyyy.',
  },
  E235: {
    title: 'the value does not fit the target field',
    meaning: 'A value of this type can never become the type of the field.',
    fix: 'Map another field, or convert the value.',
  },
  E240: {
    title: 'unknown endpoint',
    meaning: 'No system has an endpoint of this name that can be used here.',
    fix: 'Declare it under `read:` or `write:` of its system, or correct the name.',
  },
  E241: {
    title: 'two rules have the same name',
    meaning: 'Deliveries are identified by route and rule, so each rule of a route needs a name of its own.',
    fix: 'Rename one of them.',
  },
  E242: {
    title: 'the name is taken',
    meaning: 'An element of a list cannot have the name of a variable that exists in its place.',
    fix: 'Choose another name with `as`.',
  },
  W200: {
    title: 'the rule can never fire',
    meaning: 'With `match: first`, a rule above it takes every message.',
    fix: 'Move the rule up, or give the rule above a condition.',
  },
  W201: {
    title: 'nobody subscribes to the type',
    meaning: 'Its messages end in the dead letters, because no route wants them.',
    fix: 'Add a route with `subscribe`, or remove the one that publishes.',
  },
  W202: {
    title: 'the table is not used',
    meaning: 'No mapping looks anything up in it.',
    fix: 'Remove it, or use it with `table:`.',
  },
  W203: {
    title: '`otherwise` can never happen',
    meaning: 'A rule without `when` takes every message.',
    fix: 'Remove `otherwise`, or give the rule a condition.',
  },
  W204: {
    title: 'no route reads an inbound endpoint',
    meaning: 'What such an endpoint has could go nowhere, so it is not read, and callers of a webhook are told to come again.',
    fix: 'Add an inbound route with `from:` and the name of the endpoint, or remove the endpoint.',
  },
} as const satisfies CodeTable;
