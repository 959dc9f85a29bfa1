// Runs in a process of its own, which is killed: makes every kind of write, over and over, and says what was resolved.
import { createHash } from 'node:crypto';
import type { Store } from '../../../bus/store/contract.js';
import { event, letter, NOON, type OpenStore, parked, received } from './samples.js';

/** Every writing method, with how to see afterwards that its write number `n` is there. */
export const WRITES: Readonly<Record<string, { write(store: Store, n: number): Promise<unknown>; kept(store: Store, n: number): Promise<boolean> }>> = {
  'checkpoints.set': {
    write: (store, n) => store.checkpoints.set(`s${n}`, `p${n}`, 1),
    kept: async (store, n) => (await store.checkpoints.get(`s${n}`)) === `p${n}`,
  },
  'checkpoints.delete': {
    write: async (store, n) => {
      await store.checkpoints.set(`gone${n}`, 'p', 1);
      await store.checkpoints.delete(`gone${n}`);
    },
    kept: async (store, n) => (await store.checkpoints.get(`gone${n}`)) === undefined,
  },
  'leases.acquire': {
    write: (store, n) => store.leases.acquire(`l${n}`, 'child', 60_000, new Date(NOON)),
    kept: async (store, n) => (await store.leases.acquire(`l${n}`, 'other', 60_000, new Date(NOON))) === undefined,
  },
  'leases.release': {
    write: async (store, n) => {
      await store.leases.acquire(`free${n}`, 'child', 60_000, new Date(NOON));
      await store.leases.release(`free${n}`, 'child');
    },
    kept: async (store, n) => (await store.leases.acquire(`free${n}`, 'other', 60_000, new Date(NOON))) === 2,
  },
  'dedupe.add': {
    write: (store, n) => store.dedupe.add('scope', [`i${n}`], new Date(NOON)),
    kept: async (store, n) => (await store.dedupe.seen('scope', [`i${n}`])).has(`i${n}`),
  },
  'ledger.put': {
    write: (store, n) => store.ledger.put([{ deliveryId: `d${n}`, endpoint: 'e', state: 'sending', at: NOON }]),
    kept: async (store, n) => (await store.ledger.get([`d${n}`])).get(`d${n}`)?.state === 'sending',
  },
  'ledger.swap': {
    write: (store, n) => store.ledger.swap(`s${n}`, undefined, { deliveryId: `s${n}`, endpoint: 'e', state: 'sending', at: NOON, detail: 'by a' }),
    kept: async (store, n) => (await store.ledger.get([`s${n}`])).get(`s${n}`)?.detail === 'by a',
  },
  'ledger.delete': {
    write: async (store, n) => {
      await store.ledger.put([{ deliveryId: `again${n}`, endpoint: 'e', state: 'unknown', at: NOON }]);
      await store.ledger.delete([`again${n}`]);
    },
    kept: async (store, n) => !(await store.ledger.get([`again${n}`])).has(`again${n}`),
  },
  'payloads.put': {
    write: (store, n) => store.payloads.put(`m${n}`, contentOf(n)),
    kept: async (store, n) => Buffer.compare((await store.payloads.get(createHash('sha256').update(contentOf(n)).digest('hex'))) ?? Buffer.alloc(0), contentOf(n)) === 0,
  },
  'parked.add': {
    write: (store, n) => store.parked.add([parked(`p${n}`)]),
    kept: async (store, n) => (await store.parked.get(`p${n}`)) !== undefined,
  },
  'parked.release': {
    write: async (store, n) => {
      await store.parked.add([parked(`r${n}`, { lane: `r${n}` })]);
      await store.parked.release('erp.orders', `r${n}`);
    },
    kept: async (store, n) => (await store.parked.lanes({ released: true, limit: 100_000 })).some(({ lane }) => lane === `r${n}`),
  },
  'parked.remove': {
    write: async (store, n) => {
      await store.parked.add([parked(`q${n}`, { lane: `q${n}` })]);
      await store.parked.remove([`q${n}`]);
    },
    kept: async (store, n) => (await store.parked.get(`q${n}`)) === undefined && (await store.parked.list('erp.orders', `q${n}`, 1)).length === 0,
  },
  'history.append': {
    write: (store, n) => store.history.append([received(`m${n}`), event(`m${n}`, 'filtered')]),
    kept: async (store, n) => (await store.history.message(`m${n}`))?.state === 'filtered' && (await store.history.events(`m${n}`)).length === 2,
  },
  'deadLetters.add': {
    write: (store, n) => store.deadLetters.add([letter(`x${n}`)]),
    kept: async (store, n) => (await store.deadLetters.get(`x${n}`))?.state === 'open',
  },
  'deadLetters.settle': {
    write: async (store, n) => {
      await store.deadLetters.add([letter(`y${n}`)]);
      await store.deadLetters.settle([letter(`y${n}`)], 'discarded', 'child', 'reason', new Date(NOON));
    },
    kept: async (store, n) => (await store.deadLetters.get(`y${n}`))?.state === 'discarded',
  },
  'endpointState.put': {
    write: (store, n) => store.endpointState.put('e', new Map([[`k${n}`, `v${n}`]])),
    kept: async (store, n) => (await store.endpointState.get('e', `k${n}`)) === `v${n}`,
  },
  'revisions.add': {
    write: (store, n) => store.revisions.add({ digest: `r${n}`, content: '{}', by: 'child', at: NOON }),
    kept: async (store, n) => (await store.revisions.list(100_000)).some(({ digest }) => digest === `r${n}`),
  },
  'audit.append': {
    write: (store, n) => store.audit.append({ at: NOON, who: 'child', action: 'a', subject: `${n}`, result: 'ok' }),
    kept: async (store, n) => (await store.audit.list(100_000)).some(({ subject }) => subject === `${n}`),
  },
};

function contentOf(n: number): Uint8Array {
  return Buffer.alloc(20_000, `content ${n} `);
}

const [, script, module, place] = process.argv;
if (script?.endsWith('durability-child.js') === true && module !== undefined && place !== undefined) await run(module, place);

async function run(from: string, at: string): Promise<void> {
  const { openStore } = (await import(from)) as { readonly openStore: OpenStore };
  const store = await openStore(at);
  for (let n = 0; ; n += 1) {
    await Promise.all(
      Object.entries(WRITES).map(async ([name, one]) => {
        await one.write(store, n);
        process.stdout.write(`${name} ${n}\n`);
      }),
    );
  }
}
