// A record of a copybook as bytes. What the payload leaves out is spaces in text and zero in numbers, as INITIALIZE does.

import { Decimal, InvalidMessage, isRecord, type Value, type ValueRecord } from '../../contract/index.js';
import { writeBinary, writeFloat, writePacked, writeZoned } from '../cobol-numbers.js';
import { plainText } from '../csv-write.js';
import { encodeText } from '../encodings.js';
import { type Group, type Item, type Member, named, type Slot } from './layout.js';
import { type Form, memberNamed, zonedOf } from './read.js';

interface Pen {
  readonly form: Form;
  readonly parts: Buffer[];
  /** Values of the deciding items, as they are written. */
  readonly decided: Map<string, Value>;
  /** Lengths of the tables that DEPENDING ON items count. */
  readonly counts: ReadonlyMap<string, number>;
}

/** @throws InvalidMessage naming the item */
export function writeGroup(group: Group, payload: ValueRecord, form: Form): Buffer {
  const counts = new Map<string, number>();
  countTables(group, payload, counts);
  const pen: Pen = { form, parts: [], decided: new Map(), counts };
  writeMembers(group, payload, '', pen);
  return Buffer.concat(pen.parts);
}

/** Tables whose length another item holds, outside of other tables. */
function countTables(group: Group, payload: ValueRecord, counts: Map<string, number>): void {
  for (const member of named(group)) {
    const value = payload[member.name];
    if (member.occurs?.dependingOn !== undefined) counts.set(member.occurs.dependingOn, Array.isArray(value) ? value.length : 0);
    else if (!member.occurs && member.content.kind === 'group' && isRecord(value)) countTables(member.content, value, counts);
  }
}

function writeMembers(group: Group, payload: ValueRecord, path: string, pen: Pen): void {
  const known = new Set([...named(group)].map(({ name }) => name));
  const unknown = Object.keys(payload).find((name) => !known.has(name));
  if (unknown !== undefined) throw new InvalidMessage('E348', `there is no item "${unknown}"${path === '' ? '' : ` in ${path}`}; items: ${[...known].join(', ').slice(0, 500)}`);
  writeSlots(group, payload, pen);
}

function writeSlots(group: Group, payload: ValueRecord, pen: Pen): void {
  for (const slot of group.slots) {
    const before = pen.parts.length;
    const member = slot.members.length === 1 ? slot.members[0] : chosen(slot, payload, pen);
    if (member?.name === '' && member.content.kind === 'group') writeSlots(member.content, payload, pen);
    else if (member) writeMember(member, payload[member.name] ?? null, pen);
    if (slot.members.length === 1) continue;
    const written = pen.parts.slice(before).reduce((sum, part) => sum + part.length, 0);
    if (written < slot.size) pen.parts.push(blank(slot.size - written, pen.form));
  }
}

/** The one that is in the payload, else the one the rule says. */
function chosen(slot: Slot, payload: ValueRecord, { form, decided }: Pen): Member | undefined {
  const given = slot.members.filter(({ name }) => name !== '' && payload[name] !== undefined && payload[name] !== null);
  if (given.length > 1) throw new InvalidMessage('E348', `${given.map(({ name }) => name).join(' and ')} stand in the same place: give one`);
  if (given[0]) return given[0];
  const rule = form.options.redefines[slot.members[0]?.cobol ?? ''];
  if (!rule) return slot.members[0];
  if ('use' in rule) return memberNamed(slot, rule.use);
  const value = decided.get(rule.by);
  const text = typeof value === 'string' ? value.trim() : String(value);
  const name = (Object.hasOwn(rule.when, text) ? rule.when[text] : undefined) ?? rule.otherwise;
  return name === undefined ? slot.members[0] : memberNamed(slot, name);
}

