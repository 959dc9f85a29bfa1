import { expect, test } from '@jest/globals';
import type { Received } from '../../../bus/broker.js';
import { systemClock } from '../../../bus/runtime/clock.js';
import { type LaneEntry, Lanes } from '../../../bus/runtime/lanes.js';

const session = new AbortController().signal;

function received(id: string, acked: string[]): Received {
  return { id, headers: {}, body: new Uint8Array(), redelivered: false, deliveryCount: 0, session, ack: () => acked.push(id), requeue: () => undefined };
}

test('a copy keeps the place of the first and ends with it, unless its end was decided before: then somebody handed it out again', () => {
  const begun: LaneEntry[] = [];
  const lanes = new Lanes(
    systemClock,
    64,
    (entry) => begun.push(entry),
    () => undefined,
  );
  const acked: string[] = [];
  lanes.add('p1', 'A', received('d1', acked));
  lanes.add('p1', 'A', received('d1', acked));
  const [first] = begun;
  if (!first?.begin()) throw new Error('it was not begun');
  first.isDecided = true;
  lanes.add('p1', 'A', received('d1', acked));
  first.ack();
  expect(acked).toEqual(['d1', 'd1']);
  expect(begun).toHaveLength(2);
  expect(begun[1]?.id).toBe('d1');
});
