import { expect, test } from '@jest/globals';
import { CallRecord, Overtaken } from '../../../bus/runtime/call-record.js';
import type { Ledger, LedgerEntry } from '../../../bus/store/contract.js';
import { heldClock } from '../../kit/fakes.js';

const signal = new AbortController().signal;
const endpoint = { name: 'bank.bookings', usesLedger: true, onUnknown: 'verify' } as const;

function world() {
  const entries = new Map<string, LedgerEntry>();
  const swap: Ledger['swap'] = async (id, seen, next) => {
    const now = entries.get(id);
    if (now && JSON.stringify(now) !== JSON.stringify(seen) && JSON.stringify(now) !== JSON.stringify(next)) return false;
    if (next) entries.set(id, next);
    else entries.delete(id);
    return true;
  };
  const held = heldClock();
  let offset = 0;
  const clock = { ...held, now: () => new Date(held.now().getTime() + offset) };
  const ledger: Pick<Ledger, 'swap'> = { swap };
  const record = (node: string, seen?: LedgerEntry) => new CallRecord('d', endpoint, { store: { ledger: ledger as Ledger }, clock, node }, (write) => write(), seen);
  return { entries, record, setClock: (ms: number) => (offset = ms) };
}

test('two processes with one delivery: the second is told before it calls, and takes nothing away from the first', async () => {
  const { entries, record } = world();
  const [first, second] = [record('a'), record('b')];
  await first.begin(signal);
  await expect(second.begin(signal)).rejects.toThrow(Overtaken);
  await second.undone(signal);
  expect(entries.get('d')).toMatchObject({ state: 'sending', detail: 'by a' });
  await first.unknown('the answer was lost', signal);
  expect(entries.get('d')).toMatchObject({ state: 'unknown' });
  const third = record('b', entries.get('d'));
  await third.begin(signal);
  await expect(first.begin(signal)).rejects.toThrow(Overtaken);
  await third.undone(signal);
  expect(entries.size).toBe(0);
});

test('a clock that is set back makes nobody wait longer than the longest call', async () => {
  const { record, setClock } = world();
  const one = record('a');
  await one.begin(signal);
  setClock(-3_600_000);
  expect(one.remainingMs(60_000)).toBe(60_000);
  setClock(3_600_000);
  expect(one.remainingMs(60_000)).toBe(0);
});
