// Parts of an .xlsx workbook (ECMA-376): which sheet is where, strings, number formats, and the rows of a sheet one after another.

import { InvalidMessage } from '../contract/index.js';
import type { Archive } from './archive.js';
import { builtInKind, type DateKind, dateText, kindOfFormat } from './excel-dates.js';
import { Sax, type SaxElement, XmlProblem } from './sax.js';
import { xmlText } from './xml-text.js';

export interface Cell {
  /** `C7`. */
  readonly name: string;
  readonly column: number;
  readonly value: string | boolean | null;
  /** Why it has no value. */
  readonly problem?: string;
}

export interface Row {
  readonly number: number;
  readonly cells: readonly Cell[];
  readonly tooLong: boolean;
}

export interface Book {
  readonly sheets: readonly { readonly name: string; readonly part: string }[];
  readonly is1904: boolean;
  readonly kinds: readonly DateKind[];
  readonly strings: readonly string[];
}

const [COLUMNS, ROWS] = [16_384, 1_048_576];
const TOKEN = 64 * 1024 * 1024;

/** @throws InvalidMessage E367 */
export async function openBook(archive: Archive, source: string, longestStrings: number): Promise<Book> {
  const wrong = (text: string): InvalidMessage => new InvalidMessage('E367', `${source}: ${text}`, { place: source });
  const relations = async (part: string): Promise<Map<string, { readonly type: string; readonly target: string }>> => {
    const found = new Map<string, { readonly type: string; readonly target: string }>();
    const slash = part.lastIndexOf('/') + 1;
    const name = `${part.slice(0, slash)}_rels/${part.slice(slash)}.rels`;
    if (!archive.names.includes(name)) return found;
    await each(archive, name, source, (element) => {
      const target = attribute(element, 'Target');
      if (element.local === 'Relationship') found.set(attribute(element, 'Id'), { type: attribute(element, 'Type').replace(/^.*\//, ''), target: resolve(part, target) });
    });
    return found;
  };
  const main = [...(await relations('')).values()].find(({ type }) => type === 'officeDocument')?.target;
  if (main === undefined || !archive.names.includes(main)) throw wrong('it is no .xlsx workbook');
  const parts = await relations(main);
  const sheets: { readonly name: string; readonly part: string }[] = [];
  let is1904 = false;
  await each(archive, main, source, (element) => {
    if (element.local === 'workbookPr') is1904 = ['1', 'true'].includes(attribute(element, 'date1904'));
    const id = element.attributes.find(({ uri, local }) => local === 'id' && uri !== '')?.value ?? '';
    const part = parts.get(id)?.target;
    if (element.local === 'sheet' && part !== undefined) sheets.push({ name: attribute(element, 'name'), part });
  });
  const partOf = (type: string): string | undefined => [...parts.values()].find((part) => part.type === type && archive.names.includes(part.target))?.target;
  const [styles, strings] = [partOf('styles'), partOf('sharedStrings')];
  return {
    sheets,
    is1904,
    kinds: styles === undefined ? [] : await readKinds(archive, styles, source),
    strings: strings === undefined ? [] : await readStrings(archive, strings, source, longestStrings),
  };
}

function resolve(part: string, target: string): string {
  if (target.startsWith('/')) return target.slice(1);
  return part.slice(0, part.lastIndexOf('/') + 1) + target;
}

async function readKinds(archive: Archive, part: string, source: string): Promise<readonly DateKind[]> {
  const codes = new Map<number, DateKind>();
  const kinds: DateKind[] = [];
  let inCells = false;
  await each(archive, part, source, (element) => {
    if (element.local === 'numFmt') codes.set(Number(attribute(element, 'numFmtId')), kindOfFormat(attribute(element, 'formatCode')));
    if (element.local === 'cellXfs') inCells = true;
    else if (element.local === 'cellStyles' || element.local === 'dxfs') inCells = false;
    else if (inCells && element.local === 'xf') {
      const id = Number(attribute(element, 'numFmtId'));
      kinds.push(codes.has(id) ? codes.get(id) : builtInKind(id));
    }
  });
  return kinds;
}

async function readStrings(archive: Archive, part: string, source: string, longest: number): Promise<readonly string[]> {
  const strings: string[] = [];
  const path: string[] = [];
  let [text, total] = ['', 0];
  await each(
    archive,
    part,
    source,
    (element) => path.push(element.local),
    (piece) => {
      // Phonetic readings (rPh) are not the text.
      if (path.at(-1) === 't' && !path.includes('rPh')) text += piece;
    },
    () => {
      if (path.pop() !== 'si') return;
      total += text.length;
      if (total > longest) throw new InvalidMessage('E367', `${source}: the texts of the workbook have more than ${longest} characters`, { place: source });
      strings.push(unescaped(text));
      text = '';
    },
  );
  return strings;
}

/** Characters that XML has not are written as `_x000D_`. */
function unescaped(text: string): string {
  return text.includes('_x') ? text.replace(/_x([0-9A-Fa-f]{4})_/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))) : text;
}

/** Rows that have cells, in the order of the file. @throws InvalidMessage E367 */
export async function* readRows(archive: Archive, part: string, book: Book, source: string, longest: number): AsyncGenerator<readonly Row[]> {
  let rows: Row[] = [];
  let cells: Cell[] = [];
  let [row, column, size] = [0, 0, 0];
  let cell: { readonly name: string; readonly column: number; readonly type: string; readonly style: number; value: string | undefined } | undefined;
  const path: string[] = [];
  const open = (element: SaxElement): void => {
    path.push(element.local);
    if (element.local === 'row') {
      const number = attribute(element, 'r');
      row = number === '' ? row + 1 : Number(number);
      if (!Number.isInteger(row) || row < 1 || row > ROWS) throw new XmlProblem(`${JSON.stringify(number)} is no row`, element.line, element.column);
      [cells, column, size] = [[], 0, 0];
    } else if (element.local === 'c') {
      const reference = attribute(element, 'r');
      column = reference === '' ? column + 1 : columnOf(reference);
      if (column < 1 || column > COLUMNS) throw new XmlProblem(`${JSON.stringify(reference.slice(0, 20))} is no cell`, element.line, element.column);
      cell = { name: reference || `column ${column} of row ${row}`, column, type: attribute(element, 't') || 'n', style: Number(attribute(element, 's') || '0'), value: undefined };
    }
  };
  const text = (piece: string): void => {
    if (!cell || size > longest) return;
    const inside = path.at(-1);
    if (inside === 'v' || (inside === 't' && path.includes('is') && !path.includes('rPh'))) {
      size += piece.length;
      cell.value = (cell.value ?? '') + piece;
    }
  };
  const close = (): void => {
    const name = path.pop();
    if (name === 'c' && cell) {
      const read = cellValue(cell.type, cell.value, cell.style, book);
      if (read.value !== null || read.problem !== undefined) cells.push({ name: cell.name, column: cell.column, ...read });
      if (typeof read.value === 'string') size += read.value.length;
      cell = undefined;
    } else if (name === 'row' && cells.length > 0) rows.push({ number: row, cells: size > longest ? [] : cells, tooLong: size > longest });
  };
  const sax = new Sax({ open, text, close }, { token: TOKEN });
  try {
    for await (const { text: piece } of xmlText(archive.read(part), undefined)) {
      sax.write(piece);
      if (rows.length === 0) continue;
      yield rows;
      rows = [];
    }
    sax.end();
  } catch (error) {
    if (rows.length > 0) yield rows;
    throw explained(error, part, source);
  }
}

function cellValue(type: string, text: string | undefined, style: number, book: Book): Pick<Cell, 'value' | 'problem'> {
  if (text === undefined || (text === '' && type !== 'str' && type !== 'inlineStr')) return { value: null };
  switch (type) {
    case 's': {
      const shared = book.strings[Number(text)];
      return shared === undefined ? { value: null, problem: `text ${text} is not there` } : { value: shared };
    }
    case 'str':
    case 'inlineStr':
      return { value: unescaped(text) };
    case 'b':
      return { value: text === '1' || text === 'true' };
    case 'e':
      return { value: null, problem: `it holds the error ${text.slice(0, 20)}` };
    case 'd':
      return { value: text };
    case 'n':
      break;
    default:
      return { value: null, problem: `the type ${JSON.stringify(type.slice(0, 20))} is not known` };
  }
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return { value: null, problem: `${JSON.stringify(text.slice(0, 40))} is no number` };
  const kind = book.kinds[style];
  if (kind === undefined) return { value: text };
  const date = dateText(text, kind, book.is1904);
  return typeof date === 'string' ? { value: date } : { value: null, problem: date.problem };
}

function columnOf(reference: string): number {
  let column = 0;
  for (const letter of /^[A-Z]{1,3}(?=\d+$)/.exec(reference)?.[0] ?? '') column = column * 26 + letter.charCodeAt(0) - 64;
  return column;
}

async function each(
  archive: Archive,
  part: string,
  source: string,
  open: (element: SaxElement) => void,
  text: (text: string) => void = () => undefined,
  close: () => void = () => undefined,
): Promise<void> {
  const sax = new Sax({ open, text, close }, { token: TOKEN });
  try {
    for await (const { text: piece } of xmlText(archive.read(part), undefined)) sax.write(piece);
    sax.end();
  } catch (error) {
    throw explained(error, part, source);
  }
}

function explained(error: unknown, part: string, source: string): unknown {
  if (!(error instanceof XmlProblem)) return error;
  return new InvalidMessage('E367', `${source}/${part}:${error.line}:${error.column}: ${error.message}`, { place: source, cause: error });
}

function attribute({ attributes }: SaxElement, name: string): string {
  return attributes.find(({ local, uri }) => local === name && uri === '')?.value ?? '';
}
