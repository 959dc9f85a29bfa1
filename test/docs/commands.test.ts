import { globSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { Command, Option } from 'commander';
import { signalbox } from '../cli/harness.js';
import { blocksOf, pages, ROOT } from './markdown.js';

/** The command line as `main.ts` puts it together: the commands of `cli/commands`, and the options its help names for all of them. */
const program = new Command('signalbox');

const lines = pages('README.md', 'docs/guides/*.md')
  .flatMap(blocksOf)
  .filter(({ language }) => language === 'sh')
  .flatMap(({ place, text }) => commandsIn(text).map((words) => ({ place, words })));

describe('a command in the documentation', () => {
  beforeAll(async () => {
    for (const file of globSync('dist/cli/commands/*.js', { cwd: ROOT })) {
      const exports = (await import(pathToFileURL(join(ROOT, file)).href)) as Readonly<Record<string, unknown>>;
      for (const [name, create] of Object.entries(exports)) if (name.endsWith('Command') && typeof create === 'function') program.addCommand(create() as Command);
    }
    const { out } = await signalbox(['--help']);
    for (const [, flags = ''] of out.matchAll(/^ {2}(-\S.*?)(?: {2,}|$)/gm)) program.addOption(new Option(flags));
  });

  test('there are some', () => {
    expect(lines.length).toBeGreaterThan(30);
    expect(program.options.length).toBeGreaterThan(3);
    expect(program.commands.length).toBeGreaterThan(10);
  });

  test('exists, with its options and the right number of arguments', () => {
    const problems = lines.map(({ place, words }) => `${place}: signalbox ${words.join(' ')}: ${problemOf(words)}`);
    expect(problems.filter((problem) => !problem.endsWith(': fine'))).toEqual([]);
  });

  test.each([
    ['chek -c x', 'no command chek'],
    ['check --colour', 'no option --colour'],
    ['dlq show', '0 arguments, 1 are wanted'],
    ['dlq list G1', '1 arguments, at most 0 are taken'],
    ['explain -o', '-o wants a value'],
    ['dlq discard G1', '--reason is missing'],
    ['dlq', 'a command is missing'],
  ])('%s would not pass', (text, problem) => {
    expect(problemOf(text.split(' '))).toBe(problem);
  });
});

/** What commander would say to these words, without running anything. */
function problemOf(words: readonly string[]): string {
  let at = program;
  const given: string[] = [];
  const used: string[] = [];
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (!word.startsWith('-')) {
      const next = at.commands.find((command) => command.name() === word);
      if (!next && at.commands.length > 0) return `no command ${word}`;
      if (next) at = next;
      else given.push(word);
      continue;
    }
    const [name = '', value] = word.split('=', 2);
    const option = [...at.options, ...program.options].find(({ short, long }) => short === name || long === name);
    if (!option) return `no option ${name}`;
    used.push(option.long ?? name);
    if (option.required && value === undefined && rest.shift() === undefined) return `${name} wants a value`;
    if (option.optional && rest[0] !== undefined && !rest[0].startsWith('-')) rest.shift();
  }
  if (at.commands.length > 0) return used.includes('--help') || used.includes('--version') ? 'fine' : 'a command is missing';
  const missing = at.options.find(({ mandatory, long }) => mandatory && !used.includes(long ?? ''));
  if (missing) return `${missing.long} is missing`;
  const wanted = at.registeredArguments.filter(({ required }) => required).length;
  if (given.length < wanted) return `${given.length} arguments, ${wanted} are wanted`;
  const most = at.registeredArguments.some(({ variadic }) => variadic) ? Number.POSITIVE_INFINITY : at.registeredArguments.length;
  return given.length > most ? `${given.length} arguments, at most ${most} are taken` : 'fine';
}

/** The words behind `signalbox` of each such command in a shell text; whatever else the text runs is not looked at. */
function commandsIn(text: string): readonly (readonly string[])[] {
  return text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .flatMap((line) => simpleCommands(line))
    .flatMap((words) => {
      const rest = [...words];
      while (/^(sudo|npx|[A-Z_]+=.*|-u)$/.test(rest[0] ?? '')) if (rest.shift() === '-u') rest.shift();
      return /(^|\/)signalbox(\.sh)?$/.test(rest[0] ?? '') ? [rest.slice(1)] : [];
    });
}

/** Commands of a line between `&&`, `|` and `;`, as words without their quotes. */
function simpleCommands(line: string): readonly (readonly string[])[] {
  const commands: string[][] = [[]];
  for (const [token] of line.matchAll(/#.*$|&&|[|;&]|(?:'[^']*'|"[^"]*"|[^\s'"|;&])+/g)) {
    if (token.startsWith('#')) break;
    if (/^(&&|[|;&])$/.test(token)) commands.push([]);
    else commands.at(-1)?.push(token.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'));
  }
  return commands;
}
