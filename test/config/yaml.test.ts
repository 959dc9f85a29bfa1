import { describe, expect, test } from '@jest/globals';
import { applyFixes, renderDiagnostics } from '../../config/diagnostics.js';
import { exactValue, find, type Path, type ScalarNode, spanInside } from '../../config/tree.js';
import { type ParsedFile, parseYaml } from '../../config/yaml.js';

const parse = (text: string): ParsedFile => parseYaml('f.yaml', new TextEncoder().encode(text));
const values = (text: string): unknown => {
  const { root } = parse(text);
  return root && JSON.parse(JSON.stringify(exactValue(root), (_, value: unknown) => (typeof value === 'bigint' ? `int ${value}` : value)));
};
const codes = (text: string): string[] => parse(text).diagnostics.map(({ code, line, column, length }) => `${code} ${line}:${column}+${length}`);

describe('values', () => {
  test('are read as YAML 1.2 core, with all digits', () => {
    const text = 'a: 1.10\nb: 9007199254740993\nc: 1e3\nd: yes\ne: ~\nf: "040"\ng: 0o17\nh: 12:30:00\ni: 1.23456789012345678901\nj: true\nk:';
    const expected = {
      a: '1.10',
      b: 'int 9007199254740993',
      c: 'int 1000',
      d: 'yes',
      e: null,
      f: '040',
      g: 'int 15',
      h: '12:30:00',
      i: '1.23456789012345678901',
      j: true,
      k: null,
    };
    expect(values(text)).toEqual(expected);
  });

  test('an empty file and one with comments only have no content and no problem', () => {
    expect(parse('').root).toBeUndefined();
    expect(parse('# nothing\n---\n').diagnostics).toEqual([]);
  });
});

describe('warnings', () => {
  test('W021 for a lost leading zero, W022 for words other tools misread, with their fixes', () => {
    const text = 'rows:\n  040: AT\n  code: 007\n  country: NO\n  time: 12:30\n  fine: ["040", 0, 10, none]\n';
    const { diagnostics } = parse(text);
    expect(codes(text)).toEqual(['W021 2:3+3', 'W021 3:9+3', 'W022 4:12+2', 'W022 5:9+5']);
    const fixed = applyFixes(text, diagnostics);
    expect(fixed).toBe('rows:\n  "040": AT\n  code: "007"\n  country: "NO"\n  time: "12:30"\n  fine: ["040", 0, 10, none]\n');
    expect(applyFixes(fixed, parse(fixed).diagnostics)).toBe(fixed);
    const [first] = renderDiagnostics(diagnostics, new Map([['f.yaml', text]]), { colour: false, applied: undefined }).split('\nwarning');
    expect(first).toBe('warning[W021] leading zero lost: YAML reads 040 as the number 40\n --> f.yaml:2:3      = fix: "040"   (signalbox check --fix does it)');
  });

  test('several fixes in one line', () => {
    const text = 'a: [01, 02, on, 003]';
    expect(applyFixes(text, parse(text).diagnostics)).toBe('a: ["01", "02", "on", "003"]');
  });
});

describe('syntax', () => {
  test('an unquoted ternary gets the quoted text as help', () => {
    const [problem] = parse('m:\n  when: order.x == "a" ? 1 : 2   # why\n').diagnostics;
    expect(problem).toMatchObject({ code: 'E100', line: 2, column: 9, length: 22, help: `quote the whole expression: 'order.x == "a" ? 1 : 2'` });
  });

  test('a broken file keeps its names', () => {
    const file = parse('systems:\n  legacy: {adapter: sql}\nroutes:\n  a: x: y\n  b: 1\n');
    expect(file.broken).toBe(true);
    expect(file.root?.kind === 'map' && [...file.root.entries.keys()]).toEqual(['systems', 'routes']);
  });

  test('one problem a line, at most twenty', () => {
    expect(parse(Array.from({ length: 100 }, (_, i) => `k${i}: a: b`).join('\n')).diagnostics).toHaveLength(20);
  });
});

describe('places inside a scalar', () => {
  const marked = (text: string, path: Path, word: string): string | undefined => {
    const { root, source } = parse(text);
    const node = root && (find(root, path).node as ScalarNode);
    const value = String(node?.value);
    const start = value.indexOf(word);
    const span = node && spanInside(source.text, node, { start, end: start + word.length });
    return span && source.text.slice(span.start, span.end);
  };

  test.each([
    ['plain', 'a: one record.CTRY two'],
    ['plain over lines', 'a: one\n  two record.CTRY\n  three'],
    ['double quotes', 'a: "\\u00e4 \\"x\\" \\t record.CTRY"'],
    ['double quotes over lines', 'a: "one \\\n   two\n\n   record.CTRY"'],
    ['single quotes', "a: 'it''s record.CTRY'"],
    ['literal block', 'a: |\n  one ==\n    two\n\n  record.CTRY\nb: 1'],
    ['folded block', 'a: >-\n  one\n  two\n\n  record.CTRY && x\n'],
    ['flow mapping', '{b: 1, a: f(record.CTRY)}'],
    ['beyond the BMP', 'a: "\\U0001F600 \u{1F600} record.CTRY"'],
    ['CRLF', 'a: |\r\n  one\r\n  record.CTRY\r\n'],
  ])('%s', (_, text) => {
    expect(marked(text, ['a'], 'record.CTRY')).toBe('record.CTRY');
  });
});
