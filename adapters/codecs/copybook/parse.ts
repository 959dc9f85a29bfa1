// COBOL data description entries from the text of a copybook: what stands between level number and full stop. ISO/IEC 1989, IBM Enterprise COBOL Language Reference.

import type { Sign } from '../cobol-numbers.js';

export type Usage = 'display' | 'binary' | 'native' | 'packed' | 'float' | 'double';

export interface Entry {
  readonly level: number;
  /** Undefined: FILLER. */
  readonly name: string | undefined;
  /** 1 for the first line of the text. */
  readonly line: number;
  picture?: string;
  usage?: Usage;
  sign?: Exclude<Sign, 'none'>;
  occurs?: { readonly min: number; readonly max: number; readonly dependingOn?: string };
  redefines?: string;
  synchronized?: boolean;
}

/** Says what is wrong, with its line. */
export class CopybookProblem extends Error {
  override readonly name = 'CopybookProblem';
  constructor(line: number, problem: string) {
    super(`line ${line}: ${problem}`);
  }
}

const LARGEST = 512 * 1024;
const MOST_ENTRIES = 20_000;
const USAGES: Readonly<Record<string, Usage>> = {
  DISPLAY: 'display',
  COMP: 'binary',
  'COMP-4': 'binary',
  BINARY: 'binary',
  'COMP-5': 'native',
  'COMP-3': 'packed',
  'PACKED-DECIMAL': 'packed',
  'COMP-1': 'float',
  'COMP-2': 'double',
};
const OTHER_USAGES = ['INDEX', 'POINTER', 'NATIONAL', 'DISPLAY-1', 'COMP-6', 'COMP-X', 'FUNCTION-POINTER', 'PROCEDURE-POINTER', 'OBJECT'];
const CLAUSES = [
  ...['PIC', 'PICTURE', 'USAGE', 'OCCURS', 'REDEFINES', 'SIGN', 'LEADING', 'TRAILING', 'VALUE', 'VALUES', 'JUST', 'JUSTIFIED'],
  ...['SYNC', 'SYNCHRONIZED', 'BLANK', 'EXTERNAL', 'GLOBAL', 'COMPUTATIONAL', ...[1, 2, 3, 4, 5].map((kind) => `COMPUTATIONAL-${kind}`)],
  ...Object.keys(USAGES),
  ...OTHER_USAGES,
];
const KEYS = ['ASCENDING', 'DESCENDING', 'INDEXED'];

interface Token {
  readonly text: string;
  readonly line: number;
}

type Take = (...optional: readonly string[]) => string | undefined;
type Stop = (problem: string) => never;

/** @throws CopybookProblem */
export function parseCopybook(text: string): readonly Entry[] {
  if (text.length > LARGEST) throw new CopybookProblem(1, `a copybook has at most ${LARGEST} characters`);
  const entries: Entry[] = [];
  let statement: Token[] = [];
  for (const token of tokens(text)) {
    if (token.text !== '.') {
      statement.push(token);
      continue;
    }
    const entry = parseEntry(statement);
    statement = [];
    if (entry) entries.push(entry);
    if (entries.length > MOST_ENTRIES) throw new CopybookProblem(token.line, `more than ${MOST_ENTRIES} entries`);
  }
  const [open] = statement;
  if (open) throw new CopybookProblem(open.line, `no full stop behind "${open.text.slice(0, 40)}"`);
  if (entries.length === 0) throw new CopybookProblem(1, 'there is no data description');
  return entries;
}

function* tokens(text: string): Generator<Token> {
  for (const [at, line] of areas(text.split(/\r\n|[\r\n]/))) {
    for (const [word] of line.matchAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|[^\s]+/g)) {
      const quoted = /^['"]/.test(word);
      const bare = quoted ? word : word.replace(/[.,;]+$/, '');
      if (bare !== '') yield { text: quoted ? bare : bare.toUpperCase(), line: at };
      if (!quoted && word.endsWith('.')) yield { text: '.', line: at };
    }
  }
}

/** Lines without sequence numbers (columns 1 to 6), what stands behind column 72, and comments; free form where the lines are not in columns. */
function* areas(lines: readonly string[]): Generator<readonly [number, string]> {
  const columns = lines.every((line) => /^.{0,6}$/.test(line) || /^\s*$/.test(line) || /^(?: {6}|\d{6}|[A-Z]{1,3}\d{3,5})[ */D$-]/i.test(line.slice(0, 7)));
  for (const [at, line] of lines.entries()) {
    const area = columns ? line.slice(6, 72) : line;
    if (/^(?:\*|\/|D\s)/i.test(columns ? area : area.trimStart())) continue;
    const code = area.replace(/\*>.*$/, '').slice(columns ? 1 : 0);
    // The identification area of a line that was moved to the left.
    yield [at + 1, columns ? code : code.replace(/(\.)\s+[A-Z0-9]{8}\s*$/i, '$1')];
  }
}

