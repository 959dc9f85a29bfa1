// How the state of a message follows from its events: the rule of MessageState, the same for every store.
import type { HistoryEvent, MessageState } from './contract.js';

/** State of each part by its delivery id; the message itself is the part ''. Kept by the store beside the message. */
export type Parts = Map<string, PartState>;
/** open, delivered, dead, parked, closed (discarded), filtered. One letter, since it is stored. */
type PartState = 'o' | 'd' | 'x' | 'p' | 'c' | 'f';

export interface PartCounts {
  readonly state: MessageState;
  readonly queued: number;
  readonly delivered: number;
  readonly dead: number;
}

/** Applies one event to `parts`. Applying events twice, or `queued` late, ends in the same state. */
export function applyEvent(parts: Parts, event: Pick<HistoryEvent, 'kind' | 'deliveryId'>): void {
  const id = event.deliveryId ?? '';
  const before = parts.get(id);
  if (before === 'd') return;
  switch (event.kind) {
    case 'queued':
      if (before === undefined || before === 'f') parts.set(id, 'o');
      return;
    case 'retry':
      // It may be written after the later attempt has come to its end, here or on another node.
      if (before !== 'x' && before !== 'c' && before !== 'p') parts.set(id, 'o');
      return;
    case 'redelivered':
      if (id === '') parts.delete(id);
      else parts.set(id, 'o');
      return;
    case 'delivered':
      parts.set(id, 'd');
      return;
    case 'duplicate':
      if (id !== '') parts.set(id, 'd');
      else if (parts.size === 0) parts.set(id, 'f');
      return;
    case 'dead':
      parts.set(id, 'x');
      return;
    case 'parked':
      parts.set(id, 'p');
      return;
    case 'discarded':
      parts.set(id, 'c');
      return;
    case 'filtered':
      parts.set(id, 'f');
      return;
    case 'received':
    case 'mapped':
    case 'note':
      return;
  }
}

export function countParts(parts: Parts): PartCounts {
  const count: Record<PartState, number> = { o: 0, d: 0, x: 0, p: 0, c: 0, f: 0 };
  for (const state of parts.values()) count[state] += 1;
  const itself = parts.get('');
  const queued = itself === undefined || itself === 'o' || itself === 'd' ? parts.size : parts.size - 1;
  return { state: stateOf(count, parts.size), queued, delivered: count.d, dead: count.x };
}

function stateOf(count: Readonly<Record<PartState, number>>, parts: number): MessageState {
  if (count.x > 0) return 'dead';
  if (count.o > 0 || parts === 0) return 'active';
  if (count.p > 0) return 'parked';
  return count.d > 0 ? 'delivered' : 'filtered';
}

export function partsToText(parts: Parts): string {
  return parts.size === 0 ? '' : JSON.stringify([...parts]);
}

export function partsFromText(text: string): Parts {
  return new Map(text === '' ? [] : (JSON.parse(text) as [string, PartState][]));
}
