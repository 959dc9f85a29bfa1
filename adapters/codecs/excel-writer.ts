// A workbook of one sheet. Text is written as text: Excel then leaves 00123 alone and takes nothing for a formula.

import { InvalidMessage, type ValueRecord } from '../contract/index.js';
import { zipOf } from './archive-writer.js';
import { plainText } from './csv.js';
import type { ExcelOptions } from './excel.js';

const MAIN = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
const RELATIONS = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006';
const DAY = 86_400_000;
const MOST_TEXT = 32_767;

export function writeBook(payloads: readonly ValueRecord[], options: ExcelOptions): Promise<Buffer> {
  const columns = options.columns ?? Object.keys(payloads[0] ?? {});
  const rows = payloads.map((payload) => {
    const unknown = Object.keys(payload).find((name) => !columns.includes(name));
    if (unknown !== undefined) throw new InvalidMessage('E348', `there is no column "${unknown}"; columns: ${columns.join(', ')}`);
    return columns.map((name, at) => cell(plainText(payload[name] ?? null, name), kindOf(name, options), at, name));
  });
  const named = options.header ? [columns.map((name, at) => cell(name, 'text', at, name)), ...rows] : rows;
  if (options.first_row - 1 + named.length > 1_048_576) throw new InvalidMessage('E348', 'a sheet has at most 1048576 rows');
  const data = named.map((cells, at) => `<row r="${options.first_row + at}">${cells.map((write) => write(options.first_row + at)).join('')}</row>`).join('');
  const sheet = typeof options.sheet === 'string' ? options.sheet : `Sheet${options.sheet}`;
  const part = (name: string, xml: string): { readonly name: string; readonly bytes: Buffer } => ({
    name,
    bytes: Buffer.from(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n${xml}`),
  });
  const type = (name: string, kind: string): string => `<Override PartName="/${name}" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.${kind}+xml"/>`;
  return zipOf([
    part(
      '[Content_Types].xml',
      `<Types xmlns="${PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>${type('xl/workbook.xml', 'sheet.main')}${type('xl/worksheets/sheet1.xml', 'worksheet')}${type('xl/styles.xml', 'styles')}</Types>`,
    ),
    part('_rels/.rels', `<Relationships xmlns="${PACKAGE}/relationships"><Relationship Id="rId1" Type="${RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>`),
    part('xl/workbook.xml', `<workbook xmlns="${MAIN}" xmlns:r="${RELATIONS}"><sheets><sheet name="${escaped(sheet, 'sheet')}" sheetId="1" r:id="rId1"/></sheets></workbook>`),
    part(
      'xl/_rels/workbook.xml.rels',
      `<Relationships xmlns="${PACKAGE}/relationships"><Relationship Id="rId1" Type="${RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="${RELATIONS}/styles" Target="styles.xml"/></Relationships>`,
    ),
    part(
      'xl/styles.xml',
      `<styleSheet xmlns="${MAIN}"><fonts count="1"><font/></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf numFmtId="0" xfId="0"/><xf numFmtId="14" xfId="0" applyNumberFormat="1"/></cellXfs></styleSheet>`,
    ),
    part('xl/worksheets/sheet1.xml', `<worksheet xmlns="${MAIN}"><sheetData>${data}</sheetData></worksheet>`),
  ]);
}

function kindOf(name: string, { numbers, dates }: ExcelOptions): 'number' | 'date' | 'text' {
  return numbers.includes(name) ? 'number' : dates.includes(name) ? 'date' : 'text';
}

function cell(text: string, kind: 'number' | 'date' | 'text', column: number, name: string): (row: number) => string {
  const letters = lettersOf(column + 1);
  if (text === '') return () => '';
  if (kind === 'number') {
    if (!/^-?\d+(\.\d+)?$/.test(text)) throw new InvalidMessage('E348', `field "${name}" is no number`);
    if (text.replace(/^-?0*|\.|(?<=\.\d*)0+$/g, '').length > 15) throw new InvalidMessage('E348', `field "${name}" has more than the 15 digits that Excel keeps: write it as text`);
    return (row) => `<c r="${letters}${row}"><v>${text}</v></c>`;
  }
  if (kind === 'date') {
    const time = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
    const serial = (time - Date.UTC(1899, 11, 30)) / DAY;
    if (!(serial > 60) || new Date(time).toISOString().slice(0, 10) !== text) throw new InvalidMessage('E348', `field "${name}" is no date from 1900-03-01 on, such as 2026-03-01`);
    return (row) => `<c r="${letters}${row}" s="1"><v>${serial}</v></c>`;
  }
  if (text.length > MOST_TEXT) throw new InvalidMessage('E348', `field "${name}" has more than the ${MOST_TEXT} characters of a cell`);
  const content = escaped(text, name);
  return (row) => `<c r="${letters}${row}" t="inlineStr"><is><t xml:space="preserve">${content}</t></is></c>`;
}

function lettersOf(column: number): string {
  return column > 26 ? lettersOf(Math.floor((column - 1) / 26)) + lettersOf(((column - 1) % 26) + 1) : String.fromCharCode(64 + column);
}

function escaped(text: string, name: string): string {
  if (!text.isWellFormed()) throw new InvalidMessage('E342', `field "${name}": half a surrogate pair is no character`);
  return (
    text
      .replace(/_(?=x[0-9A-Fa-f]{4}_)/g, '_x005F_')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: characters that XML has not
      .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\r\ufffe\uffff]/g, (character) => `_x${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}_`)
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
  );
}
