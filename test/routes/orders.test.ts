import { describe, expect, test } from '@jest/globals';
import { Decimal } from '../../bus/decimal.js';
import { InvalidMessage } from '../../bus/errors.js';
import { deliveryId, messageId } from '../../bus/message.js';
import { writeJson } from '../../bus/json.js';
import { handlerOf, now, ordersYaml, recordOf } from './orders.js';

const handler = handlerOf(ordersYaml);

function receive(changes: Readonly<Record<string, unknown>> = {}, id?: string) {
  const [outcome] = handler.receive('legacy.orders', recordOf(changes, id), now);
  if (!outcome) throw new Error('no outcome');
  return outcome;
}

describe('the configuration of the guide', () => {
  test('makes the canonical message', () => {
    const { message, route, notes } = receive();
    expect(route).toBe('orders-in');
    expect(message).toMatchObject({
      specversion: '1.0',
      id: messageId('legacy.orders', '4711', 'orders-in'),
      source: '/legacy/orders',
      type: 'Order',
      subject: '4711',
      time: '2026-03-02T08:00:00.000Z',
      datacontenttype: 'application/json',
    });
    expect(writeJson(message?.data ?? null)).toBe(
      '{"id":"4711","customer":"00000815","country":"CH","currency":"EUR","due":"2026-03-01","total":1234.50,"lines":[{"sku":"A-1","kind":"GOODS","qty":2,"price":600.00},{"sku":"S-1","kind":"SERVICE","qty":1,"price":4.50},{"sku":"A-2","kind":"GOODS","qty":3,"price":10.00}]}',
    );
    expect(notes.map((note) => note.text)).toEqual(expect.arrayContaining(['country 756>CH (table country)', 'due 20260301>2026-03-01 (date yyyyMMdd)']));
  });

  test('delivers by every rule that matches, with deterministic ids', () => {
    const { message, deliveries, failures } = receive();
    expect(failures).toEqual([]);
    expect(deliveries.map(({ rule, endpoint }) => `${rule} ${endpoint}`)).toEqual(['erp erp.orders', 'accounting accounting.BookInvoice', 'shipping shipping.createShipment', 'shipping shipping.createShipment']);
    expect(deliveries[0]).toMatchObject({
      id: deliveryId(message?.id ?? '', 'orders-out', 'erp', 'erp.orders', ''),
      key: '4711',
      payload: { ORDNO: '4711', CUSTNO: '00000815', DUE: '2026-03-01' },
    });
    expect(writeJson(deliveries[1]?.payload ?? null)).toBe('{"Ref":"4711","Amount":1234.50,"Currency":"EUR","PostingDate":"2026-03-02"}');
    expect(deliveries.slice(2).map(({ idempotencyKey, payload }) => [idempotencyKey, writeJson(payload)])).toEqual([
      ['4711/A-1', '{"reference":"4711","sku":"A-1","quantity":2}'],
      ['4711/A-2', '{"reference":"4711","sku":"A-2","quantity":3}'],
    ]);
    expect(receive()).toEqual(receive());
  });

  test('says which rules did not match and why', () => {
    const { deliveries, notes } = receive({ CTRY: '840', AMT: '612,40' });
    expect(deliveries.map(({ rule }) => rule)).toEqual(['shipping', 'shipping']);
    expect(notes.filter((note) => note.kind === 'not-matched').map((note) => `${note.rule}: ${note.text}`)).toEqual([
      'erp: order.country in ["DE", "AT", "CH"] is false',
      'accounting: order.total >= 1000 is false',
    ]);
  });

  test('filters with a reason', () => {
    expect(receive({ STATUS: 'DRAFT' })).toMatchObject({ filtered: 'record.STATUS != "DRAFT" is false', deliveries: [], failures: [] });
  });

  test.each([
    [{ CTRY: '208' }, 'E311', 'no row "208" in table country', 'routes/orders-in/map/country/from'],
    [{ DUE_DT: '20260230' }, 'E304', 'due: "20260230" is no date like yyyyMMdd', 'routes/orders-in/map/due/from'],
    [{ AMT: '1234.50' }, 'E305', 'total: "1234.50" is no number with decimal comma', 'routes/orders-in/map/total/from'],
    [{ AMT: '1,234' }, 'E303', 'total: 1.234 has too many digits for decimal 12.2', 'routes/orders-in/map/total/from'],
    [{ AMT: '12345678901,00' }, 'E303', 'total: 12345678901.00 has too many digits for decimal 12.2', 'routes/orders-in/map/total/from'],
    [{ CUST: '123456789' }, 'E302', 'customer: "123456789" has 9 characters, at most 8 fit', 'routes/orders-in/map/customer/from'],
    [{ CUST: null }, 'E301', 'customer is required and has no value', 'routes/orders-in/map/customer/from'],
    [{ lines: 'x' }, 'E313', 'lines: `record.lines` is no list', 'routes/orders-in/map/lines'],
    [{ lines: [{ ART: 'A' }] }, 'E310', 'it.KND is missing', 'routes/orders-in/map/lines/map/kind'],
  ])('a record that does not fit is dead: %j', (changes, code, detail, place) => {
    const { failure, message, deliveries, messageId: id } = receive(changes);
    expect(message).toBeUndefined();
    expect(deliveries).toEqual([]);
    expect(failure).toMatchObject({ route: 'orders-in', id, place, failure: { code, message: detail } });
    expect(failure?.failure).toBeInstanceOf(InvalidMessage);
  });

  test('a record that could not be decoded keeps its failure', () => {
    const failure = new InvalidMessage('E300', 'bad bytes', { place: 'orders-17.csv:12' });
    const [outcome] = handler.receive('legacy.orders', { id: 'x', value: null, failure }, now);
    expect(outcome?.failure).toMatchObject({ failure, place: 'orders-17.csv:12' });
  });

  test('nothing matched is a dead letter with the reason', () => {
    const { failures, deliveries, message } = receive({ CTRY: '840', AMT: '1,00', lines: [] });
    expect(message).toBeDefined();
    expect(deliveries).toEqual([]);
    expect(failures).toMatchObject([{ route: 'orders-out', rule: 'otherwise', place: 'routes/orders-out/otherwise', failure: { code: 'E318', message: 'no rule matched' } }]);
  });

  test('two elements with one idempotency key: the second is not lost', () => {
    const { deliveries, failures } = receive({ lines: [0, 1].map(() => ({ ART: 'A-1', KND: 'GOODS', QTY: 1, PRICE: null })) });
    expect(deliveries.filter(({ rule }) => rule === 'shipping')).toHaveLength(1);
    expect(failures).toMatchObject([{ rule: 'shipping', failure: { code: 'E319' } }]);
  });

  test('the failure of one rule does not hold back the others', () => {
    const failing = handlerOf(ordersYaml.replace('when: order.total >= 1000', 'when: order.currency > "A"'));
    const [outcome] = failing.receive('legacy.orders', recordOf(), now);
    expect(outcome?.failures).toEqual([]);
    const nulls = handlerOf(ordersYaml.replace('when: order.total >= 1000', 'when: order.due > "2026-01-01"'));
    const [dead] = nulls.receive('legacy.orders', recordOf({ DUE_DT: '00000000' }), now);
    expect(dead?.failures).toMatchObject([{ rule: 'accounting', endpoint: 'accounting.BookInvoice', place: 'routes/orders-out/deliver/1/when', failure: { code: 'E312' } }]);
    expect(dead?.deliveries.map(({ rule }) => rule)).toEqual(['erp', 'shipping', 'shipping']);
  });

  test('retry policies: the rule over the defaults', () => {
    expect(handler.retry('orders-out', 'erp')).toEqual({ attempts: 6, firstMs: 10_000, longestMs: 1_800_000, factor: 3, jitter: 0.2 });
    expect(handler.retry('orders-out', 'accounting')).toEqual({ attempts: 12, firstMs: 60_000, longestMs: 21_600_000, factor: 3, jitter: 0.2 });
    expect(handler.retry('gone', 'gone').attempts).toBe(6);
  });

  test('names its sources and targets', () => {
    expect(handler).toMatchObject({ revision: 41, sources: ['legacy.orders'], targets: ['erp.orders', 'accounting.BookInvoice', 'shipping.createShipment'] });
    expect(handler.receive('legacy.other', recordOf(), now)).toEqual([]);
  });

  test('a message that enters as it is is checked against its type', () => {
    const { message } = receive();
    if (!message) throw new Error('no message');
    expect(handler.route(message, now)).toMatchObject({ messageId: message.id, route: 'Order', deliveries: { length: 4 }, failures: [] });
    expect(handler.route({ ...message, type: 'Invoice' }, now)).toMatchObject({ failure: { failure: { code: 'E316' } }, deliveries: [] });
    expect(handler.route({ ...message, data: { ...message.data, nonsense: 'x' } }, now).failure).toMatchObject({ failure: { code: 'E316', message: 'order: Order has no field nonsense' } });
    expect(handler.route({ ...message, data: { ...message.data, total: 'abc' } }, now).failure).toMatchObject({ failure: { code: 'E305' } });
    expect(handler.route({ ...message, data: { id: '1' } }, now).failure).toMatchObject({ failure: { code: 'E301' } });
    expect(handler.route({ ...message, data: { ...message.data, total: '1000.00' } }, now).message?.data['total']).toEqual(new Decimal(100_000n, 2));
  });

  test('hostile content is data', () => {
    const { message, deliveries } = receive({ ORD_NO: '${secret:x}{{1+1}} order.id == 1', constructor: 'x', CUR: '=1+' });
    expect(message?.data['id']).toBe('${secret:x}{{1+1}} order.id == 1');
    expect(deliveries[0]?.payload['ORDNO']).toBe('${secret:x}{{1+1}} order.id == 1');
    const record = { id: '1', value: JSON.parse('{"__proto__": {"polluted": 1}, "ORD_NO": "1"}') };
    expect(handler.receive('legacy.orders', record, now)[0]?.failure?.failure).toMatchObject({ code: 'E310' });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
