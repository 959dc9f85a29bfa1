import { eachSorted, type Operation } from './operation.js';

export interface Acquire {
  readonly name: string;
  readonly holder: string;
  readonly ttlMs: number;
}

/**
 * By the clock of the database: the clocks of the nodes may differ. The time is read when the row is written, after the holder began to count,
 * so a lease never ends here before its holder thinks so. Asking again after an answer was lost renews it.
 */
export const acquireLease: Operation<Acquire, number | undefined> = {
  table: 'lease',
  run: (session, inputs) =>
    eachSorted(inputs, nameOf, async ({ name, holder, ttlMs }) => {
      // The row of a released lease stays: its epoch must grow with the next holder.
      const [row] = await session.query<{ readonly epoch: number }>(
        `INSERT INTO lease AS l (name, holder, epoch, expires) VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 millisecond')
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires = clock_timestamp() + $3 * interval '1 millisecond',
           epoch = l.epoch + CASE WHEN l.holder IS DISTINCT FROM excluded.holder THEN 1 ELSE 0 END
         WHERE l.holder IS NULL OR l.holder = excluded.holder OR l.expires <= clock_timestamp()
         RETURNING epoch`,
        [name, holder, ttlMs],
      );
      return row?.epoch;
    }),
};

export const releaseLease: Operation<{ readonly name: string; readonly holder: string }, void> = {
  table: 'lease',
  run: (session, inputs) =>
    eachSorted(inputs, nameOf, async ({ name, holder }) => {
      await session.query('UPDATE lease SET holder = NULL WHERE name = $1 AND holder = $2', [name, holder]);
    }),
};

function nameOf({ name }: { readonly name: string }): string {
  return name;
}
