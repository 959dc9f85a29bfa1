import { describe, expect, test } from '@jest/globals';
import { Later } from '../../../bus/sqlite/later.js';

/** Work of `amount` pieces, with what is told when one is done. */
function work(amount: number, idleMs: number, fail?: Error) {
  let left = amount;
  const done = Promise.withResolvers<void>();
  const deferred = {
    neededBy: new Set<string>(),
    idleMs,
    most: 5,
    amount: () => left,
    step: () => {
      if (fail) throw fail;
      left -= 1;
      if (left === 0) done.resolve();
    },
  };
  return { deferred, done: done.promise, left: () => left };
}

describe('deferred work', () => {
  test('is done when it is quiet', async () => {
    const { deferred, done, left } = work(5, 1);
    const later = new Later(deferred, () => true);
    later.after();
    expect(left()).toBe(5);
    await done;
    later.stop();
  });

  test('that is too much is done between the groups, one piece after the other', async () => {
    const { deferred, done, left } = work(8, 60_000);
    const later = new Later(deferred, () => true);
    later.after();
    expect(left()).toBe(8);
    await new Promise(setImmediate);
    expect(left()).toBe(7);
    // Another group has come meanwhile.
    later.after();
    await done;
    later.stop();
  });

  test('that is far too much lets no group pass before it is less', () => {
    const { deferred, left } = work(28, 60_000);
    const later = new Later(deferred, () => true);
    later.after();
    expect(left()).toBe(20);
    later.stop();
  });

  test('is not done after the end', () => {
    const { deferred, left } = work(2, 60_000);
    const later = new Later(deferred, () => true);
    later.after();
    later.stop();
    expect(left()).toBe(2);
  });

  test('that fails is reported once and does not hold up the groups', () => {
    const errors: unknown[] = [];
    const { deferred, left } = work(28, 60_000, new Error('full'));
    const later = new Later(deferred, (error) => {
      errors.push(error);
      return true;
    });
    later.after();
    later.stop();
    expect([left(), errors.length]).toEqual([28, 1]);
  });
});
