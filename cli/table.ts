import { stripVTControlCharacters } from 'node:util';
import { paint } from './text.js';

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Aligned columns under their titles. Cells are already safe; the last column is not padded, empty columns are left out. */
export function table(columns: readonly (Column | string)[], rows: readonly (readonly string[])[]): string {
  const all = columns.map((column) => (typeof column === 'string' ? { title: column } : column));
  const shown = all.map((_, index) => index).filter((index) => rows.some((row) => (row[index] ?? '') !== ''));
  const lines = [shown.map((index) => all[index]?.title ?? ''), ...rows.map((row) => shown.map((index) => row[index] ?? ''))];
  const widths = shown.map((_, at) => Math.max(...lines.map((line) => width(line[at] ?? ''))));
  return lines
    .map((line, number) => {
      const text = line
        .map((cell, at) => {
          const gap = ' '.repeat((widths[at] ?? 0) - width(cell));
          if (all[shown[at] ?? 0]?.align === 'right') return gap + cell;
          return at === line.length - 1 ? cell : cell + gap;
        })
        .join('  ')
        .trimEnd();
      return number === 0 ? paint('dim', text) : text;
    })
    .join('\n');
}

const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Columns a text takes on a terminal: combining marks take none, East Asian wide characters two. */
export function width(text: string): number {
  let columns = 0;
  for (const character of stripVTControlCharacters(text)) columns += /\p{M}/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return columns;
}

/** Names and values, one pair per line. */
export function pairs(list: readonly (readonly [name: string, value: string | undefined])[]): string {
  const given = list.filter((pair): pair is readonly [string, string] => pair[1] !== undefined);
  const widest = Math.max(0, ...given.map(([name]) => width(name)));
  return given.map(([name, value]) => `${paint('dim', name.padEnd(widest))}  ${value}`).join('\n');
}

/** Cut to `most` columns, with `...` where something is missing. */
export function cut(text: string, most: number): string {
  if (width(text) <= most) return text;
  let result = '';
  for (const character of text) {
    if (width(result + character) > most - 3) break;
    result += character;
  }
  return `${result}...`;
}
