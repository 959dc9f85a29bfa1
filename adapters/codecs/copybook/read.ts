// A record of a copybook from its bytes.

import { Decimal, InvalidMessage, newRecord, type Value } from '../../contract/index.js';
import { readBinary, readFloat, readPacked, readZoned, type Zoned } from '../cobol-numbers.js';
import { decodeText } from '../encodings.js';
import type { Group, Item, Member, Slot } from './layout.js';
import type { CopybookOptions } from './options.js';

export interface Form {
  readonly options: CopybookOptions;
  readonly ebcdic: boolean;
  readonly floats: 'ieee' | 'hexadecimal';
  /** Items that decide over others: DEPENDING ON, `by`. */
  readonly deciding: ReadonlySet<string>;
}

interface Cursor {
  readonly bytes: Buffer;
  readonly form: Form;
  /** Where the record starts in its file. */
  readonly offset: number;
  at: number;
  /** Values of the deciding items read last. */
  readonly decided: Map<string, Value>;
}

/** The record, and how many of the bytes it took. @throws InvalidMessage naming the item */
export function readGroup(group: Group, bytes: Buffer, offset: number, form: Form): { readonly value: Record<string, Value>; readonly length: number } {
  const cursor: Cursor = { bytes, form, offset, at: 0, decided: new Map() };
  const value = newRecord();
  readInto(value, group, cursor);
  return { value, length: cursor.at };
}

function readInto(record: Record<string, Value>, group: Group, cursor: Cursor): void {
  for (const slot of group.slots) {
    const start = cursor.at;
    const member = slot.members.length === 1 ? slot.members[0] : choose(slot, cursor);
    if (!member) continue;
    if (member.name !== '') record[member.name] = readMember(member, cursor);
    else if (member.content.kind === 'group') readInto(record, member.content, cursor);
    else cursor.at += member.size;
    if (slot.members.length > 1) cursor.at = start + slot.size;
  }
  if (cursor.at > cursor.bytes.length) throw tooShort(cursor);
}

function readMember(member: Member, cursor: Cursor): Value {
  if (!member.occurs) return readOne(member, cursor);
  const times = occurrences(member, cursor);
  const list: Value[] = [];
  for (let index = 0; index < times; index++) list.push(readOne(member, cursor));
  return list;
}

function readOne(member: Member, cursor: Cursor): Value {
  if (member.content.kind === 'group') {
    const record = newRecord();
    readInto(record, member.content, cursor);
    return record;
  }
  const value = readItem(member, member.content, cursor, cursor.at);
  cursor.at += member.size;
  if (member.cobol !== undefined && cursor.form.deciding.has(member.cobol)) cursor.decided.set(member.cobol, value);
  return value;
}

function occurrences({ occurs, path }: Member, cursor: Cursor): number {
  if (!occurs) return 1;
  if (occurs.dependingOn === undefined) return occurs.max;
  const count = cursor.decided.get(occurs.dependingOn);
  const times = typeof count === 'bigint' || typeof count === 'string' ? Number(count) : Number.NaN;
  if (times >= occurs.min && times <= occurs.max) return times;
  throw new InvalidMessage('E355', `${path}: ${occurs.dependingOn} says ${String(count)} occurrences, allowed are ${occurs.min} to ${occurs.max}`);
}

/** Which of the members that redefine each other it is. */
function choose(slot: Slot, cursor: Cursor): Member {
  const [first] = slot.members;
  const rule = cursor.form.options.redefines[first?.cobol ?? ''];
  if (!rule || !first) throw new InvalidMessage('E355', `nothing says which item redefines ${first?.cobol ?? 'FILLER'}`);
  if ('use' in rule) return memberNamed(slot, rule.use);
  const value = peek(slot, rule.by, cursor) ?? cursor.decided.get(rule.by);
  const text = typeof value === 'string' ? value.trim() : String(value);
  const name = (Object.hasOwn(rule.when, text) ? rule.when[text] : undefined) ?? rule.otherwise;
  if (name === undefined) throw new InvalidMessage('E355', `${first.path}: ${rule.by} is "${text}", and redefines says nothing for it`);
  return memberNamed(slot, name);
}