function parseEntry(statement: readonly Token[]): Entry | undefined {
  const [first, second] = statement;
  if (!first) return undefined;
  const { line } = first;
  const stop: Stop = (problem) => {
    throw new CopybookProblem(line, problem);
  };
  if (!/^\d{1,2}$/.test(first.text)) return stop(`"${first.text.slice(0, 40)}" is no level number; COPY and EXEC are not followed, paste the text instead`);
  const level = Number(first.text);
  if (level === 88 || level === 66) return undefined;
  if (level !== 77 && (level < 1 || level > 49)) return stop(`${level} is no level number`);
  const filler = second?.text === 'FILLER';
  const named = second !== undefined && !filler && !CLAUSES.includes(second.text);
  if (named && !/^[A-Z0-9][A-Z0-9_-]{0,59}$/.test(second.text)) return stop(`"${second.text.slice(0, 60)}" is no data name; replace placeholders such as :TAG: first`);
  const entry: Entry = { level: level === 77 ? 1 : level, name: named ? second.text : undefined, line };
  parseClauses(
    entry,
    statement.slice(named || filler ? 2 : 1).map((token) => token.text),
    stop,
  );
  return entry;
}

function parseClauses(entry: Entry, words: string[], stop: Stop): void {
  const take: Take = (...optional) => {
    while (words[0] !== undefined && optional.includes(words[0])) words.shift();
    return words.shift();
  };
  const skip = (...optional: readonly string[]): void => {
    if (words[0] !== undefined && optional.includes(words[0])) words.shift();
  };
  while (words.length > 0) {
    const word = take() ?? '';
    const usage = USAGES[word.replace('COMPUTATIONAL', 'COMP')];
    if (word === 'PIC' || word === 'PICTURE') entry.picture = take('IS') ?? stop('PICTURE without its character string');
    else if (word === 'USAGE') {
      const said = (take('IS') ?? '').replace('COMPUTATIONAL', 'COMP');
      entry.usage = USAGES[said] ?? stop(`USAGE ${said} cannot be read`);
    } else if (usage) entry.usage = usage;
    else if (OTHER_USAGES.includes(word)) stop(`USAGE ${word} cannot be read`);
    else if (word === 'REDEFINES') entry.redefines = take() ?? stop('REDEFINES without a name');
    else if (word === 'OCCURS') entry.occurs = parseOccurs(words, take, stop);
    else if (word === 'SIGN' || word === 'LEADING' || word === 'TRAILING') {
      const where = word === 'SIGN' ? take('IS') : word;
      if (where !== 'LEADING' && where !== 'TRAILING') stop('SIGN is LEADING or TRAILING');
      const separate = words[0] === 'SEPARATE';
      skip('SEPARATE');
      skip('CHARACTER');
      entry.sign = `${where === 'LEADING' ? 'leading' : 'trailing'}${separate ? '-separate' : ''}`;
    } else if (word === 'VALUE' || word === 'VALUES') while (words[0] !== undefined && !CLAUSES.includes(words[0])) words.shift();
    else if (word === 'SYNC' || word === 'SYNCHRONIZED') {
      entry.synchronized = true;
      skip('LEFT', 'RIGHT');
    } else if (word === 'JUST' || word === 'JUSTIFIED') skip('RIGHT');
    else if (word === 'BLANK') take('WHEN');
    else if (word !== 'EXTERNAL' && word !== 'GLOBAL') stop(`"${word.slice(0, 40)}" is not understood`);
  }
}

function parseOccurs(words: string[], take: Take, stop: Stop): NonNullable<Entry['occurs']> {
  const count = (text: string | undefined): number => (text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : stop(`OCCURS ${text ?? ''} is no number`));
  let [min, max] = [0, count(take())];
  let dependingOn: string | undefined;
  if (words[0] === 'TO') {
    take();
    [min, max] = [max, count(take())];
  }
  if (words[0] === 'TIMES') take();
  while (words[0] === 'DEPENDING' || KEYS.includes(words[0] ?? '')) {
    const word = take();
    if (word === 'DEPENDING') dependingOn = take('ON') ?? stop('DEPENDING ON without a name');
    else while (words[0] !== undefined && ![...CLAUSES, ...KEYS, 'DEPENDING'].includes(words[0])) words.shift();
  }
  if (max < 1 || min > max) stop(`OCCURS ${min} TO ${max} makes no sense`);
  return dependingOn === undefined ? { min: max, max } : { min: min === max ? 0 : min, max, dependingOn };
}
