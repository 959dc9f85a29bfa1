import type { Database } from '../../sqlite/database.js';

export interface Acquire {
  readonly name: string;
  readonly holder: string;
  readonly ttlMs: number;
  readonly now: number;
}

export function leaseOperations(database: Database) {
  // The row of a released lease stays: its epoch must grow with the next holder.
  const acquire = database
    .prepare<[{ readonly name: string; readonly holder: string; readonly expires: number; readonly now: number }], number>(
      `INSERT INTO lease (name, holder, epoch, expires) VALUES ($name, $holder, 1, $expires)
       ON CONFLICT (name) DO UPDATE SET holder = $holder, expires = $expires, epoch = epoch + (lease.holder IS NOT $holder)
       WHERE lease.holder IS NULL OR lease.holder = $holder OR lease.expires <= $now
       RETURNING epoch`,
    )
    .pluck();
  const release = database.prepare<[string, string]>('UPDATE lease SET holder = NULL WHERE name = ? AND holder = ?');
  return {
    reads: {},
    writes: {
      'leases.acquire': ({ name, holder, ttlMs, now }: Acquire): number | undefined => acquire.get({ name, holder, expires: now + ttlMs, now }),
      'leases.release': (input: { readonly name: string; readonly holder: string }): void => void release.run(input.name, input.holder),
    },
  };
}
