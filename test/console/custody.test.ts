import { describe, expect, test } from '@jest/globals';
import type { FileCustody } from '../../adapters/contract/custody.js';
import { custodyId } from '../../adapters/files/claims.js';
import type { EventKind, StoredEvent } from '../../bus/store/contract.js';
import { CustodyBook } from '../../console/custody.js';
import { type MemoryState, memoryState } from '../kit/fakes.js';

const DAY = 86_400_000;
const NOW = Date.now();

function file(name: string, more: Partial<FileCustody> = {}): FileCustody {
  const { claimedAt = NOW } = more;
  const counts = { records: 0, accepted: 0, filtered: 0, dead: 0 };
  return {
    id: custodyId(claimedAt),
    name,
    state: 'archived',
    place: `done/${name}`,
    size: 1,
    identity: name,
    seenAt: claimedAt,
    claimedAt,
    endedAt: claimedAt,
    ...counts,
    ...more,
  };
}

function bookOf(
  files: readonly FileCustody[],
  histories: Readonly<Record<string, readonly (readonly [EventKind, string?])[]>> = {},
): { readonly book: CustodyBook; readonly state: MemoryState } {
  const state = memoryState();
  for (const each of [...files].sort((a, b) => (a.id < b.id ? -1 : 1))) state.entries.set(`custody/${each.id}`, JSON.stringify(each));
  state.entries.set('seen/next.csv', JSON.stringify({ at: NOW + 1, size: 7, reason: 'number 3 missing' }));
  const events = async (id: string): Promise<readonly StoredEvent[]> =>
    (histories[id] ?? []).map(([kind, endpoint], seq) => ({
      seq,
      messageId: id,
      kind,
      at: NOW,
      revision: 1,
      node: 'n',
      ...(endpoint === undefined ? {} : { endpoint, deliveryId: `${id} ${endpoint}` }),
    }));
  const unused = (): never => {
    throw new Error('not asked');
  };
  const history = { events, append: unused, message: unused, search: unused, byPrefix: unused, since: unused, counts: unused };
  const endpointState = {
    get: (_: string, key: string) => state.get(key),
    put: (_: string, entries: ReadonlyMap<string, string | undefined>) => state.put(entries),
    list: (_: string, prefix: string, limit: number) => state.list(prefix, limit),
  };
  return {
    book: new CustodyBook(
      { endpointState, history },
      () => ['drop.orders'],
      (_, record) => [record],
    ),
    state,
  };
}

describe('reconciliation', () => {
  const delivered = [['received'], ['queued', 'erp.orders'], ['delivered', 'erp.orders']] as const;

  test('counts every record once, by what became of it', async () => {
    const { book } = bookOf([file('a', { records: 6, accepted: 4, filtered: 1, dead: 1 })], {
      'a:1': delivered,
      'a:2': [['received'], ['filtered']],
      'a:3': [['received'], ['dead']],
      'a:4': [...delivered, ['queued', 'web.notify'], ['dead', 'web.notify']],
      'a:5': [['received'], ['queued', 'erp.orders'], ['parked', 'erp.orders']],
      'a:6': [['received'], ['queued', 'erp.orders'], ['retry', 'erp.orders']],
    });
    const [found] = await book.reconcile({ limit: 10 });
    expect(found).toMatchObject({ delivered: 1, filtered: 1, dead: 2, parked: 1, pending: 1, missing: 0, problems: [] });
    expect(found?.targets).toEqual([
      { endpoint: 'erp.orders', delivered: 2, pending: 1, parked: 1, dead: 0, discarded: 0 },
      { endpoint: 'web.notify', delivered: 0, pending: 0, parked: 0, dead: 1, discarded: 0 },
    ]);
  });

  test('F7 names the records of which nothing is known, and counts that do not add up', async () => {
    const { book } = bookOf([file('a', { records: 3, accepted: 2 })], { 'a:1': delivered, 'a:3': delivered });
    const [found] = await book.reconcile({ limit: 10 });
    expect(found?.missing).toBe(1);
    expect(found?.problems).toEqual(['1 of 3 records have no message in the history: 2', '3 records were read, 2 accepted + 0 filtered + 0 dead are 2']);
  });

  test('F16 the record that stands for a changed file counts', async () => {
    const { book } = bookOf([file('a', { records: 2, accepted: 1, dead: 1, state: 'failed' })], { 'a:1': delivered, 'a:changed': [['received'], ['dead']] });
    expect((await book.reconcile({ limit: 10 }))[0]?.problems).toEqual([]);
  });
});

describe('the list', () => {
  test('has the newest of thousands first, and those since a time', async () => {
    const files = Array.from({ length: 5_000 }, (_, index) => file(`f${index}`, { claimedAt: NOW - index * 600_000 }));
    const { book } = bookOf(files);
    expect((await book.list({ limit: 3 })).map(({ name }) => name)).toEqual(['next.csv', 'f0', 'f1']);
    expect(await book.list({ since: NOW - DAY, state: 'archived', limit: 10_000 })).toHaveLength(145);
    expect((await book.list({ limit: 10_000 })).length).toBe(5_001);
  });

  test('finds by id, path and name; what nobody knows is unknown', async () => {
    const old = file('de/a.csv', { claimedAt: NOW - DAY });
    const { book } = bookOf([old, file('de/a.csv', { records: 2 })]);
    const story = await book.find('a.csv');
    expect([story.others, story.messages]).toEqual([[old.id], ['de/a.csv:1', 'de/a.csv:2']]);
    expect((await book.find(old.id)).claimedAt).toBe(NOW - DAY);
    await expect(book.find('b.csv')).rejects.toThrow('no file "b.csv"');
    await expect(book.list({ endpoint: 'nobody', limit: 1 })).rejects.toThrow('no source "nobody"');
  });
});

describe('requests', () => {
  test('are left for the endpoint, and only where they make sense', async () => {
    const archived = file('a.csv');
    const rejected = file('b.csv', { state: 'failed', unread: 'rejected' });
    const { book, state } = bookOf([archived, rejected, file('c.csv', { state: 'progress' })]);
    const by = { who: 'anna', reason: 'checked' };
    await book.ask('release', 'drop.orders', 'next.csv', by);
    await book.ask('release', 'drop.orders', rejected.id, by);
    await book.ask('reprocess', 'drop.orders', archived.id, by);
    expect([...state.entries].filter(([key]) => key.startsWith('ask/')).map(([, text]) => JSON.parse(text) as object)).toMatchObject([
      { action: 'release', id: 'next.csv', by: 'anna: checked' },
      { action: 'release', id: rejected.id },
      { action: 'reprocess', id: archived.id },
    ]);
    await expect(book.ask('release', 'drop.orders', archived.id, by)).rejects.toMatchObject({ code: 'E455' });
    await expect(book.ask('reprocess', 'drop.orders', 'next.csv', by)).rejects.toMatchObject({ code: 'E455' });
    await expect(book.ask('reprocess', 'drop.orders', 'x', by)).rejects.toThrow('knows no file "x"');
  });
});
