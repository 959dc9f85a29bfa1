import { afterEach, describe, expect, test } from '@jest/globals';
import { writeJson } from '../../../adapters/contract/index.js';
import { type Hook, openHook } from './webhook.js';

let hook: Hook;
const STRUCTURED = { 'content-type': 'application/cloudevents+json; charset=utf-8' };
const event = { specversion: '1.0', id: 'e-1', source: '/shop', type: 'order.created', subject: '4711', time: '2026-03-01T07:59:00Z', data: { total: 12.5 } };

afterEach(() => hook.close());

describe('CloudEvents over HTTP', () => {
  test('structured and binary mode of one event give the same input', async () => {
    hook = await openHook({ format: 'cloudevents' });
    expect((await hook.post(JSON.stringify(event), STRUCTURED)).status).toBe(202);
    const { data, ...attributes } = event;
    const headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value]));
    await hook.close();
    const [structured] = hook.records;
    hook = await openHook({ format: 'cloudevents' });
    expect((await hook.post(JSON.stringify(data), headers)).status).toBe(202);
    const [binary] = hook.records;
    for (const record of [structured, binary]) {
      expect(record).toMatchObject({ key: '4711', time: '2026-03-01T07:59:00Z', wire: { 'ce-type': 'order.created', 'ce-source': '/shop' } });
      expect(writeJson(record?.value ?? null)).toBe('{"total":12.5}');
    }
    expect(binary?.id).toBe(structured?.id);
  });

  test('the same id of another source is another input', async () => {
    hook = await openHook({ format: 'cloudevents' });
    for (const source of ['/shop', '/erp']) await hook.post(JSON.stringify({ ...event, source }), STRUCTURED);
    expect(new Set(hook.records.map((record) => record.id)).size).toBe(2);
  });

  test.each([
    ['no id', { ...event, id: undefined }],
    ['no source', { ...event, source: '' }],
    ['another version', { ...event, specversion: '0.3' }],
    ['bytes as data', { ...event, data: undefined, data_base64: 'AA==' }],
    ['a batch', [event]],
    ['plain JSON', { total: 1 }],
  ])('%s is refused', async (_, body) => {
    hook = await openHook({ format: 'cloudevents' });
    expect((await hook.post(JSON.stringify(body), STRUCTURED)).status).toBe(400);
    expect(hook.records).toEqual([]);
  });

  test('an event at an endpoint for plain JSON is refused, as is a batch by its type', async () => {
    hook = await openHook();
    expect((await hook.post(JSON.stringify(event), STRUCTURED)).status).toBe(415);
    await hook.close();
    hook = await openHook({ format: 'cloudevents' });
    expect((await hook.post(JSON.stringify([event]), { 'content-type': 'application/cloudevents-batch+json' })).status).toBe(415);
  });
});

describe('the delivery id', () => {
  test('comes from the place that is configured', async () => {
    hook = await openHook({ id: '/event/a~1b/0' });
    expect((await hook.post('{"event":{"a/b":[9007199254740993]}}', { 'idempotency-key': 'other' })).status).toBe(202);
    await hook.close();
    const [first] = hook.records;
    hook = await openHook({ id: 'X-Event-Id' });
    expect((await hook.post('{}', { 'x-event-id': 'E-7' })).status).toBe(202);
    expect([first?.id, hook.records[0]?.id]).toEqual(['9007199254740993', 'E-7']);
  });

  test.each([
    ['/id', '{}'],
    ['/id', '{"id":null}'],
    ['/id', '{"id":{"a":1}}'],
    ['/id', '{"id":"two words"}'],
    ['/id/x', '{"id":"text"}'],
    ['/0', '[1.5]'],
    ['x-event-id', '{"id":"1"}'],
    ['/__proto__', '{"id":"1"}'],
  ])('%s in %s is missing or not usable: 400, never guessed', async (id, body) => {
    hook = await openHook({ id });
    expect((await hook.post(body)).status).toBe(400);
    expect(hook.records).toEqual([]);
  });

  test('without one the body is the identity', async () => {
    hook = await openHook();
    for (const body of ['{"a":1}', '{"a":1}', '{"a":2}']) await hook.post(body);
    expect(new Set(hook.records.map((record) => record.id)).size).toBe(2);
  });
});
