import { expect, test } from '@jest/globals';
import { catalog } from '../../adapters/catalog.js';
import { changedRouting } from '../../config/changes.js';
import type { Configuration } from '../../config/configuration.js';
import { load } from './support/directory.js';

const RECORD = { id: '1', value: { number: '4711' } };
const text = (setting: string): string => `version: 1
${setting}
types: {Order: {number: required text}}
systems:
  shop: {adapter: file, connect: {root: /tmp/a}, read: {orders: {path: in, json: {}}}}
  store: {adapter: file, connect: {root: /tmp/b}, write: {orders: {path: "{id}.json", json: {}}}}
routes:
  in: {from: shop.orders, publish: Order, map: {number: text(record.number)}}
  out: {subscribe: Order, deliver: [{name: all, to: store.orders, map: {number: order.number}}]}
`;

async function loaded(setting: string): Promise<Configuration> {
  const { configuration, diagnostics } = await load({ 'signalbox.yaml': text(setting) }, { specs: catalog });
  if (!configuration) throw new Error(JSON.stringify(diagnostics));
  return configuration;
}

function idsOf(configuration: Configuration): readonly string[] {
  const handler = configuration.compile(1);
  const [outcome] = handler.receive('shop.orders', RECORD, new Date(0));
  expect(handler.messageIds('shop.orders', '1')).toEqual([outcome?.messageId]);
  return [outcome?.messageId ?? '', outcome?.deliveries[0]?.id ?? ''];
}

test('the name of the installation goes into the ids; without one they are as ever', async () => {
  const [plain, one, two, again] = await Promise.all(['', 'installation: plant-1', 'installation: plant-2', 'installation: plant-1'].map(loaded));
  if (!plain || !one || !two || !again) throw new Error('four were loaded');
  expect(idsOf(plain)[0]).toBe('8X9M6X0CWHT0BBFF1RDVG9M0E7');
  expect(idsOf(one)).toEqual(idsOf(again));
  expect(new Set([plain, one, two].flatMap(idsOf)).size).toBe(6);
  expect(changedRouting(plain, one)).toEqual(['installation']);
});

test('a name that is none is refused', async () => {
  const { configuration, diagnostics } = await load({ 'signalbox.yaml': text('installation: Plant 1') }, { specs: catalog });
  expect(configuration).toBeUndefined();
  expect(diagnostics.map(({ message }) => message)).toEqual([expect.stringContaining('expected a short lower-case word')]);
});
