import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { deliveryId, deriveId, messageId } from '../../bus/message.js';

describe('ids', () => {
  test('are the same for the same input, 26 characters of Crockford base 32', () => {
    expect(messageId('legacy.orders', 'key=4711;v=1', 'orders-in')).toBe(messageId('legacy.orders', 'key=4711;v=1', 'orders-in'));
    expect(messageId('legacy.orders', 'key=4711;v=1', 'orders-in')).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
  });

  test('never change between versions: stored ids must be found again', () => {
    expect(deriveId('message', 'a', 'b')).toBe('8TVND6W7WEHA6KA3D009PXDV76');
  });

  test('differ when a boundary between parts moves', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), fc.array(fc.string(), { minLength: 1 }), (a, b) => {
        expect(deriveId(...a) === deriveId(...b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
    );
    expect(deriveId('ab', 'c')).not.toBe(deriveId('a', 'bc'));
  });

  test('a delivery has its own id per rule, endpoint and element', () => {
    const ids = [deliveryId('m', 'r', 'a', 'e', ''), deliveryId('m', 'r', 'b', 'e', ''), deliveryId('m', 'r', 'a', 'f', ''), deliveryId('m', 'r', 'a', 'e', '0')];
    expect(new Set(ids).size).toBe(4);
  });
});
