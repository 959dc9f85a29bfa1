import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..', '..', '..');

export interface Block {
  /** `docs/guides/operations.md:120`. */
  readonly place: string;
  readonly language: string;
  readonly text: string;
  /** What `<!-- check: with=base.yaml env=HUB=/srv -->` in the line above says. */
  readonly marks: ReadonlyMap<string, string>;
}

export interface Table {
  readonly place: string;
  readonly name: string;
  readonly rows: readonly (readonly string[])[];
}

/** Paths of the pages, relative to the project. */
export function pages(...patterns: readonly string[]): readonly string[] {
  return globSync(patterns as string[], { cwd: ROOT }).sort();
}

/** The fenced blocks of a page. */
export function blocksOf(page: string): readonly Block[] {
  const blocks: Block[] = [];
  const lines = linesOf(page);
  for (let at = 0; at < lines.length; at++) {
    const language = /^```(\w+)\s*$/.exec(lines[at] ?? '')?.[1];
    if (language === undefined) continue;
    const end = lines.indexOf('```', at + 1);
    if (end < 0) throw new Error(`${page}:${at + 1}: the block has no end`);
    const before = lines.slice(0, at).findLast((line) => line.trim() !== '') ?? '';
    blocks.push({ place: `${page}:${at + 1}`, language, text: lines.slice(at + 1, end).join('\n'), marks: marksOf(before) });
    at = end;
  }
  return blocks;
}

/** Tables below a comment `<!-- check: table=expressions -->`, without their header. */
export function tablesOf(page: string): readonly Table[] {
  const lines = linesOf(page);
  return lines.flatMap((line, at) => {
    const name = marksOf(line).get('table');
    if (name === undefined) return [];
    const first = lines.findIndex((other, index) => index > at && other.startsWith('|'));
    const end = lines.findIndex((other, index) => index > first && !other.startsWith('|'));
    const rows = lines.slice(first + 2, end < 0 ? undefined : end).map(cellsOf);
    return [{ place: `${page}:${at + 1}`, name, rows }];
  });
}

/** What stands in backquotes in a cell; a `\|` is a `|`. */
function cellsOf(row: string): readonly string[] {
  const cells = row.split(/(?<!\\)\|/).slice(1, -1);
  return cells.map((cell) => /^`+ ?(.*?) ?`+$/.exec(cell.trim())?.[1]?.replaceAll('\\|', '|') ?? cell.trim());
}

function linesOf(page: string): readonly string[] {
  return readFileSync(join(ROOT, page), 'utf8').split('\n');
}

function marksOf(line: string): ReadonlyMap<string, string> {
  const words = /^<!-- check: (.*) -->$/.exec(line.trim())?.[1]?.split(/\s+/) ?? [];
  return new Map(words.map((word): [string, string] => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
}
