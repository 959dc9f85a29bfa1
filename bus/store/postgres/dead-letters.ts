import type { DeadLetter, DeadLetterGroup, DeadLetters, StoredDeadLetter } from '../contract.js';
import { type Operation, same } from './operation.js';
import { given, lastOfEach, portions, rows } from './rows.js';
import type { Server, Value } from './server.js';

/** Stored as their place in these lists: append only. */
const STATES: readonly StoredDeadLetter['state'][] = ['open', 'redelivered', 'discarded'];
const STAGES: readonly DeadLetter['stage'][] = ['inbound', 'delivery'];
/** Bytes of content in one statement: they travel as text of twice the length. */
const MOST_BYTES = 16_000_000;

const ROWS = rows({
  id: 'text',
  message: 'text',
  grp: 'text',
  stage: 'smallint',
  code: 'text',
  endpoint: 'text',
  route: 'text',
  rule: 'text',
  place: 'text',
  key: 'text',
  attempts: 'integer',
  at: 'bigint',
  reason: 'text',
  stack: 'text',
  headers: 'text',
  content: 'bytea',
});
const CHANGED = ROWS.names.split(', ').slice(1);
const UPSERT = `INSERT INTO letter (state, ${ROWS.names}) SELECT 0, v.* FROM ${ROWS.source}
  ON CONFLICT (id) DO UPDATE SET state = 0, settled_at = NULL, settled_by = NULL, settled_reason = NULL, ${CHANGED.map((column) => `${column} = excluded.${column}`).join(', ')}`;

const SETTLED = rows({ id: 'text', at: 'bigint', state: 'smallint', settled_at: 'bigint', settled_by: 'text', settled_reason: 'text' });

type SettledRow = Pick<DeadLetter, 'id' | 'at'> & Readonly<Record<'state' | 'settled_at' | 'settled_by' | 'settled_reason', Value>>;

interface Row {
  readonly id: string;
  readonly message: string;
  readonly state: number;
  readonly grp: string;
  readonly stage: number;
  readonly code: string;
  readonly endpoint: string;
  readonly route: string;
  readonly rule: string | null;
  readonly place: string | null;
  readonly key: string | null;
  readonly attempts: number;
  readonly at: number;
  readonly reason: string;
  readonly stack: string | null;
  readonly headers: string;
  readonly content: Uint8Array;
}

/** Adding the same failure twice is no harm, unless somebody settled it in between: then it is open again, and is looked at twice. */
export const addLetters: Operation<readonly DeadLetter[], void> = {
  table: 'letter',
  weight: (letters) => letters.reduce((sum, { content }) => sum + 1_000 + content.byteLength, 0),
  async run(session, inputs) {
    const last = lastOfEach(inputs.flat(), ({ id }) => id);
    for (const some of portions(last, MOST_BYTES, ({ content }) => 1_000 + content.byteLength)) await session.query(UPSERT, ROWS.values(some.map(toRow)));
    return same(inputs, undefined);
  },
};

export interface Settle {
  readonly letters: readonly Pick<DeadLetter, 'id' | 'at'>[];
  readonly as: Parameters<DeadLetters['settle']>[1];
  readonly by: string;
  readonly reason: string | undefined;
  readonly at: number;
}

/** Of all that settle the same letter, on whatever node, one counts it. */
export const settleLetters: Operation<Settle, number> = {
  table: 'letter',
  weight: ({ letters }) => letters.length * 200,
  async run(session, inputs) {
    const first = new Map<string, { readonly input: number; readonly row: SettledRow }>();
    for (const [input, { letters, as, by, reason, at: settled_at }] of inputs.entries()) {
      for (const { id, at } of letters) {
        const row = { id, at, state: STATES.indexOf(as), settled_at, settled_by: by, settled_reason: reason ?? null };
        if (!first.has(keyOf(row))) first.set(keyOf(row), { input, row });
      }
    }
    const counts = inputs.map(() => 0);
    if (first.size === 0) return counts;
    // Sorted, so that two nodes do not wait for each other.
    await session.query('SELECT 1 FROM letter WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE', [[...first.values()].map(({ row }) => row.id)]);
    const closed = await session.query<Pick<DeadLetter, 'id' | 'at'>>(
      `UPDATE letter l SET state = v.state, settled_at = v.settled_at, settled_by = v.settled_by, settled_reason = v.settled_reason
       FROM ${SETTLED.source} WHERE l.id = v.id AND l.at = v.at AND l.state = 0 RETURNING l.id, l.at`,
      SETTLED.values([...first.values()].map(({ row }) => row)),
    );
    for (const letter of closed) {
      const input = first.get(keyOf(letter))?.input;
      if (input !== undefined) counts[input] = (counts[input] ?? 0) + 1;
    }
    return counts;
  },
};

