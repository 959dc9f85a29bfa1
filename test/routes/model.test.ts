import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { defaultsConfig, inboundRouteConfig, outboundRouteConfig, routeConfig, routeSchema, tableConfig, testConfig, typeConfig } from '../../routes/model.js';

const rule = { name: 'erp', to: 'erp.orders', map: { id: 'order.id' } };

describe('the schemas', () => {
  test('give a JSON Schema for the editor', () => {
    for (const schema of [typeConfig, tableConfig, defaultsConfig, routeConfig, testConfig]) {
      expect(z.toJSONSchema(schema, { io: 'input' })).toMatchObject({ title: expect.any(String), $schema: expect.any(String) });
    }
  });

  test('choose the kind of a route by its keys', () => {
    expect(routeSchema({ from: 'a.b' })).toBe(inboundRouteConfig);
    expect(routeSchema({ subscribe: 'Order' })).toBe(outboundRouteConfig);
    expect(routeSchema({})).toBe(inboundRouteConfig);
    expect(routeSchema(null)).toBe(inboundRouteConfig);
  });

  test('take numbers and booleans of YAML as expressions', () => {
    expect(inboundRouteConfig.parse({ from: 'a.b', publish: 'T', map: { a: 1, b: true, c: { each: 'record.l', map: { d: 2 } } } }).map).toEqual({
      a: '1',
      b: 'true',
      c: { each: 'record.l', map: { d: '2' } },
    });
  });

  test('read ranges and shares', () => {
    expect(defaultsConfig.parse({ retry: { wait: '10s..30m', jitter: '20%' } }).retry).toEqual({ wait: { firstMs: 10_000, longestMs: 1_800_000 }, jitter: 0.2 });
    expect(defaultsConfig.parse({ retry: { wait: '5s' } }).retry).toEqual({ wait: { firstMs: 5_000, longestMs: 5_000 } });
    expect(outboundRouteConfig.parse({ subscribe: 'T', deliver: [rule] }).match).toBe('all');
    expect(tableConfig.parse({ csv: 'a.csv', key: 'k', value: 'v' })).toMatchObject({ missing: 'fail' });
  });

  test.each([
    [inboundRouteConfig, { from: 'a', publish: 'T', map: {} }],
    [inboundRouteConfig, { from: 'a.b', publish: 'T', map: {}, fliter: 'true' }],
    [inboundRouteConfig, { from: 'a.b', publish: 'T', map: { x: { from: 'record.a', padd: 3 } } }],
    [outboundRouteConfig, { subscribe: 'T' }],
    [outboundRouteConfig, { subscribe: 'T', deliver: [rule], match: 'some' }],
    [outboundRouteConfig, { subscribe: 'T', deliver: [{ ...rule, enabled: true }] }],
    [outboundRouteConfig, { subscribe: 'T', deliver: [rule], otherwise: { to: 'nowhere' } }],
    [defaultsConfig, { retry: { wait: '30m..10s' } }],
    [defaultsConfig, { retry: { jitter: '120%' } }],
    [defaultsConfig, { dead_letter: { keep: '90d' } }],
    [testConfig, { name: 'x', given: {}, expect: {}, now: 'tomorrow' }],
  ] as const)('refuse %#', (schema, value) => {
    expect(schema.safeParse(value).success).toBe(false);
  });
});
