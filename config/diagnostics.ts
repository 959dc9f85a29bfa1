// One form for every problem of a configuration, for the command line, editor, console and API.
import type { Code } from '../bus/codes/index.js';

export interface Place {
  /** Relative to the configuration directory; empty when the problem belongs to no file. */
  readonly file: string;
  /** From 1; 0 when the whole file is meant. */
  readonly line: number;
  /** From 1, in UTF-16 code units. */
  readonly column: number;
  /** UTF-16 code units, within the line; 0 when the whole line or file is meant. */
  readonly length: number;
}

export interface Diagnostic extends Place {
  readonly severity: 'error' | 'warning';
  readonly code: Code;
  readonly message: string;
  /** Behind the caret: "not in ORD_HEAD". */
  readonly label?: string;
  /** What to do: "did you mean `CTRY`?" */
  readonly help?: string;
  /** What is there: "known: ORD_NO CUST CTRY". */
  readonly note?: string;
  readonly related?: readonly (Place & { readonly label: string })[];
  /** Replaces the marked text, when that is safe to do without asking. */
  readonly fix?: string;
}

export interface RenderOptions {
  readonly colour: boolean;
  /** The revision that runs; undefined when nothing runs, or it is not known. */
  readonly applied: { readonly revision: number } | undefined;
}

export type Sources = ReadonlyMap<string, string>;

const WIDTH = 160;
const PAINT = { error: '31', warning: '33', frame: '34', help: '36', strong: '1' } as const;

/** All problems as text for people, and the last line that says what was not applied. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], sources: Sources, options: RenderOptions): string {
  const paint = (kind: keyof typeof PAINT, text: string): string => (options.colour ? `\u001b[${PAINT[kind]}m${text}\u001b[0m` : text);
  const lines = new Map<string, readonly string[]>();
  const linesOf = (file: string): readonly string[] | undefined => {
    const text = sources.get(file);
    if (text !== undefined && !lines.has(file)) lines.set(file, text.split('\n'));
    return lines.get(file);
  };
  const blocks = diagnostics.map((diagnostic) => block(diagnostic, linesOf, paint));
  return `${[...blocks, summary(diagnostics, sources.size, options.applied)].join('\n')}\n`;
}

/** One JSON document, for programs. */
export function diagnosticsAsJson(diagnostics: readonly Diagnostic[]): string {
  return `${JSON.stringify(diagnostics, undefined, 2)}\n`;
}

/** Workflow commands, which GitHub and Gitea Actions show beside the line. */
export function diagnosticsForGithub(diagnostics: readonly Diagnostic[], directory = ''): string {
  const data = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  const property = (text: string): string => data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
  return diagnostics
    .map((at) => {
      const file = directory === '' ? at.file : `${directory.replace(/\/$/, '')}/${at.file}`;
      const range = at.line > 0 ? `,line=${at.line},col=${at.column},endColumn=${at.column + Math.max(at.length, 1)}` : '';
      const text = [at.message, at.label, at.help, at.note].filter((part) => part !== undefined).join('\n');
      return `::${at.severity} ${at.file === '' ? '' : `file=${property(file)}${range},`}title=${at.code}::${data(text)}\n`;
    })
    .join('');
}

/** `2 errors, 2 warnings in 9 files. Nothing was applied; ...` */
export function summary(diagnostics: readonly Diagnostic[], files: number, applied: RenderOptions['applied']): string {
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error').length;
  const warnings = diagnostics.length - errors;
  const parts = [errors > 0 ? count(errors, 'error') : '', warnings > 0 ? count(warnings, 'warning') : ''].filter((part) => part !== '');
  const found = `${parts.length === 0 ? 'no problems' : parts.join(', ')} in ${count(files, 'file')}.`;
  if (errors === 0) return found;
  return applied ? `${found} Nothing was applied; the running config is still revision ${applied.revision}.` : `${found} Nothing was applied.`;
}

/** By file and place; errors before warnings at the same place. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  return diagnostics.toSorted(
    (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || a.line - b.line || a.column - b.column || a.severity.localeCompare(b.severity) || a.code.localeCompare(b.code),
  );
}

/** The text with the fixes of its diagnostics made. Pure; a fix that overlaps another is left for the next run. */
export function applyFixes(text: string, diagnostics: readonly Diagnostic[]): string {
  const lines = text.split('\n');
  const fixes = diagnostics.filter((diagnostic) => diagnostic.fix !== undefined && diagnostic.line > 0);
  let before: Diagnostic | undefined;
  for (const at of fixes.toSorted((a, b) => b.line - a.line || b.column - a.column)) {
    if (before && before.line === at.line && at.column + at.length > before.column) continue;
    const line = lines[at.line - 1] ?? '';
    lines[at.line - 1] = `${line.slice(0, at.column - 1)}${at.fix ?? ''}${line.slice(at.column - 1 + at.length)}`;
    before = at;
  }
  return lines.join('\n');
}

