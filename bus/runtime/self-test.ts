import { randomUUID } from 'node:crypto';
import type { Clock } from '../../adapters/contract/services.js';
import type { Broker, Received } from '../broker.js';
import { type Diagnosis, fine, problem, warning } from '../diagnosis.js';
import { describe } from '../errors.js';
import { PROBE_CHANNEL } from './channels.js';

const STEP_MS = 1_000;
const LATE_MS = 5_000;
const WAIT_MS = 20_000;
/** A message of another test is left to it, unless nobody can be waiting for it any more. */
const STALE_MS = 60_000;
const SENT = 'sb-sent';

/** Sends a message through the shortest step of the retry ladder, on a channel of its own, and sees it come back. */
export async function testRetry(broker: Broker, clock: Clock, signal: AbortSignal): Promise<Diagnosis> {
  const check = 'bus.retry';
  const id = randomUUID();
  const back = Promise.withResolvers<void>();
  const taken: Received[] = [];
  const onMessage = (received: Received): void => {
    taken.push(received);
    if (received.id === id) back.resolve();
  };
  try {
    await broker.declare(PROBE_CHANNEL);
    const consumer = await broker.consume(PROBE_CHANNEL.name, { prefetch: 64 }, onMessage);
    const late = new AbortController();
    try {
      const sent = clock.monotonic();
      await broker.publishLater(PROBE_CHANNEL.name, { id, headers: { [SENT]: clock.now().getTime() }, body: new Uint8Array() }, STEP_MS);
      const limit = AbortSignal.any([signal, late.signal]);
      const isBack = await Promise.race([back.promise.then(() => true), clock.sleep(WAIT_MS, limit).then(() => false)]);
      const took = clock.monotonic() - sent;
      const why = 'a delivery that failed is tried again only when it comes back from the retry ladder';
      const fix = '`signalbox doctor` shows queues with other properties, policies and rights; look for the message in the queues `*.delay.1` and `*.doctor.g1`';
      if (!isBack) return problem(check, `a message for the 1 s step of the retry ladder was not back after ${WAIT_MS / 1000} s`, why, fix);
      const found = `a message came back from the 1 s step of the retry ladder after ${(took / 1000).toFixed(1)} s`;
      return took > STEP_MS + LATE_MS ? warning(check, found, 'attempts come later than they should', fix) : fine(check, found);
    } finally {
      late.abort();
      const now = clock.now().getTime();
      for (const received of taken) if (received.id === id || !(now - Number(received.headers[SENT]) < STALE_MS)) received.ack();
      await consumer.close(AbortSignal.abort());
    }
  } catch (error) {
    return problem(
      check,
      `the retry ladder could not be tested: ${describe(error)}`,
      'a delivery that failed may not be tried again',
      '`signalbox doctor` shows what is wrong with the bus',
    );
  }
}
