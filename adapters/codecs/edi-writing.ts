// One interchange from payloads of the shape that is read, with the counts that belong to it.

import { InvalidMessage, isRecord, type ValueRecord, writeJson } from '../contract/index.js';
import { type Element, flatten, type Groups, type Separators, single, writeSegment } from './edi.js';

export interface Envelopes {
  readonly separators: Separators;
  readonly encoding: string;
  readonly groups: Groups;
  readonly lineBreaks: boolean;
  readonly message: readonly [string, string];
  readonly group: readonly [string, string];
  /** Tags of `interchange[1]`; its header is written by the caller. */
  readonly end: string;
  readonly groupsRequired: boolean;
  interchangeReference(header: Fields): string;
  groupHeader(header: Fields): { readonly elements: readonly Element[]; readonly reference: string };
  messageHeader(header: Fields): { readonly elements: readonly Element[]; readonly reference: string };
}

/** Fields of a header as text; `needed` throws when there is none. */
export interface Fields {
  text(name: string): string;
  needed(name: string): string;
}

export function fieldsOf(value: unknown, place: string): Fields {
  const record = value as ValueRecord;
  if (value === undefined || value === null || !isRecord(record)) throw new InvalidMessage('E348', `the payload has no record ${place}`);
  const text = (name: string): string => single(record[name], `${place}.${name}`);
  return {
    text,
    needed(name) {
      const found = text(name);
      if (found === '') throw new InvalidMessage('E348', `${place}.${name} has no value`);
      return found;
    },
  };
}

/** @throws InvalidMessage */
export function writeInterchange(payloads: readonly ValueRecord[], header: (fields: Fields) => readonly Buffer[], envelopes: Envelopes): Uint8Array {
  const [first] = payloads;
  if (!first) throw new InvalidMessage('E348', 'an interchange has at least one message');
  const same = writeJson(first['interchange'] ?? null);
  if (payloads.some((payload) => writeJson(payload['interchange'] ?? null) !== same)) throw new InvalidMessage('E348', 'the payloads have different interchange headers');
  const interchange = fieldsOf(first['interchange'], 'interchange');
  const parts: Buffer[] = [...header(interchange)];
  const segment = (name: string, elements: readonly Element[]): void => {
    parts.push(writeSegment(name, elements, envelopes.separators, envelopes.encoding));
  };
  let [groups, messages, inGroup] = [0, 0, 0];
  let open: { readonly json: string; readonly reference: string } | undefined;
  const closeGroup = (): void => {
    if (open) segment(envelopes.group[1], [[String(inGroup)], [open.reference]]);
    open = undefined;
  };
  const references = new Set<string>();
  for (const payload of payloads) {
    const group = payload['group'] ?? null;
    const json = writeJson(group);
    if (open?.json !== json) closeGroup();
    if (group === null && (envelopes.groupsRequired || groups > 0)) throw new InvalidMessage('E348', `the payload has no record group, for ${envelopes.group[0]}`);
    if (group !== null && !open) {
      if (groups === 0 && messages > 0) throw new InvalidMessage('E348', 'some payloads have a group and some have none');
      const { elements, reference } = envelopes.groupHeader(fieldsOf(group, 'group'));
      segment(envelopes.group[0], elements);
      open = { json, reference };
      inGroup = 0;
      groups++;
    }
    const { elements, reference } = envelopes.messageHeader(fieldsOf(payload['message'], 'message'));
    if (references.size === references.add(`${groups}/${reference}`).size) throw new InvalidMessage('E348', `two messages have the reference ${reference}`);
    const body = flatten(payload, envelopes.groups);
    segment(envelopes.message[0], elements);
    for (const { tag, elements: own } of body) segment(tag, own);
    segment(envelopes.message[1], [[String(body.length + 2)], [reference]]);
    inGroup++;
    messages++;
  }
  closeGroup();
  segment(envelopes.end, [[String(groups > 0 ? groups : messages)], [envelopes.interchangeReference(interchange)]]);
  const breaks = envelopes.lineBreaks ? parts.map((part) => Buffer.concat([part, Buffer.from('\n')])) : parts;
  return Buffer.concat(breaks);
}
