import type { Database } from '../../sqlite/database.js';
import type { Parked, ParkedDelivery, ParkedLane } from '../contract.js';
import { given } from './history-rows.js';

interface Row {
  readonly id: string;
  readonly message: string;
  readonly endpoint: string;
  readonly lane: string;
  readonly route: string;
  readonly rule: string;
  readonly key: string | null;
  readonly code: string;
  readonly at: number;
  readonly reason: string;
  readonly headers: string;
  readonly content: Uint8Array;
}

type LaneRow = Omit<ParkedLane, 'released'> & { readonly released: number };
type Lane = Pick<ParkedDelivery, 'endpoint' | 'lane'>;

const CHANGED = ['message', 'route', 'rule', 'key', 'code', 'reason', 'headers', 'content'] as const;
const COLUMNS = ['id', 'endpoint', 'lane', 'at', ...CHANGED] as const;

export function parkedOperations(database: Database) {
  const add = database.prepare<[Row]>(
    `INSERT INTO parked (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map((column) => `$${column}`).join(', ')})
     ON CONFLICT (id) DO UPDATE SET ${CHANGED.map((column) => `${column} = excluded.${column}`).join(', ')}`,
  );
  const open = database.prepare<[string, string]>('INSERT INTO lane (endpoint, lane, released) VALUES (?, ?, 0) ON CONFLICT DO NOTHING');
  const laneOf = database.prepare<[string], Lane>('SELECT endpoint, lane FROM parked WHERE id = ?');
  const release = database.prepare<[string, string]>('UPDATE lane SET released = 1 WHERE endpoint = ? AND lane = ?');
  const hold = database.prepare<[string, string]>('UPDATE lane SET released = 0 WHERE endpoint = ? AND lane = ?');
  const remove = database.prepare<[string]>('DELETE FROM parked WHERE id = ?');
  const close = database.prepare<[Lane]>(
    'DELETE FROM lane WHERE endpoint = $endpoint AND lane = $lane AND NOT EXISTS (SELECT 1 FROM parked WHERE endpoint = $endpoint AND lane = $lane)',
  );
  const get = database.prepare<[string], Row>('SELECT * FROM parked WHERE id = ?');
  const list = database.prepare<[string, string, number], Row>('SELECT * FROM parked WHERE endpoint = ? AND lane = ? ORDER BY n LIMIT ?');

  return {
    reads: {
      'parked.lanes': ({ endpoint, lane, released, limit }: Parameters<Parked['lanes']>[0]): readonly ParkedLane[] => {
        const criteria = [
          ...(endpoint === undefined ? [] : ['l.endpoint = ?']),
          ...(lane === undefined ? [] : ['l.lane = ?']),
          ...(released === undefined ? [] : [released ? 'l.released = 1' : 'l.released = 0']),
        ];
        const sql = `SELECT l.endpoint, l.lane, l.released, p.at AS firstAt, p.code, p.reason,
            (SELECT count(*) FROM parked c WHERE c.endpoint = l.endpoint AND c.lane = l.lane) AS count
          FROM lane l JOIN parked p ON p.n = (SELECT min(f.n) FROM parked f WHERE f.endpoint = l.endpoint AND f.lane = l.lane)
          ${criteria.length === 0 ? '' : `WHERE ${criteria.join(' AND ')}`} ORDER BY p.at, l.endpoint, l.lane LIMIT ?`;
        return database
          .prepare<unknown[], LaneRow>(sql)
          .all(...[endpoint, lane].filter((name) => name !== undefined), limit)
          .map((row) => ({ ...row, released: row.released === 1 }));
      },
      'parked.list': (input: Lane & { readonly limit: number }): readonly ParkedDelivery[] => list.all(input.endpoint, input.lane, input.limit).map(delivery),
      'parked.get': (deliveryId: string): ParkedDelivery | undefined => {
        const row = get.get(deliveryId);
        return row === undefined ? undefined : delivery(row);
      },
    },
    writes: {
      'parked.add': (entries: readonly ParkedDelivery[]): void => {
        for (const { deliveryId, messageId, key, headers, ...rest } of entries) {
          if (laneOf.get(deliveryId) === undefined) open.run(rest.endpoint, rest.lane);
          add.run({ ...rest, id: deliveryId, message: messageId, key: key ?? null, headers: JSON.stringify(headers) });
        }
      },
      'parked.release': ({ endpoint, lane }: Lane): boolean => release.run(endpoint, lane).changes > 0,
      'parked.hold': ({ endpoint, lane }: Lane): void => void hold.run(endpoint, lane),
      'parked.remove': (deliveryIds: readonly string[]): number => {
        let removed = 0;
        for (const id of deliveryIds) {
          const lane = laneOf.get(id);
          if (lane === undefined) continue;
          removed += remove.run(id).changes;
          close.run(lane);
        }
        return removed;
      },
    },
  };
}

function delivery(row: Row): ParkedDelivery {
  return {
    deliveryId: row.id,
    messageId: row.message,
    endpoint: row.endpoint,
    lane: row.lane,
    route: row.route,
    rule: row.rule,
    ...given({ key: row.key }),
    code: row.code,
    reason: row.reason,
    at: row.at,
    headers: JSON.parse(row.headers) as Readonly<Record<string, string>>,
    content: row.content,
  };
}