type Paint = (kind: keyof typeof PAINT, text: string) => string;
type LinesOf = (file: string) => readonly string[] | undefined;

function block(at: Diagnostic, linesOf: LinesOf, paint: Paint): string {
  const places: readonly (Place & { readonly label?: string })[] = [at, ...(at.related ?? [])];
  const gutter = Math.max(...places.map((place) => (place.line > 0 ? String(place.line).length : 1)));
  const lines = [`${paint(at.severity, `${at.severity}[${at.code}]`)} ${paint('strong', printable(at.message))}`];
  if (at.fix !== undefined && at.severity === 'warning') {
    lines.push(`${' '.repeat(gutter)}${paint('frame', '-->')} ${printable(at.file)}:${at.line}:${at.column}      ${fixed(at.fix)}`);
    return lines.join('\n');
  }
  for (const [index, place] of places.entries()) {
    if (place.file !== '') lines.push(...frame(place, index === 0 ? '-->' : ':::', gutter, linesOf(place.file)?.[place.line - 1], paint, index === 0 ? at.severity : 'frame'));
  }
  const margin = `${' '.repeat(gutter)} ${paint('frame', '=')}`;
  const help = at.help === undefined ? undefined : `${margin} ${paint('help', 'help:')} ${printable(at.help)}`;
  const note = at.note === undefined ? undefined : printable(at.note);
  if (help !== undefined && note !== undefined && help.length + note.length < WIDTH) lines.push(`${help}      ${note}`);
  else lines.push(...[help, note === undefined ? undefined : `${margin} ${note}`].filter((line) => line !== undefined));
  if (at.fix !== undefined) lines.push(`${' '.repeat(gutter)} ${fixed(at.fix)}`);
  return lines.join('\n');
}

function fixed(fix: string): string {
  return `= fix: ${printable(fix)}   (signalbox check --fix does it)`;
}

function frame(place: Place & { readonly label?: string }, arrow: string, gutter: number, source: string | undefined, paint: Paint, caret: keyof typeof PAINT): string[] {
  const margin = ' '.repeat(gutter);
  const label = place.label === undefined ? '' : ` ${printable(place.label)}`;
  if (place.line === 0) return [`${margin}${paint('frame', arrow)} ${printable(place.file)}${label}`];
  const lines = [`${margin}${paint('frame', arrow)} ${printable(place.file)}:${place.line}:${place.column}`];
  if (source === undefined) return lines;
  const text = source.replace(/\r$/, '');
  const view = window(text, place.column - 1, Math.max(1, place.length));
  const number = paint('frame', `${String(place.line).padStart(gutter)} |`);
  lines.push(`${number} ${printable(view.text)}`);
  const lead = [...view.text.slice(0, view.start)].map((character) => (character === '\t' ? '\t' : ' '.repeat(columns(character)))).join('');
  const marked = [...view.text.slice(view.start, view.end)].reduce((sum, character) => sum + columns(character), 0);
  lines.push(`${margin} ${paint('frame', '|')} ${lead}${paint(caret, '^'.repeat(Math.max(1, marked)) + label)}`);
  return lines;
}

/** The part of a long line that holds the marked text. */
function window(line: string, start: number, length: number): { readonly text: string; readonly start: number; readonly end: number } {
  const end = Math.min(line.length, start + length);
  if (line.length <= WIDTH) return { text: line, start, end };
  const from = Math.max(0, Math.min(start - 40, line.length - WIDTH));
  const head = from > 0 ? '…' : '';
  const text = `${head}${line.slice(from, from + WIDTH)}${from + WIDTH < line.length ? '…' : ''}`;
  const shift = head.length - from;
  return { text, start: start + shift, end: Math.min(end, from + WIDTH) + shift };
}

/** Characters that would steer a terminal or turn the direction of text are shown as a replacement character. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '\ufffd');
}

/** Columns of a character in a terminal: wide for East Asian scripts and emoji (UAX #11), none for combining marks. */
function columns(character: string): number {
  if (/\p{Mn}|\p{Me}|\u200d/u.test(character)) return 0;
  return /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(character) ? 2 : 1;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
