import { describe, expect, test } from '@jest/globals';
import { signalbox } from '../cli/harness.js';
import { blocksOf, pages } from './markdown.js';

/** What the help of a command says: its options, its commands, its arguments. */
interface Usage {
  readonly options: ReadonlyMap<string, '' | '<' | '['>;
  readonly commands: ReadonlySet<string>;
  readonly fewest: number;
  readonly most: number;
}

const lines = pages('README.md', 'docs/guides/*.md')
  .flatMap(blocksOf)
  .filter(({ language }) => language === 'sh')
  .flatMap(({ place, text }) => commandsIn(text).map((words) => ({ place, words })));

const known = new Map<string, Promise<Usage>>();

describe('a command in the documentation', () => {
  test('there are some', () => {
    expect(lines.length).toBeGreaterThan(30);
  });

  test('exists, with its options and the right number of arguments', async () => {
    const problems: string[] = [];
    for (const { place, words } of lines) {
      const problem = await problemOf(words);
      if (problem !== '') problems.push(`${place}: signalbox ${words.join(' ')}: ${problem}`);
    }
    expect(problems).toEqual([]);
  });

  test.each([
    ['chek -c x', 'no command chek'],
    ['check --colour', 'no option --colour'],
    ['dlq show', '0 arguments, 1 to 1 are taken'],
    ['explain -o', '-o wants a value'],
  ])('%s would not pass', async (text, problem) => {
    expect(await problemOf(text.split(' '))).toBe(problem);
  });
});

async function problemOf(words: readonly string[]): Promise<string> {
  const path: string[] = [];
  const given: string[] = [];
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const usage = await usageOf(path);
    if (word.startsWith('-')) {
      const [name = '', value] = word.split('=', 2);
      const takes = usage.options.get(name);
      if (takes === undefined) return `no option ${name}`;
      if (takes === '<' && value === undefined && rest.shift() === undefined) return `${name} wants a value`;
      if (takes === '[' && rest[0] !== undefined && !rest[0].startsWith('-')) rest.shift();
    } else if (usage.commands.size === 0) given.push(word);
    else if (usage.commands.has(word)) path.push(word);
    else return `no command ${word}`;
  }
  const { commands, fewest, most } = await usageOf(path);
  if (commands.size > 0) return words.some((word) => word === '--version' || word === '--help') ? '' : 'a command is missing';
  return given.length < fewest || given.length > most ? `${given.length} arguments, ${fewest} to ${most} are taken` : '';
}

function usageOf(path: readonly string[]): Promise<Usage> {
  const key = path.join(' ');
  const usage = known.get(key) ?? signalbox([...path, '--help']).then(({ out }) => readHelp(out));
  known.set(key, usage);
  return usage;
}

function readHelp(help: string): Usage {
  const options = new Map<string, '' | '<' | '['>();
  for (const [, short, long = '', takes = ''] of help.matchAll(/^ {2}(?:(-\w), )?(--[a-z-]+)(?: ([<[]))?/gm)) {
    for (const name of [short, long]) if (name !== undefined) options.set(name, takes as '' | '<' | '[');
  }
  const section = /\nCommands:\n((?: {2}.*\n?)+)/.exec(help)?.[1] ?? '';
  const commands = new Set([...section.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name));
  commands.delete('help');
  const [usage = ''] = help.split('\n');
  const taken = [...usage.replace('[options]', '').matchAll(/([<[])[^\]>]+?(\.\.\.)?[\]>]/g)];
  const most = taken.some(([, , dots]) => dots !== undefined) ? Number.POSITIVE_INFINITY : taken.length;
  return { options, commands, fewest: taken.filter(([, bracket]) => bracket === '<').length, most };
}

/** The words behind `signalbox` of each such command in a shell text; whatever else the text runs is not looked at. */
function commandsIn(text: string): readonly (readonly string[])[] {
  return text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .flatMap((line) => split(line))
    .flatMap((words) => {
      const rest = [...words];
      while (/^(sudo|npx|[A-Z_]+=.*|-u)$/.test(rest[0] ?? '')) if (rest.shift() === '-u') rest.shift();
      return /(^|\/)signalbox(\.sh)?$/.test(rest[0] ?? '') ? [rest.slice(1)] : [];
    });
}

/** Simple commands of a line, as words without their quotes. */
function split(line: string): readonly (readonly string[])[] {
  const commands: string[][] = [[]];
  for (const [token] of line.matchAll(/#.*$|&&|[|;&]|(?:'[^']*'|"[^"]*"|[^\s'"|;&])+/g)) {
    if (token.startsWith('#')) break;
    if (/^(&&|[|;&])$/.test(token)) commands.push([]);
    else commands.at(-1)?.push(token.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'));
  }
  return commands;
}
