import type { CodeTable } from './code.js';

/** E2xx: types, expressions and mappings as they are checked when the configuration is loaded. */
export const expressionCodes = {
  E200: {
    title: 'the expression is no valid CEL',
    meaning: 'The expression could not be parsed at the marked place.',
    fix: 'Correct the marked place; text inside an expression needs quotes of its own.',
  },
} as const satisfies CodeTable;
