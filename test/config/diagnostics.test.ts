import { describe, expect, test } from '@jest/globals';
import { applyFixes, type Diagnostic, diagnosticsAsJson, diagnosticsForGithub, renderDiagnostics, summary } from '../../config/diagnostics.js';

const at = (text: Partial<Diagnostic>): Diagnostic => ({ severity: 'error', code: 'E106', file: 'a.yaml', line: 1, column: 1, length: 1, message: 'wrong', ...text });
const render = (diagnostics: readonly Diagnostic[], source: string, colour = false): string =>
  renderDiagnostics(diagnostics, new Map([['a.yaml', source]]), { colour, applied: { revision: 41 } });

describe('text', () => {
  test('has header, place, source, caret, help and the closing line', () => {
    const source = `${'\n'.repeat(54)}      country: {from: record.CTRYY, table: country}`;
    const problem = at({
      line: 55,
      column: 30,
      length: 5,
      message: 'unknown column `CTRYY` in legacy.orders',
      label: 'not in ORD_HEAD',
      help: 'did you mean `CTRY`?',
      note: 'known: ORD_NO CTRY',
    });
    expect(render([problem, at({ severity: 'warning', code: 'W101', file: '', line: 0, message: 'no place' })], source)).toBe(
      [
        'error[E106] unknown column `CTRYY` in legacy.orders',
        '  --> a.yaml:55:30',
        '55 |       country: {from: record.CTRYY, table: country}',
        '   |                              ^^^^^ not in ORD_HEAD',
        '   = help: did you mean `CTRY`?      known: ORD_NO CTRY',
        'warning[W101] no place',
        '1 error, 1 warning in 1 file. Nothing was applied; the running config is still revision 41.',
        '',
      ].join('\n'),
    );
  });

  test('carets stand under their text after tabs, wide characters and in long lines', () => {
    expect(render([at({ column: 4, length: 2 })], 'a\t: xy')).toContain('\n  |  \t ^^\n');
    expect(render([at({ column: 3, length: 1 })], '日本x')).toContain('\n  |     ^\n');
    const long = render([at({ column: 5001, length: 3 })], `${'y'.repeat(5000)}abc${'z'.repeat(5000)}`).split('\n');
    expect(long[2]?.length).toBeLessThan(180);
    expect(long[2]?.slice(long[3]?.indexOf('^'), (long[3]?.lastIndexOf('^') ?? 0) + 1)).toBe('abc');
  });

  test('control characters of the file never reach the terminal', () => {
    const text = render([at({ message: 'bad \u001b[31m', label: '\u202e' })], 'a: \u001b[2J\u009b0m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    expect(text).not.toMatch(/[\u001b\u009b\u202e]/);
  });

  test('colour only when asked', () => {
    expect(render([at({})], 'x')).not.toContain('\u001b');
    expect(render([at({})], 'x', true)).toContain('\u001b[31merror[E106]\u001b[0m');
  });

  test('closing line for each outcome', () => {
    expect(summary([], 9, undefined)).toBe('no problems in 9 files.');
    expect(summary([at({ severity: 'warning' })], 1, { revision: 3 })).toBe('1 warning in 1 file.');
    expect(summary([at({}), at({})], 2, undefined)).toBe('2 errors in 2 files. Nothing was applied.');
  });
});

test('JSON is the list itself', () => {
  expect(JSON.parse(diagnosticsAsJson([at({ fix: '"040"' })]))).toEqual([{ ...at({ fix: '"040"' }) }]);
});

test('GitHub workflow commands are escaped', () => {
  expect(diagnosticsForGithub([at({ file: 'a,b.yaml', message: '50% : off\n::error::x', length: 3 })], 'config/')).toBe(
    '::error file=config/a%2Cb.yaml,line=1,col=1,endColumn=4,title=E106::50%25 : off%0A::error::x\n',
  );
  expect(diagnosticsForGithub([at({ file: '', line: 0 })])).toBe('::error title=E106::wrong\n');
});

test('overlapping fixes are not both made', () => {
  expect(applyFixes('abcdef', [at({ column: 1, length: 4, fix: 'X' }), at({ column: 3, length: 2, fix: 'Y' })])).toBe('abYef');
});
