import type { CodeTable } from './code.js';

/** E1xx errors and W0xx/W1xx warnings of the configuration: files, names, references. */
export const configCodes = {
  E100: {
    title: 'the file is no valid YAML',
    meaning: 'The YAML 1.2 parser stopped at this place. Nothing of the file can be used.',
    fix: 'Correct the marked place; text that holds `: `, `#` or a ternary needs quotes.',
  },
} as const satisfies CodeTable;