function writeMember(member: Member, value: Value, pen: Pen): void {
  const { occurs, path } = member;
  if (!occurs) {
    writeOne(member, value, pen);
    return;
  }
  if (value !== null && !Array.isArray(value)) throw new InvalidMessage('E348', `${path} takes a list`);
  const list = (value ?? []) as readonly Value[];
  if (list.length > occurs.max) throw new InvalidMessage('E343', `${path} takes at most ${occurs.max} elements, not ${list.length}`);
  const times = occurs.dependingOn === undefined ? occurs.max : list.length;
  if (occurs.dependingOn !== undefined) {
    if (times < occurs.min) throw new InvalidMessage('E343', `${path} takes at least ${occurs.min} elements, not ${times}`);
    const said = plainText(pen.decided.get(occurs.dependingOn) ?? null, occurs.dependingOn);
    if (said === '' || Number(said) !== times) throw new InvalidMessage('E348', `${path} has ${times} elements, ${occurs.dependingOn} says ${said === '' ? 'nothing' : said}`);
  }
  for (let index = 0; index < times; index++) writeOne(member, list[index] ?? null, pen);
}

function writeOne(member: Member, value: Value, pen: Pen): void {
  const { content, path, cobol } = member;
  if (content.kind === 'group') {
    if (value !== null && !isRecord(value)) throw new InvalidMessage('E348', `${path} takes a record`);
    writeMembers(content, value ?? {}, path, pen);
    return;
  }
  const count = cobol === undefined ? undefined : pen.counts.get(cobol);
  const written = value ?? (count === undefined ? null : BigInt(count));
  if (cobol !== undefined && pen.form.deciding.has(cobol)) pen.decided.set(cobol, written);
  pen.parts.push(itemBytes(content, cobol === undefined ? null : written, path, pen.form));
}

function itemBytes(item: Item, value: Value, path: string, form: Form): Buffer {
  const { options, floats } = form;
  const text = plainText(value, path);
  if (item.usage === 'text') {
    const bytes = encodeText(text, options.encoding, path);
    if (bytes.length > item.size) throw new InvalidMessage('E343', `${path}: the value has ${bytes.length} bytes, the item ${item.size}`);
    return Buffer.concat([bytes, blank(item.size - bytes.length, form)]);
  }
  const number = value === null ? new Decimal(0n, 0) : typeof value === 'boolean' ? undefined : Decimal.parse(text);
  if (!number) throw new InvalidMessage('E344', `${path}: "${text}" is no number`);
  if (item.usage === 'float' || item.usage === 'double') {
    if (floats === 'hexadecimal' && number.unscaled !== 0n) throw new InvalidMessage('E344', `${path}: hexadecimal floating point is read, not written`);
    const bytes = writeFloat(number, item.size, options.byte_order === 'little');
    if (!bytes) throw new InvalidMessage('E344', `${path}: ${number.toString()} cannot be written exactly as ${item.usage === 'float' ? 'COMP-1' : 'COMP-2'}`);
    return bytes;
  }
  const exact = unscaled(number, item.scale);
  if (exact === undefined) throw new InvalidMessage('E344', `${path}: ${number.toString()} has more digits behind the point than the PICTURE`);
  const bytes = numberBytes(item, exact, form);
  if (!bytes) throw new InvalidMessage('E343', `${path}: ${number.toString()} does not fit ${item.sign === 'none' ? 'unsigned ' : ''}${item.digits} digits`);
  return bytes;
}

function numberBytes(item: Item, exact: bigint, { options, ebcdic }: Form): Buffer | undefined {
  const signed = item.sign !== 'none';
  if (item.usage === 'native') return writeBinary(exact, item.size, signed, options.byte_order === 'little');
  if (exact.toString().replace('-', '').length > item.digits) return undefined;
  if (item.usage === 'display') return writeZoned(exact, item.size, zonedOf(item, ebcdic, options));
  return item.usage === 'packed' ? writePacked(exact, item.digits, signed) : writeBinary(exact, item.size, signed, false);
}

function unscaled(number: Decimal, scale: number): bigint | undefined {
  if (scale >= 0) return number.withScale(scale)?.unscaled;
  const whole = number.withScale(0)?.unscaled;
  const unit = 10n ** BigInt(-scale);
  return whole !== undefined && whole % unit === 0n ? whole / unit : undefined;
}

function blank(length: number, { ebcdic }: Form): Buffer {
  return Buffer.alloc(length, ebcdic ? 0x40 : 0x20);
}
