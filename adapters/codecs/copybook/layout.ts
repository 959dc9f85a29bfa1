// From the entries of a copybook to where things are: groups, items, tables, alternatives.

import type { Sign } from '../cobol-numbers.js';
import { CopybookProblem, type Entry, parseCopybook, type Usage } from './parse.js';
import { parsePicture } from './picture.js';

export interface RecordLayout {
  readonly name: string;
  readonly group: Group;
  /** Bytes with all tables full. */
  readonly length: number;
}

export interface Group {
  readonly kind: 'group';
  readonly slots: readonly Slot[];
}

/** One place in a group: one member, or several that redefine each other. */
export interface Slot {
  readonly members: readonly Member[];
  /** Of the largest member, with all tables full. */
  readonly size: number;
}

export interface Member {
  /** As the copybook has it; undefined for FILLER. */
  readonly cobol: string | undefined;
  /** In the record: `ORD_NO`; empty for what is no field. */
  readonly name: string;
  readonly path: string;
  readonly line: number;
  readonly content: Group | Item;
  /** Bytes of one occurrence. */
  readonly size: number;
  /** Holds a table with DEPENDING ON, or is one. */
  readonly variable: boolean;
  readonly occurs: Entry['occurs'] | undefined;
}

export interface Item {
  readonly kind: 'item';
  readonly usage: Usage | 'text';
  readonly size: number;
  readonly digits: number;
  readonly scale: number;
  readonly sign: Sign;
  /** SYNCHRONIZED: its offset is a multiple of it. */
  readonly boundary: number;
}

const LARGEST = 16 * 1024 * 1024;
const MOST_VALUES = 100_000;

/** The 01 levels of a copybook; entries without one are a record without a name. @throws CopybookProblem */
export function layoutsOf(text: string): readonly RecordLayout[] {
  const entries = parseCopybook(text);
  const records: RecordLayout[] = [];
  for (let at = 0; at < entries.length; ) {
    const top = entries[at];
    if (!top) break;
    const named01 = top.level === 1;
    let end = named01 ? at + 1 : entries.length;
    while (named01 && end < entries.length && entries[end]?.level !== 1) end++;
    const elementary = named01 && end === at + 1;
    const name = (named01 ? top.name : undefined) ?? `RECORD-${records.length + 1}`;
    const group = groupOf(entries.slice(named01 && !elementary ? at + 1 : at, end), top, '', named01 ? top.usage : undefined);
    const length = group.slots.reduce((sum, slot) => sum + slot.size, 0);
    if (records.some((record) => record.name === name)) throw new CopybookProblem(top.line, `the record ${name} is there twice`);
    if (length > LARGEST) throw new CopybookProblem(top.line, `${name} has ${length} bytes, more than ${LARGEST}`);
    const values = leaves(group);
    if (values > MOST_VALUES) throw new CopybookProblem(top.line, `${name} has ${values} values, more than ${MOST_VALUES}: its OCCURS are too large`);
    checkAlignment(group, 0, []);
    records.push({ name, group, length });
    at = end;
  }
  return records;
}

function groupOf(entries: readonly Entry[], owner: Entry, path: string, usage: Usage | undefined): Group {
  const slots: { members: Member[]; size: number }[] = [];
  const level = entries[0]?.level ?? 0;
  let fillers = 0;
  for (let at = 0; at < entries.length; ) {
    const entry = entries[at];
    if (!entry) break;
    if (entry.level !== level) throw new CopybookProblem(entry.line, `level ${entry.level} fits neither above nor below level ${level}`);
    let end = at + 1;
    while ((entries[end]?.level ?? 0) > level) end++;
    const name = entry.name?.replaceAll('-', '_') ?? (entry.occurs ? `FILLER_${++fillers}` : '');
    const member = memberOf(entry, entries.slice(at + 1, end), name, name === '' || path === '' ? path + name : `${path}.${name}`, usage);
    const size = member.size * (entry.occurs?.max ?? 1);
    // A record that redefines another one at level 01 is a record of its own.
    if (entry.redefines === undefined || entry.level === 1) slots.push({ members: [member], size });
    else {
      const slot = slots.at(-1);
      if (!slot) throw new CopybookProblem(entry.line, `REDEFINES ${entry.redefines}: there is nothing before it`);
      if (slot.members.every((other) => other.cobol !== entry.redefines)) {
        throw new CopybookProblem(entry.line, `REDEFINES ${entry.redefines}: it must follow that item at the same level, with nothing else between`);
      }
      if (member.variable || slot.members.some((other) => other.variable)) throw new CopybookProblem(entry.line, 'REDEFINES of a table with DEPENDING ON has no certain length');
      slot.members.push(member);
      slot.size = Math.max(slot.size, size);
    }
    at = end;
  }
  if (slots.length === 0) throw new CopybookProblem(owner.line, `${owner.name ?? 'FILLER'} has neither PICTURE nor anything below it`);
  const group: Group = { kind: 'group', slots };
  const names = new Set<string>();
  for (const { name, line } of named(group)) {
    if (names.has(name)) throw new CopybookProblem(line, `${name} is there twice in one group`);
    names.add(name);
  }
  return group;
}

