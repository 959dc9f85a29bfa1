// Writes docs/reference/corner-cases.md from the names of the tests: `npm run generate`. A test proves it fresh, and that no case is without one.

import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What legacy databases do. */
const DATABASES: Readonly<Record<string, string>> = {
  D1: 'a lower id or change time is committed after a higher one',
  D2: 'a transaction takes longer than any fixed delay',
  D3: 'many rows with one change time at the border of a batch',
  D4: 'a crash in the middle of rows with one change time',
  D5: 'an error after rows were read and before they were safe',
  D6: 'change time or id is NULL',
  D7: 'ids are negative, times are the epoch: no value means "nothing read yet"',
  D8: 'times without a zone, and database, session and host in different zones',
  D9: 'the hour that comes twice, and the one that does not come',
  D10: 'fractions of a second beyond milliseconds',
  D11: 'integers beyond 2^53 and decimals with trailing zeros',
  D12: 'numbers whose declared type says nothing',
  D13: 'a decimal written back with another scale',
  D14: 'leading zeros',
  D15: 'infinity, 0000-00-00, years before Christ',
  D16: 'a date that moves with the zone of the session',
  D17: 'rows that are deleted',
  D18: 'old rows that are changed',
  D19: 'the row is on the bus, and marking it as read fails',
  D20: 'rows that came between reading and marking',
  D21: 'two instances read one table',
  D22: 'two writers insert one key at once',
  D23: 'a connection that gives old or no rows for ever',
  D24: 'a result that does not fit into memory',
  D25: 'upper and lower case of names',
  D26: 'own SQL and its watermark',
  D27: 'locks and long transactions on the legacy table',
  D28: 'a replication slot nobody reads fills the disk',
  D29: 'the position in the log is gone after a restart',
  D30: 'the table was made anew, and its ids begin again',
};

/** What files, shares and servers for files do. */
const FILES: Readonly<Record<string, string>> = {
  F1: 'a file that is still being written',
  F2: 'a file with an old or a future change time',
  F3: 'files that are older than the last one read, or as old',
  F4: 'a server in another zone, change times in whole seconds',
  F5: 'the same name again with another content',
  F6: 'the same content again',
  F7: 'a note of a file that stays when it should go',
  F8: 'claims of a process that died',
  F9: 'a lock that could not be taken',
  F10: 'a folder on another device',
  F11: 'a rename onto a file that is there',
  F12: 'replacing a file without a moment in which it is gone',
  F13: 'putting a read file away fails',
  F14: 'a file whose records failed',
  F15: 'a file that goes between listing and opening',
  F16: 'a file that is exchanged while it is read',
  F17: 'a crash after row 5,000 of a file',
  F18: 'a huge file',
  F19: 'a folder of 100,000 files',
  F20: 'a server that goes silent without closing',
  F21: 'a server that cannot serve requests side by side',
  F22: 'limits of sessions, connections that are refused',
  F23: 'a server that offers nothing but SFTP',
  F24: 'an upload that ends before its first byte',
  F25: 'sessions after failures',
  F26: 'a network share that hangs',
  F27: 'byte order marks',
  F28: 'encodings, and bytes that are none',
  F29: 'line ends of several kinds, and within quotes',
  F30: 'quotes where none belong',
  F31: 'columns too many, too few, or twice',
  F32: 'a file that is truncated and written again in place',
  F33: 'a file that others hold open',
  F34: 'paths in names, and bombs in archives',
  F35: 'no bytes, no file, no folder',
  F36: 'a written file after a power cut',
  F37: 'files whose order matters',
};

/** Cases by number, each with the tests that carry it. */
export function testsOfCases(root: string): ReadonlyMap<string, readonly { readonly file: string; readonly name: string }[]> {
  const found = new Map<string, { file: string; name: string }[]>();
  for (const file of globSync('test/**/*.test.ts', { cwd: root }).sort()) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, quoted = ''] of text.matchAll(/\b(?:test|it|describe)(?:\.each\((?:[^()]|\([^()]*\))*\))?(?:<[^>]*>)?\(\s*(`[^`]*`|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")/g)) {
      const name = quoted.slice(1, -1).replaceAll('\\', '');
      const numbers = /^((?:[DF]\d+[ ,:]+)+)/.exec(name)?.[1];
      if (numbers === undefined) continue;
      const words = name.slice(numbers.length);
      for (const [number] of numbers.matchAll(/[DF]\d+/g)) found.set(number, [...(found.get(number) ?? []), { file, name: words }]);
    }
  }
  return found;
}

export const CASES: ReadonlyMap<string, string> = new Map(Object.entries({ ...DATABASES, ...FILES }));

export function cornerCasesPage(root: string): string {
  const tests = testsOfCases(root);
  const section = (title: string, cases: Readonly<Record<string, string>>): string =>
    `## ${title}\n\n${Object.entries(cases)
      .map(([number, words]) => `### ${number}: ${words}\n\n${(tests.get(number) ?? []).map(({ file, name }) => `- ${shown(name)} ([${file}](../../${file}))`).join('\n')}\n`)
      .join('\n')}`;
  return `# Corner cases

<!-- generated from the names of the tests: npm run generate -->

What old databases, folders and servers do, and the tests that show what Signalbox does then. Each runs with \`npm test\`.

${section('Databases', DATABASES)}
${section('Files and servers for files', FILES)}`;
}

/** Text of a test's name in Markdown: placeholders and signs are no mark-up. */
function shown(name: string): string {
  return name.replace(/[*_<>[\]|$\\`]/g, (sign) => `\\${sign}`);
}

if (import.meta.main) {
  // dist/test/docs/ -> repository
  const root = join(import.meta.dirname, '../../..');
  writeFileSync(join(root, 'docs/reference/corner-cases.md'), cornerCasesPage(root));
  process.stderr.write('docs/reference/corner-cases.md\n');
}
