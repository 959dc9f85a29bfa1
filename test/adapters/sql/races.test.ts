import { describe, expect, test } from '@jest/globals';
import { services } from '../../services/services.js';
import { race, WAYS } from './races.js';

// The short form of `npm run test:races`. The windows of PostgreSQL and the overlap of MariaDB have theirs in race.test.ts, with changes.

describe.each(['postgres', 'mariadb'] as const)('T14 12 writers on %s, and a reader that dies now and then', (database) => {
  test.each(WAYS[database].filter((way) => !['naive', 'window', 'xid8', 'overlap'].includes(way)))(
    'D1, D2, D19: by %s nothing is missed, nothing twice',
    async (way) => {
      const access = await services[database]();
      const { rows, missed, duplicated, crashes } = await race({ database, access, way, rows: 1_000, crashEvery: 8 });
      expect({ missed, duplicated }).toEqual({ missed: 0, duplicated: 0 });
      expect(rows).toBeGreaterThanOrEqual(1_000);
      expect(crashes).toBeGreaterThan(0);
    },
    60_000,
  );

  test('the control: `id > last`, as it is done everywhere, misses some', async () => {
    const access = await services[database]();
    expect((await race({ database, access, way: 'naive', rows: 1_000, crashEvery: 0 })).missed).toBeGreaterThan(0);
  }, 60_000);
});