function memberOf(entry: Entry, below: readonly Entry[], name: string, path: string, inherited: Usage | undefined): Member {
  const usage = entry.usage ?? inherited;
  if (below.length > 0 && entry.picture !== undefined) throw new CopybookProblem(entry.line, `${entry.name ?? 'FILLER'} has a PICTURE and items below it`);
  const content = below.length > 0 ? groupOf(below, entry, path, usage) : itemOf(entry, usage ?? 'display');
  const size = content.kind === 'item' ? content.size : content.slots.reduce((sum, slot) => sum + slot.size, 0);
  const inner = content.kind === 'group' && content.slots.some((slot) => slot.members.some((member) => member.variable));
  return { cobol: entry.name, name, path, line: entry.line, content, size, occurs: entry.occurs, variable: inner || entry.occurs?.dependingOn !== undefined };
}

function itemOf(entry: Entry, usage: Usage): Item {
  const stop = (problem: string): never => {
    throw new CopybookProblem(entry.line, `${entry.name ?? 'FILLER'}: ${problem}`);
  };
  const item = (of: Pick<Item, 'usage' | 'size'> & Partial<Item>): Item => ({ kind: 'item', digits: 0, scale: 0, sign: 'none', boundary: 1, ...of });
  const boundary = (bytes: number): number => (entry.synchronized ? bytes : 1);
  if (usage === 'float' || usage === 'double') {
    const size = usage === 'float' ? 4 : 8;
    if (entry.picture !== undefined) return stop('COMP-1 and COMP-2 have no PICTURE');
    return item({ usage, size, sign: 'trailing', boundary: boundary(size) });
  }
  if (entry.picture === undefined) return stop('neither PICTURE nor anything below it');
  const picture = parsePicture(entry.picture);
  if (typeof picture === 'string') return stop(picture);
  if (picture.kind === 'text') return usage === 'display' ? item({ usage: 'text', size: picture.length }) : stop(`a PICTURE of characters with USAGE ${usage}`);
  const { digits, scale, signed } = picture;
  const sign = signed ? (entry.sign ?? 'trailing') : 'none';
  if (usage === 'display') return item({ usage, size: digits + (sign.endsWith('separate') ? 1 : 0), digits, scale, sign });
  if (usage === 'packed') return item({ usage, size: (digits >> 1) + 1, digits, scale, sign });
  if (digits > 18) return stop('a binary number has at most 18 digits');
  const size = digits < 5 ? 2 : digits < 10 ? 4 : 8;
  return item({ usage, size, digits, scale, sign, boundary: boundary(Math.min(size, 4)) });
}

/** Members that become fields of a group's record; those of a FILLER group are fields of the group around it. */
export function* named(group: Group): Generator<Member> {
  for (const { members } of group.slots) {
    for (const member of members) {
      if (member.name !== '') yield member;
      else if (member.content.kind === 'group') yield* named(member.content);
    }
  }
}

function leaves(content: Group | Item): number {
  if (content.kind === 'item') return 1;
  return content.slots.reduce((sum, slot) => sum + slot.members.reduce((all, member) => all + leaves(member.content) * (member.occurs?.max ?? 1), 0), 0);
}

/** SYNCHRONIZED adds slack bytes where an item is not on its boundary; where every one is, it changes nothing. */
function checkAlignment(group: Group, start: number, tables: readonly number[]): void {
  let from = start;
  for (const { members, size } of group.slots) {
    for (const { content, occurs, size: one, line, cobol } of members) {
      const inside = occurs ? [...tables, one] : tables;
      if (content.kind === 'group') checkAlignment(content, from, inside);
      else if (content.boundary > 1 && [from, ...inside].some((bytes) => bytes % content.boundary !== 0)) {
        throw new CopybookProblem(line, `${cobol ?? 'FILLER'} is SYNCHRONIZED and not on its boundary: write the slack bytes as FILLER and take SYNC away`);
      }
    }
    // What follows a table of variable length stands on no certain boundary.
    from = members.some(({ variable }) => variable) ? Number.NaN : from + size;
  }
}
