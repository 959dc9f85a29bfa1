import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { EventKind } from '../../../bus/store/contract.js';
import { applyEvent, countParts, type Parts, partsFromText, partsToText } from '../../../bus/store/summary.js';

type Event = { readonly kind: EventKind; readonly deliveryId?: string };

const KINDS: readonly EventKind[] = ['received', 'mapped', 'filtered', 'duplicate', 'queued', 'delivered', 'retry', 'dead', 'parked', 'redelivered', 'discarded', 'note'];
const kind = fc.constantFrom(...KINDS);
const anyEvent: fc.Arbitrary<Event> = fc.oneof(fc.record({ kind }), fc.record({ kind, deliveryId: fc.constantFrom('a', 'b', 'c\n"') }));

function partsOf(events: readonly Event[]): Parts {
  const parts: Parts = new Map();
  for (const event of events) applyEvent(parts, event);
  return parts;
}

describe('the state of a message', () => {
  test('an event written twice changes nothing', () => {
    fc.assert(fc.property(fc.array(anyEvent), (events) => expect(partsOf(events.flatMap((event) => [event, event]))).toEqual(partsOf(events))));
  });

  test('it does not matter in how many appends the events come', () => {
    fc.assert(
      fc.property(fc.array(anyEvent), fc.nat(20), (events, cut) => {
        const parts = partsFromText(partsToText(partsOf(events.slice(0, cut))));
        for (const event of events.slice(cut)) applyEvent(parts, event);
        expect(parts).toEqual(partsOf(events));
      }),
    );
  });

  test('a delivery that was made stays made, whatever is written after it', () => {
    fc.assert(
      fc.property(fc.array(anyEvent), (events) => {
        const parts = partsOf([{ kind: 'delivered', deliveryId: 'a' }, ...events]);
        expect(parts.get('a')).toBe('d');
        expect(countParts(parts).delivered).toBeGreaterThan(0);
      }),
    );
  });

  test('a retry that is written after the last attempt failed reopens nothing', () => {
    for (const last of ['dead', 'discarded', 'delivered', 'parked'] as const) {
      const parts = partsOf([
        { kind: 'queued', deliveryId: 'a' },
        { kind: last, deliveryId: 'a' },
        { kind: 'retry', deliveryId: 'a' },
      ]);
      expect(countParts(parts).state).toBe(last === 'discarded' ? 'filtered' : last);
    }
    expect(
      countParts(
        partsOf([
          { kind: 'dead', deliveryId: 'a' },
          { kind: 'redelivered', deliveryId: 'a' },
          { kind: 'retry', deliveryId: 'a' },
        ]),
      ).state,
    ).toBe('active');
  });

  test('publishing again after a crash reopens nothing', () => {
    const ended = fc.constantFrom<EventKind>('delivered', 'dead', 'parked', 'discarded');
    fc.assert(
      fc.property(ended, (last) => {
        const once = partsOf([
          { kind: 'queued', deliveryId: 'a' },
          { kind: last, deliveryId: 'a' },
        ]);
        const again = partsOf([{ kind: last, deliveryId: 'a' }, { kind: 'received' }, { kind: 'queued', deliveryId: 'a' }]);
        expect(countParts(again)).toEqual(countParts(once));
      }),
    );
  });
});
