import { expect, test } from '@jest/globals';
import type { StoredEvent } from '../../bus/store/contract.js';
import { LiveLines } from '../../cli/live.js';

const at = new Date(2026, 2, 2, 9, 14, 2).getTime();
let seq = 0;

test('a message that waits is told once when it begins and once when it is through, with what did not want it', async () => {
  const lines = follow();
  expect(
    await lines.after(received('m1', '4711'), note('erp', 'order.country in ["DE"] is false'), queued('accounting'), queued('shipping'), retry('accounting'), done('shipping')),
  ).toEqual([`09:14:02  4711      legacy > Order > accounting waits (partner answered 503; try 1 of 6, next soon) | shipping ok 5 ms      not erp: order.country in ["DE"]`]);
  expect(await lines.after(retry('accounting'))).toEqual([]);
  expect(await lines.after(retry('accounting'))).toEqual([]);
  expect(await lines.after(done('accounting'))).toEqual([`09:14:02  4711      legacy > Order > accounting ok 5 ms | shipping ok 5 ms      not erp: order.country in ["DE"]`]);
});

test('a message is told when it fails, and again when it was redelivered', async () => {
  const lines = follow();
  expect(await lines.after(received('m1', '4711'), queued('erp'), step('dead', 'erp', { code: 'E473', detail: 'closed' }))).toEqual([
    '09:14:02  4711      legacy > Order > erp x E473 closed      signalbox trace m1',
  ]);
  expect(await lines.after(step('redelivered', 'erp', {}))).toEqual([]);
  expect(await lines.after(done('erp'))).toEqual([expect.stringContaining('4711      legacy > Order > erp ok 5 ms')]);
});

test('nothing an outside system wrote reaches the terminal as it is', async () => {
  const [line] = await follow().after(received('m1', '4\x1b[2J'), queued('erp'), step('dead', 'erp', { code: 'E473', detail: 'a\x1b]0;x\x07\nb' }));
  expect(line).toContain('4\\x1b[2J');
  expect(line).toContain('a\\x1b]0;x\\x07\\nb');
});

function follow(): { after(...events: readonly StoredEvent[]): Promise<readonly string[]> } {
  let waiting: readonly StoredEvent[] = [];
  const printed: string[] = [];
  const tail = async (): Promise<readonly StoredEvent[]> => {
    const events = waiting;
    waiting = [];
    return events;
  };
  const lines = new LiveLines({ tail }, (line) => printed.push(line));
  return {
    after: async (...events) => {
      waiting = events;
      await lines.advance();
      return printed.splice(0);
    },
  };
}

function received(messageId: string, key: string): StoredEvent {
  return { ...common(messageId), kind: 'received', endpoint: 'legacy.orders', message: { source: 'legacy.orders', type: 'Order', key } };
}

function note(rule: string, detail: string): StoredEvent {
  return { ...common('m1'), kind: 'note', route: 'orders-out', rule, detail };
}

function queued(rule: string): StoredEvent {
  return step('queued', rule, {});
}

function retry(rule: string): StoredEvent {
  return step('retry', rule, { code: 'E472', attempt: 1, detail: 'partner answered 503; attempt 1 of 6, next soon' });
}

function done(rule: string): StoredEvent {
  return step('delivered', rule, { attempt: 1, durationMs: 5 });
}

function step(kind: StoredEvent['kind'], rule: string, rest: Partial<StoredEvent>): StoredEvent {
  return { ...common('m1'), kind, route: 'orders-out', rule, endpoint: `${rule}.orders`, deliveryId: `d-${rule}`, ...rest };
}

function common(messageId: string): Pick<StoredEvent, 'seq' | 'messageId' | 'at' | 'revision' | 'node'> {
  seq++;
  return { seq, messageId, at, revision: 1, node: 'test' };
}
