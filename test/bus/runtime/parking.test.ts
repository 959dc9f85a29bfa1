import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Received } from '../../../bus/broker.js';
import { systemClock } from '../../../bus/runtime/clock.js';
import { DeliveryJournal } from '../../../bus/runtime/delivery-journal.js';
import { type LaneEntry, Lanes } from '../../../bus/runtime/lanes.js';
import { Parking } from '../../../bus/runtime/parking.js';
import { Telemetry } from '../../../bus/runtime/telemetry.js';
import { recordingLog } from '../../kit/fakes.js';
import { startWorld, type World } from './harness.js';

let world: World;
beforeEach(async () => {
  world = await startWorld();
});
afterEach(() => world.close());

test('what was handed out in a session that has ended is not parked: its entry stays ours to give back', async () => {
  const begun: LaneEntry[] = [];
  const lanes = new Lanes(
    systemClock,
    64,
    (entry) => begun.push(entry),
    () => undefined,
  );
  const session = new AbortController();
  const nothing = (): void => undefined;
  const received: Received = { id: 'd1', headers: {}, body: new Uint8Array(), redelivered: false, deliveryCount: 0, session: session.signal, ack: nothing, requeue: nothing };
  lanes.add('p1', 'A', received);
  const [entry] = begun;
  if (!entry?.begin()) throw new Error('it was not begun');
  session.abort(new Error('the connection was lost'));
  const services = { store: world.store, clock: systemClock, log: recordingLog(), telemetry: new Telemetry('test'), node: 'test' };
  const journal = new DeliveryJournal({ name: 'out.things', usesLedger: true, onUnknown: 'resend' }, services, services.log);
  const parking = new Parking('out.things', world.store, journal, () => 0);
  await expect(parking.park(entry, { code: 'E473', reason: 'no' }, AbortSignal.timeout(5_000))).rejects.toThrow('the connection was lost');
  expect(await world.store.parked.lanes({ limit: 10 })).toEqual([]);
  // As the target does then: the lane is free for the message when it comes again.
  entry.requeue();
  lanes.add('p1', 'A', { ...received, session: new AbortController().signal });
  expect(begun).toHaveLength(2);
});