export function memberNamed(slot: Slot, name: string): Member {
  const member = slot.members.find(({ cobol }) => cobol === name);
  if (!member) throw new InvalidMessage('E355', `no item ${name} redefines ${slot.members[0]?.cobol ?? 'FILLER'}`);
  return member;
}

/** The deciding item inside the members themselves, at its fixed place. */
function peek(slot: Slot, name: string, cursor: Cursor): Value | undefined {
  for (const member of slot.members) {
    const found = findItem(member, name, 0);
    if (found) return readItem(found.member, found.item, cursor, cursor.at + found.at);
  }
  return undefined;
}

function findItem(member: Member, name: string, at: number): { readonly member: Member; readonly item: Item; readonly at: number } | undefined {
  if (member.occurs) return undefined;
  if (member.content.kind === 'item') return member.cobol === name ? { member, item: member.content, at } : undefined;
  let from = at;
  for (const { members, size } of member.content.slots) {
    for (const inner of members) {
      const found = findItem(inner, name, from);
      if (found) return found;
    }
    if (members.some(({ variable }) => variable)) return undefined;
    from += size;
  }
  return undefined;
}

function readItem(member: Member, item: Item, cursor: Cursor, at: number): Value {
  const bytes = cursor.bytes.subarray(at, at + item.size);
  if (bytes.length < item.size) throw tooShort(cursor);
  try {
    return itemValue(bytes, item, cursor.form, cursor.offset + at);
  } catch (error) {
    if (!(error instanceof InvalidMessage)) throw error;
    throw new InvalidMessage(error.code, `${member.path} at byte ${at + 1} (${bytes.subarray(0, 32).toString('hex')})`, { cause: error });
  }
}

function itemValue(bytes: Buffer, item: Item, { options, ebcdic, floats }: Form, offset: number): Value {
  const { usage, scale, sign } = item;
  if (usage === 'text') {
    // LOW-VALUES: nothing was ever moved there.
    if (bytes[0] === 0 && bytes.every((byte) => byte === 0)) return null;
    return trimmed(decodeText(bytes, options.encoding, offset));
  }
  if (usage === 'float' || usage === 'double') return readFloat(bytes, floats, floats === 'ieee' && options.byte_order === 'little');
  if (usage === 'display') {
    const [first] = bytes;
    if ((first === (ebcdic ? 0x40 : 0x20) || first === 0) && bytes.every((byte) => byte === first)) return null;
    const number = readZoned(bytes, zonedOf(item, ebcdic, options));
    if (options.digits === 'text' && sign === 'none' && scale === 0) return number.toString().padStart(bytes.length, '0');
    return scaled(number, scale);
  }
  if (usage === 'packed') {
    const number = readPacked(bytes);
    if (number < 0n && sign === 'none') throw new InvalidMessage('E355', 'a sign where the PICTURE has none');
    return scaled(number, scale);
  }
  return scaled(readBinary(bytes, sign !== 'none', usage === 'native' && options.byte_order === 'little'), scale);
}

export function zonedOf({ sign }: Item, ebcdic: boolean, { overpunch }: CopybookOptions): Zoned {
  return { ebcdic, sign, overpunch };
}

function scaled(number: bigint, scale: number): Value {
  return scale > 0 ? new Decimal(number, scale) : scale === 0 ? number : number * 10n ** BigInt(-scale);
}

function trimmed(text: string): string {
  let to = text.length;
  while (to > 0 && text.charCodeAt(to - 1) === 0x20) to--;
  return text.slice(0, to);
}

function tooShort({ bytes, at }: Cursor): InvalidMessage {
  return new InvalidMessage('E347', `the record has ${bytes.length} bytes, its copybook needs more than ${Math.min(at, bytes.length)}`);
}
