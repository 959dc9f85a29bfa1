import { expect, test } from '@jest/globals';
import { EmbeddedChannel } from '../../../bus/embedded/channel.js';
import type { Taken } from '../../../bus/embedded/operations.js';

const nothing: Taken = { seqs: [], attempts: [], ids: [], headers: [], lengths: [], bodies: new Uint8Array() };
const one: Taken = { seqs: [1], attempts: [0], ids: ['m'], headers: [''], lengths: [1], bodies: Buffer.from('x') };

test('what becomes ready while an empty take is under way is taken next, without waiting for another message', async () => {
  const takes: PromiseWithResolvers<Taken>[] = [];
  const got: string[] = [];
  const channel: EmbeddedChannel = new EmbeddedChannel({ name: 'c' }, 1, {
    take: () => {
      const take = Promise.withResolvers<Taken>();
      takes.push(take);
      return take.promise;
    },
    settle: () => undefined,
    written: async () => undefined,
    schedule: (scheduled) => setImmediate(() => scheduled.pump()),
    failed: (_, error) => {
      throw error;
    },
  });
  channel.join(10, ({ id }) => got.push(id));
  const turn = () => new Promise((next) => setTimeout(next, 5));
  await turn();
  expect(takes.length).toBe(1);
  channel.wake(); // a publish is committed just after the file was asked
  await turn();
  takes[0]?.resolve(nothing);
  await turn();
  expect(takes.length).toBe(2);
  takes[1]?.resolve(one);
  await turn();
  expect(got).toEqual(['m']);
});
