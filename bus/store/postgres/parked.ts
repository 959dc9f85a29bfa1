import type { Parked, ParkedDelivery, ParkedLane } from '../contract.js';
import { eachSorted, type Operation, same } from './operation.js';
import { given, lastOfEach, portions, rows } from './rows.js';
import type { Server, Session, Value } from './server.js';

/** Bytes of content in one statement: they travel as text of twice the length. */
const MOST_BYTES = 16_000_000;

const ROWS = rows({
  id: 'text',
  endpoint: 'text',
  lane: 'text',
  at: 'bigint',
  message: 'text',
  route: 'text',
  rule: 'text',
  key: 'text',
  code: 'text',
  reason: 'text',
  headers: 'text',
  content: 'bytea',
});
const CHANGED = ['message', 'route', 'rule', 'key', 'code', 'reason', 'headers', 'content'];
const UPSERT = `INSERT INTO parked (${ROWS.names}) SELECT * FROM ${ROWS.source}
  ON CONFLICT (id) DO UPDATE SET ${CHANGED.map((column) => `${column} = excluded.${column}`).join(', ')}`;
const LANES = rows({ endpoint: 'text', lane: 'text' });
const EMPTY = 'NOT EXISTS (SELECT 1 FROM parked p WHERE p.endpoint = l.endpoint AND p.lane = l.lane)';

interface Row {
  readonly id: string;
  readonly message: string;
  readonly endpoint: string;
  readonly lane: string;
  readonly route: string;
  readonly rule: string;
  readonly key: string | null;
  readonly code: string;
  readonly reason: string;
  readonly at: number;
  readonly headers: string;
  readonly content: Uint8Array;
}

type Lane = Pick<ParkedDelivery, 'endpoint' | 'lane'>;

export const addParked: Operation<readonly ParkedDelivery[], void> = {
  table: 'parked',
  weight: (entries) => entries.reduce((sum, { content }) => sum + 1_000 + content.byteLength, 0),
  async run(session, inputs) {
    // In the order they came first, with what was said last.
    const entries = [...new Map(inputs.flat().map((one) => [one.deliveryId, one])).values()];
    if (entries.length === 0) return same(inputs, undefined);
    const lanes = sorted(entries);
    // Makes the lane or changes nothing about it, and holds it.
    await session.query(
      `INSERT INTO lane AS l (${LANES.names}, released) SELECT v.*, false FROM ${LANES.source} ON CONFLICT (endpoint, lane) DO UPDATE SET released = l.released`,
      LANES.values(lanes),
    );
    for (const some of portions(entries, MOST_BYTES, ({ content }) => 1_000 + content.byteLength)) await session.query(UPSERT, ROWS.values(some.map(toRow)));
    // One that is there already in another lane stays in that one.
    await closeEmpty(session, lanes);
    return same(inputs, undefined);
  },
};

export const releaseLane: Operation<Lane, boolean> = {
  table: 'parked',
  run: (session, inputs) =>
    eachSorted(inputs, keyOf, async ({ endpoint, lane }) => {
      const found = await session.query('UPDATE lane SET released = true WHERE endpoint = $1 AND lane = $2 RETURNING 1', [endpoint, lane]);
      return found.length > 0;
    }),
};

export const holdLane: Operation<Lane, void> = {
  table: 'parked',
  run: (session, inputs) =>
    eachSorted(inputs, keyOf, async ({ endpoint, lane }) => {
      await session.query('UPDATE lane SET released = false WHERE endpoint = $1 AND lane = $2', [endpoint, lane]);
    }),
};

/** Of all that remove the same entry, on whatever node, one counts it. */
export const removeParked: Operation<readonly string[], number> = {
  table: 'parked',
  weight: (ids) => ids.length * 100,
  async run(session, inputs) {
    const ids = inputs.flat();
    const lanes = sorted(await session.query<Lane>('SELECT DISTINCT endpoint, lane FROM parked WHERE id = ANY($1::text[])', [ids]));
    if (lanes.length === 0) return same(inputs, 0);
    await session.query(`SELECT 1 FROM lane l JOIN ${LANES.source} USING (endpoint, lane) ORDER BY l.endpoint, l.lane FOR UPDATE OF l`, LANES.values(lanes));
    const removed = new Set((await session.query<Pick<Row, 'id'>>('DELETE FROM parked WHERE id = ANY($1::text[]) RETURNING id', [ids])).map(({ id }) => id));
    await closeEmpty(session, lanes);
    return inputs.map((own) => own.filter((id) => removed.delete(id)).length);
  },
};

export function parkedReads(server: Server): Pick<Parked, 'lanes' | 'list' | 'get'> {
  return {
    async lanes({ endpoint, lane, released, limit }) {
      const values: Value[] = [limit];
      const equal = (column: string, value: Value | undefined): string => (value === undefined ? '' : ` AND ${column} = $${values.push(value)}`);
      return server.read<ParkedLane>(
        `SELECT l.endpoint, l.lane, l.released, first.at AS "firstAt", first.code, first.reason,
           (SELECT count(*) FROM parked c WHERE c.endpoint = l.endpoint AND c.lane = l.lane) AS count
         FROM lane l CROSS JOIN LATERAL (SELECT at, code, reason FROM parked p WHERE p.endpoint = l.endpoint AND p.lane = l.lane ORDER BY n LIMIT 1) first
         WHERE true${equal('l.endpoint', endpoint)}${equal('l.lane', lane)}${equal('l.released', released)} ORDER BY first.at, l.endpoint, l.lane LIMIT $1`,
        values,
      );
    },
    async list(endpoint, lane, limit) {
      return (await server.read<Row>('SELECT * FROM parked WHERE endpoint = $1 AND lane = $2 ORDER BY n LIMIT $3', [endpoint, lane, limit])).map(fromRow);
    },
    async get(deliveryId) {
      const [row] = await server.read<Row>('SELECT * FROM parked WHERE id = $1', [deliveryId]);
      return row && fromRow(row);
    },
  };
}

async function closeEmpty(session: Session, lanes: readonly Lane[]): Promise<void> {
  await session.query(`DELETE FROM lane l USING ${LANES.source} WHERE l.endpoint = v.endpoint AND l.lane = v.lane AND ${EMPTY}`, LANES.values(lanes));
}

/** Each once, in the order in which every node takes its locks. */
function sorted(lanes: readonly Lane[]): readonly Lane[] {
  return lastOfEach(
    lanes.map(({ endpoint, lane }) => ({ endpoint, lane })),
    keyOf,
  );
}

function keyOf({ endpoint, lane }: Lane): string {
  return `${endpoint}\n${lane}`;
}

function toRow({ deliveryId, messageId, key, headers, content, ...rest }: ParkedDelivery) {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  return { ...rest, id: deliveryId, message: messageId, key: key ?? null, headers: JSON.stringify(headers), content: bytes };
}

function fromRow(row: Row): ParkedDelivery {
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
    content: new Uint8Array(row.content),
  };
}
