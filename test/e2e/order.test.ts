import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Message } from '../../bus/message.js';
import { type Signalbox, startSignalbox } from '../../signalbox.js';
import { until } from './run.js';

const config = `systems:
  erp:
    adapter: file
    connect: {root: ROOT}
    write:
      orders:
        path: "{key}.dat"
        fixed_width: {fields: [{name: NO, width: 4, type: text}]}
types:
  Order: {id: required text, customer: required text, text: required text}
routes:
  orders-out:
    subscribe: Order
    order_by: order.customer
    deliver: [{name: erp, to: erp.orders, map: {NO: order.text}}]
`;

let directory: string;
let signalbox: Signalbox;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-order-'));
  mkdirSync(join(directory, 'erp'));
  writeFileSync(join(directory, 'signalbox.yaml'), config.replace('ROOT', join(directory, 'erp')));
  signalbox = await startSignalbox({ directory, log: { level: 'error' } });
}, 30_000);
afterEach(async () => {
  await signalbox.stop('the test is over');
  rmSync(directory, { recursive: true, force: true });
});

const order = (id: string, customer: string, text = 'good'): Message => ({
  specversion: '1.0',
  id,
  source: '/test',
  type: 'Order',
  subject: id,
  time: '2026-03-02T08:00:00.000Z',
  datacontenttype: 'application/json',
  data: { id, customer, text },
  wire: {},
});
const files = (): readonly string[] => {
  try {
    return readdirSync(join(directory, 'erp'))
      .filter((name) => name.endsWith('.dat'))
      .sort();
  } catch {
    return []; // nothing was delivered yet
  }
};

test('a key whose order does not fit its file is parked; the others go on; discarded and released, the rest follows', async () => {
  const { service } = signalbox;
  await signalbox.publish(order('o1', 'C1', 'too long for its field'));
  await signalbox.publish(order('o2', 'C1'));
  await signalbox.publish(order('o3', 'C2'));
  await until(async () => (await service.status()).parkedBy[0]?.deliveries === 2, 'both of C1 are parked', 20_000);
  await until(() => files().length === 1, 'C2 is delivered', 20_000);
  expect(files()).toEqual(['o3.dat']);
  const [lane] = await service.parkedLanes({ limit: 10 });
  expect(lane).toMatchObject({ endpoint: 'erp.orders', lane: 'C1', count: 2, released: false });
  const [first, second] = await service.parkedDeliveries('erp.orders', 'C1', 10);
  expect([first?.key, second?.key, second?.code]).toEqual(['o1', 'o2', 'E570']);
  expect((await service.findMessages('o2')).map(({ state }) => state)).toEqual(['parked']);

  await expect(service.releaseParked('erp.orders', 'C9', { who: 'anna' })).rejects.toThrow('nothing of "C9" is parked');
  await service.discardParked(first?.deliveryId ?? '', { who: 'anna', reason: 'a test order' });
  expect(await service.releaseParked('erp.orders', 'C1', { who: 'anna', reason: 'repaired' })).toBe(1);
  await until(() => files().includes('o2.dat'), 'o2 is delivered', 20_000);
  await until(async () => (await service.parkedLanes({ limit: 10 })).length === 0, 'nothing is parked', 20_000);
  expect((await service.findMessages('o1')).map(({ state }) => state)).toEqual(['filtered']);
  const waiting = (await service.systems()).flatMap(({ endpoints }) => endpoints).map((endpoint) => [endpoint.name, endpoint.waiting]);
  expect(waiting).toEqual([['erp.orders', 0]]);
}, 60_000);
