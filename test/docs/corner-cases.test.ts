import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { CASES, cornerCasesPage, testsOfCases } from './corner-cases.js';

const root = join(import.meta.dirname, '../../..');

describe('docs/reference/corner-cases.md', () => {
  test('is what `npm run generate` writes', () => {
    expect(readFileSync(join(root, 'docs/reference/corner-cases.md'), 'utf8')).toBe(cornerCasesPage(root));
  });

  test('no case is without a test, and no test has a number that is no case', () => {
    const tests = testsOfCases(root);
    expect([...CASES.keys()].filter((number) => !tests.has(number))).toEqual([]);
    expect([...tests.keys()].filter((number) => !CASES.has(number))).toEqual([]);
  });
});
