import { expect, test } from '@jest/globals';
import { Repeats } from '../../../bus/runtime/repeats.js';

test('a flood of one kind is five lines, and a count with the first line after the window; other kinds are not held back', () => {
  const repeats = new Repeats();
  const letter = { endpoint: 'accounting.invoices', code: 'E473' };
  const shown = Array.from({ length: 130 }, (_, at) => repeats.take('dead-letter', { ...letter, message_id: `m${at}` }, at)).filter(Boolean);
  expect(shown).toHaveLength(5);
  expect(repeats.take('dead-letter', { ...letter, code: 'E472' }, 200)).toEqual({ folded: 0 });
  expect(repeats.take('dead-letter', letter, 60_001)).toEqual({ folded: 125 });
  expect(repeats.take('dead-letter', letter, 60_002)).toEqual({ folded: 0 });
});
