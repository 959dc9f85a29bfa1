import { describe, expect, test } from '@jest/globals';
import { type NodeFacts, NodeRegistry } from '../../../bus/runtime/nodes.js';
import type { EndpointStates } from '../../../bus/store/contract.js';
import { heldClock, recordingLog } from '../../kit/fakes.js';

describe('the registry of nodes', () => {
  test('nodes see each other while they beat, whatever their clocks say, and count one that stopped as gone after 20 s', async () => {
    const states = memory();
    const one = await node(states, 'one', 0);
    const two = await node(states, 'two', 300_000);
    await one.beats(1);
    expect([one.registry.liveNodes(), two.registry.liveNodes()]).toEqual([2, 2]);
    expect(one.registry.list().map(({ name, isSelf, isLive, sources }) => ({ name, isSelf, isLive, sources }))).toEqual([
      { name: 'one', isSelf: true, isLive: true, sources: ['one.orders'] },
      { name: 'two', isSelf: false, isLive: true, sources: ['two.orders'] },
    ]);
    expect(one.registry.readerOf('two.orders')).toBe('two');
    await one.beats(3);
    expect(one.registry.liveNodes()).toBe(2);
    await one.beats(1);
    expect(one.registry.liveNodes()).toBe(1);
    expect(one.registry.list()[1]).toMatchObject({ name: 'two', isLive: false });
    await two.beats(1);
    await one.beats(1);
    expect(one.registry.liveNodes()).toBe(2);
    await two.registry.stop();
    await one.beats(1);
    expect(one.registry.list().map(({ name }) => name)).toEqual(['one']);
    await one.registry.stop();
    expect(states.rows()).toBe(0);
  });

  test('a row of long ago counts for nothing, and goes', async () => {
    const states = memory();
    const old = await node(states, 'old', -3_600_000);
    const one = await node(states, 'one', 0);
    expect(one.registry.liveNodes()).toBe(1);
    await one.beats(140);
    expect(states.rows()).toBe(1);
    await Promise.all([old.registry.stop(), one.registry.stop()]);
  });

  test('two processes of one name are two nodes; a revision that another runs is known by its digest', async () => {
    const states = memory();
    const one = await node(states, 'same', 0);
    const two = await node(states, 'same', 0);
    expect(two.registry.liveNodes()).toBe(2);
    expect(one.registry.holder).not.toBe(two.registry.holder);
    expect([two.registry.revisionOf('d'), two.registry.revisionOf('x')]).toEqual([7, undefined]);
    await Promise.all([one.registry.stop(), two.registry.stop()]);
  });

  test('alone on its store a node writes nothing, and a restart has the same name for its leases', async () => {
    const states = memory();
    const one = await node(states, 'one', 0, false);
    expect([one.registry.liveNodes(), one.registry.list().length, states.rows()]).toEqual([1, 1, 0]);
    expect(one.registry.holder).toBe(new NodeRegistry('other', false, heldClock(), recordingLog()).holder);
    await one.registry.stop();
  });

  test('a store that is away is told once; what was known stays', async () => {
    const states = memory();
    const one = await node(states, 'one', 0);
    const two = await node(states, 'two', 0);
    await one.beats(1);
    states.away = true;
    await one.beats(20);
    states.away = false;
    await one.beats(1);
    expect(one.registry.liveNodes()).toBe(2);
    expect(one.log.lines.map(({ event }) => event)).toEqual(['nodes-unknown', 'nodes-known']);
    await Promise.all([one.registry.stop(), two.registry.stop()]);
  });
});

async function node(states: EndpointStates, name: string, skewMs: number, isShared = true) {
  const clock = heldClock(new Date(1_800_000_000_000 + skewMs).toISOString());
  const log = recordingLog();
  const registry = new NodeRegistry(name, isShared, clock, log);
  const facts: NodeFacts = { name, pid: 1, version: '1', startedAt: 0, revision: 7, digest: 'd', sources: [`${name}.orders`] };
  await registry.open(states);
  await registry.start(() => facts);
  return {
    registry,
    log,
    async beats(count: number): Promise<void> {
      for (let n = 0; n < count; n += 1) await clock.advance(5_000);
    },
  };
}

function memory() {
  const rows = new Map<string, string>();
  const states = {
    away: false,
    rows: () => rows.size,
    get: async (_: string, key: string) => rows.get(key),
    async put(_: string, entries: ReadonlyMap<string, string | undefined>) {
      if (states.away) throw new Error('away');
      for (const [key, value] of entries) {
        if (value === undefined) rows.delete(key);
        else rows.set(key, value);
      }
    },
    list: async () => new Map(rows),
  };
  return states;
}
