import type { CodeTable } from './code.js';

/** E1xx errors and W0xx/W1xx warnings of the configuration: files, names, references. */
export const configCodes = {
  E100: {
    title: 'the file is no valid YAML',
    meaning: 'The YAML 1.2 parser stopped at this place. Nothing of the file can be used.',
    fix: 'Correct the marked place; text that holds `: `, `#` or a ternary needs quotes.',
  },
  E101: {
    title: 'the file cannot be read as text',
    meaning: 'Configuration files are UTF-8 text without a byte order mark and without NUL. Nothing is guessed about another encoding.',
    fix: 'Save the file as UTF-8 without BOM, and check that the service user may read it.',
  },
  E102: {
    title: 'the file is too large or nested too deeply',
    meaning: 'A file may have 5 MB, about 100,000 values and 64 levels. More is never written by hand, and would make a reload slow.',
    fix: 'Split the file; put long code lists into CSV files.',
  },
  E103: {
    title: 'the same key twice',
    meaning: 'One of the two values would be lost without a word. YAML forbids it, and so do we.',
    fix: 'Remove or rename one of the two.',
  },
  E104: {
    title: 'unknown key',
    meaning: 'The key is none that is known at this place. It would have no effect, which is never what was meant.',
    fix: 'Take the suggested key, or remove it.',
  },
  E105: {
    title: 'a feature of YAML that is not used here',
    meaning: 'Anchors, aliases, merge keys, tags, directives and several documents in a file hide what a configuration says, and are refused.',
    fix: 'Write the value out.',
  },
  E106: {
    title: 'the value does not fit',
    meaning: 'The value has another type or form than the option takes. Nothing is converted silently.',
    fix: 'Write the value in the form the message names.',
  },
  E107: {
    title: 'a required key is missing',
    meaning: 'There is no sensible default for this option.',
    fix: 'Add the key.',
  },
  E108: {
    title: 'the same name in two places',
    meaning: 'All files of the directory are one configuration, so a name may be given only once.',
    fix: 'Rename or remove one of the two.',
  },
  E109: {
    title: 'unknown adapter',
    meaning: 'No adapter of this name comes with Signalbox or with a package listed under `adapters`.',
    fix: 'Take the suggested name, or list the package that brings the adapter under `adapters`.',
  },
  E110: {
    title: 'the name cannot be used',
    meaning: 'Names of systems and endpoints are words in commands, channels and expressions.',
    fix: 'Use letters, digits, `-` and `_`, beginning with a letter, at most 63.',
  },
  E111: {
    title: 'the environment variable is not set',
    meaning: '`${NAME}` is replaced when the configuration is loaded. An unset variable is never taken as empty text.',
    fix: 'Set the variable for the service, or write the value into the file.',
  },
  E112: {
    title: 'the reference is malformed',
    meaning: 'Only `${NAME}` (environment) and `${secret:name}` are references. `$${` writes a plain `${`.',
    fix: 'Correct the reference, or write `$${` when the text is meant as it is.',
  },
  E113: {
    title: 'a secret in plain text',
    meaning: 'The option takes a secret, and files of the configuration are copied, committed and shown. The value is not repeated here.',
    fix: 'Store the value as a secret and refer to it with `${secret:name}`; change it if the file was shared.',
  },
  E114: {
    title: 'a secret where none may stand',
    meaning: 'The option is shown in logs, the console or the history, so it cannot hold a secret.',
    fix: 'Refer to secrets only in options made for them.',
  },
  E115: {
    title: 'the secret does not exist',
    meaning: 'No provider has a secret of this name: not the systemd credentials, not the secrets directory, not the environment.',
    fix: 'Create it: `LoadCredential=` in the unit, or a file `secrets/<name>` with mode 0600.',
  },
  E116: {
    title: 'the file of the secret is not safe',
    meaning: 'A file with a secret must be a plain file, readable by its owner only, owned by the service user or root.',
    fix: '`chmod 0600` the file and give it to the service user; replace a link by the file.',
  },
  E117: {
    title: 'the secret is too short',
    meaning: 'A value of fewer than 5 characters protects nothing, and masking it would mask half of every log.',
    fix: 'Check the file: is it empty? Otherwise choose a longer secret.',
  },
  E118: {
    title: 'the options do not go together',
    meaning: 'Each option is fine by itself, but the adapter cannot work with this combination.',
    fix: 'Follow the message.',
  },
  E119: {
    title: 'the adapter cannot do this',
    meaning: 'Not every adapter can read, write and be called.',
    fix: 'Remove the part, or take an adapter that can do it.',
  },
  E120: {
    title: 'the table cannot be loaded',
    meaning: 'The CSV file of the code list is missing, malformed, or has a key twice.',
    fix: 'Correct the file; it is UTF-8 with a header line, separated by commas or semicolons.',
  },
  E121: {
    title: 'the sample of a test cannot be loaded',
    meaning: 'The file with the recorded input is missing or is no JSON record.',
    fix: 'Correct the path; record a sample with `signalbox messages save`.',
  },
  E122: {
    title: 'an open listener without TLS',
    meaning: 'The address can be reached from other machines, and what is sent there (tokens, payloads) could be read on the way.',
    fix: 'Listen at 127.0.0.1 behind a proxy, or give `tls` with certificate and key.',
  },
  E123: {
    title: 'the file is outside the configuration directory',
    meaning: 'A configuration reads files below its own directory only, so that it can be copied, reviewed and rolled back as a whole.',
    fix: 'Move the file into the directory, and give the path relative to it.',
  },
  E124: {
    title: 'no configuration',
    meaning: 'The directory does not exist, cannot be read, or holds no YAML file.',
    fix: 'Give the right directory, or start with `signalbox init`.',
  },
  E125: {
    title: 'the adapter package cannot be loaded',
    meaning: 'A package listed under `adapters` is not installed, or was built for another version of Signalbox.',
    fix: 'Install the package beside Signalbox, in a version that fits.',
  },
  E126: {
    title: 'it cannot be imported like this',
    meaning: 'What was asked of `signalbox import` does not fit what the table, or the sample, has.',
    fix: 'Leave the option out, and what fits best is proposed.',
  },
  E127: {
    title: 'the sample tells too little',
    meaning: 'The layout of a file is inferred from a sample: it needs a few whole records of the kind that will come.',
    fix: 'Give a larger or another sample, or write the endpoint by hand.',
  },
  E128: {
    title: 'the system does not tell what it has',
    meaning: 'Only adapters of databases describe their tables.',
    fix: 'For files give a sample: `signalbox import csv`, `fixed`, `copybook`, `xml`, `edi`.',
  },
  E129: {
    title: 'it is there already',
    meaning: 'An import writes new files only, and adds endpoints that nobody has.',
    fix: 'Choose another name with `--endpoint`, or remove what is there.',
  },
  E190: {
    title: '`on_unknown` has no effect here',
    meaning: 'The adapter writes the id of each delivery into the target together with its effect, so that a repetition is always recognised.',
    fix: 'Remove `on_unknown`.',
  },
  E191: {
    title: 'the endpoint cannot verify',
    meaning: '`on_unknown: verify` asks the target whether it has a delivery. The adapter, or this endpoint of it, does not say how.',
    fix: 'Say how (for `rest`: `verify: {path: ..., done: 200, not_done: 404}`), or take `park`.',
  },
  W021: {
    title: 'leading zero lost',
    meaning: 'YAML reads 040 as the number 40; codes and customer numbers lose their zeros that way.',
    fix: 'Quote it: "040". `signalbox check --fix` does it.',
  },
  W022: {
    title: 'other tools misread this word',
    meaning: 'YAML 1.1 tools read NO, on, off and yes as true or false, and 12:30 as 750. Here they are text.',
    fix: 'Quote it. `signalbox check --fix` does it.',
  },
  W100: {
    title: 'a secret from the environment',
    meaning: 'The environment of a process is inherited by its children and visible in crash reports. Fine for a trial, not for production.',
    fix: 'Use a systemd credential or a file with mode 0600.',
  },
  W101: {
    title: 'a doubtful combination of options',
    meaning: 'The adapter can work like this, but it is seldom what is wanted.',
    fix: 'Follow the message, or leave it if it is meant.',
  },
  W190: {
    title: 'a delivery may have a second effect',
    meaning: 'When the answer of the target is lost, the delivery is sent again, and nothing in the request lets the target recognise it.',
    fix: 'Take `on_unknown: verify` or `park`, or make the request repeatable. Leave it if a second effect does no harm.',
  },
} as const satisfies CodeTable;
