// What servers say is in a folder: MLSD (RFC 3659 section 7) for programs, LIST for people.

import type { Entry } from '../files/space.js';
import { readListLine } from './client.js';

/** Marks a line that is no entry: such a name is refused where names are looked at, and said to be there. */
const UNREADABLE = '\ufffd';

export function readMlsd(text: string): readonly Entry[] {
  return lines(text).flatMap((line) => plain(readFacts(line)) ?? []);
}

/** `size=5;type=file;modify=20260301080000; name`; undefined for the folder itself and the one above. */
export function readFacts(line: string): Entry | undefined {
  const at = line.indexOf(' ');
  const name = at < 0 ? '' : line.slice(at + 1);
  const facts = new Map(
    line
      .slice(0, Math.max(at, 0))
      .split(';')
      .map((fact) => [fact.slice(0, fact.indexOf('=')).toLowerCase(), fact.slice(fact.indexOf('=') + 1)] as const),
  );
  const type = facts.get('type')?.toLowerCase() ?? '';
  if (type === 'cdir' || type === 'pdir' || name === '.' || name === '..') return undefined;
  const kind = type === 'file' ? 'file' : type === 'dir' ? 'folder' : /slink|symlink/.test(type) ? 'link' : 'other';
  return { name: name === '' ? `${line}${UNREADABLE}` : name, kind, size: sizeOf(facts.get('size')), modified: facts.get('modify') ?? '' };
}

/** Undefined when no line of it can be read. */
export function readList(text: string): readonly Entry[] | undefined {
  const entries: Entry[] = [];
  let read = 0;
  for (const line of lines(text)) {
    const info = /^total \d+/i.test(line) ? undefined : readListLine(line);
    if (info) {
      const special = /^[\s\d]*[bcpsD]/.test(line) && !/^\d\d-/.test(line);
      const kind = special ? 'other' : info.isFile ? 'file' : info.isDirectory ? 'folder' : info.isSymbolicLink ? 'link' : 'other';
      const entry = plain({ name: info.name, kind, size: Number.isSafeInteger(info.size) ? info.size : -1, modified: info.rawModifiedAt });
      if (entry && info.name !== '.' && info.name !== '..') entries.push(entry);
      read++;
    } else if (/^total \d+/i.test(line) || /\s\.\.?$/.test(line)) read++;
    else entries.push({ name: `${line}${UNREADABLE}`, kind: 'other', size: -1, modified: '' });
  }
  return read === 0 && entries.length > 0 ? undefined : entries;
}

/** A name that is a path is no file of the folder, whatever the server says. */
function plain(entry: Entry | undefined): Entry | undefined {
  return entry && /[/\\]/.test(entry.name) ? { ...entry, kind: 'other' } : entry;
}

function lines(text: string): readonly string[] {
  return text.split(/\r?\n/).filter((line) => line.trim() !== '');
}

function sizeOf(digits: string | undefined): number {
  const size = /^\d+$/.test(digits ?? '') ? Number(digits) : -1;
  return Number.isSafeInteger(size) ? size : -1;
}