export const pruneLetters: Operation<{ readonly before: number; readonly limit: number }, number> = {
  table: 'letter',
  async run(session, inputs) {
    const [{ before, limit } = { before: 0, limit: 0 }] = inputs;
    const removed = await session.query(
      'DELETE FROM letter WHERE id = ANY (ARRAY(SELECT id FROM letter WHERE state <> 0 AND settled_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1',
      [before, limit],
    );
    return inputs.map((_, index) => (index === 0 ? removed.length : 0));
  },
};

export function deadLetterReads(server: Server): Pick<DeadLetters, 'get' | 'list' | 'groups'> {
  return {
    async get(id) {
      const [row] = await server.read<Row>('SELECT * FROM letter WHERE id = $1', [id]);
      return row && fromRow(row);
    },
    async list({ group, endpoint, route, messageId, after, limit }) {
      const values: Value[] = [limit];
      const equal = (column: string, value: string | undefined): string => (value === undefined ? '' : ` AND ${column} = $${values.push(value)}`);
      const criteria = equal('message', messageId) + equal('grp', group) + equal('endpoint', endpoint) + equal('route', route);
      const page = after === undefined ? '' : ` AND (at, id) > ($${values.push(after.at)}, $${values.push(after.id)})`;
      return (await server.read<Row>(`SELECT * FROM letter WHERE state = 0${criteria}${page} ORDER BY at, id LIMIT $1`, values)).map(fromRow);
    },
    groups: () =>
      server.read<DeadLetterGroup>(
        `SELECT g.grp AS "group", newest.code, newest.endpoint, newest.route, newest.reason, g.count, g."firstAt", g."lastAt"
         FROM (SELECT grp, count(*) AS count, min(at) AS "firstAt", max(at) AS "lastAt" FROM letter WHERE state = 0 GROUP BY grp) g
         CROSS JOIN LATERAL (SELECT code, endpoint, route, reason FROM letter l WHERE l.state = 0 AND l.grp = g.grp ORDER BY at DESC, id DESC LIMIT 1) newest
         ORDER BY g.count DESC, g.grp`,
      ),
  };
}

function keyOf({ id, at }: Pick<DeadLetter, 'id' | 'at'>): string {
  return `${at} ${id}`;
}

function toRow({ messageId, group, stage, rule, place, key, stack, headers, content, ...rest }: DeadLetter) {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const optional = { rule: rule ?? null, place: place ?? null, key: key ?? null, stack: stack ?? null };
  return { ...rest, ...optional, message: messageId, grp: group, stage: STAGES.indexOf(stage), headers: JSON.stringify(headers), content: bytes };
}

function fromRow(row: Row): StoredDeadLetter {
  return {
    id: row.id,
    messageId: row.message,
    stage: STAGES[row.stage] ?? 'delivery',
    group: row.grp,
    code: row.code,
    reason: row.reason,
    endpoint: row.endpoint,
    route: row.route,
    ...given({ rule: row.rule, place: row.place, key: row.key, stack: row.stack }),
    attempts: row.attempts,
    at: row.at,
    headers: JSON.parse(row.headers) as Readonly<Record<string, string>>,
    content: new Uint8Array(row.content),
    state: STATES[row.state] ?? 'open',
  };
}
