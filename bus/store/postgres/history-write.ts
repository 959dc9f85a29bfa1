// Adds events to the history and keeps the rows of their messages in step: in one transaction, whatever other nodes write at the same time.
import type { HistoryEvent, MessageState } from '../contract.js';
import { applyEvent, countParts, partsFromText, partsToText } from '../summary.js';
import { type Classes, type Facets, facet } from './classes.js';
import { type MessageRow, STATES, toBody } from './history-rows.js';
import { type Operation, same } from './operation.js';
import { portions, rows, storable } from './rows.js';
import type { Session } from './server.js';

/** Characters of one statement. */
const MOST_TEXT = 16_000_000;
/** Nothing more happens to these by itself, and nobody has to look at them. */
const ENDED: readonly MessageState[] = ['delivered', 'filtered'];

const PROGRESS = { last_at: 'bigint', state: 'smallint', queued: 'integer', delivered: 'integer', dead: 'integer', parts: 'text' };
const ABOUT = { type: 'text', source: 'text', key: 'text', traceparent: 'text', class: 'integer' };
const NEW = rows({ id: 'text', at: 'bigint', ...PROGRESS, ...ABOUT });
const CHANGED = rows({ id: 'text', ...PROGRESS, ...ABOUT });
const CHANGES = [...Object.keys(PROGRESS), ...Object.keys(ABOUT)].map((column) => `${column} = v.${column}`).join(', ');
const EVENTS = rows({ place: 'integer', message: 'bigint', body: 'text', data: 'text' });

type NewRow = Omit<MessageRow, 'n'>;

/** A message and its events in this transaction. */
interface Touched {
  readonly id: string;
  readonly before: MessageRow | undefined;
  readonly events: readonly HistoryEvent[];
}

export function historyWrites(classes: Classes): {
  readonly append: Operation<readonly HistoryEvent[], void>;
  readonly prune: Operation<{ readonly before: number; readonly limit: number }, number>;
} {
  return {
    /** Every append is stored once, also when its COMMIT got no answer: see GroupCommit. */
    append: {
      table: 'message',
      weight: (events) => events.reduce((sum, { data }) => sum + 500 + (data?.length ?? 0), 0),
      async run(session, inputs) {
        const events = inputs.flat();
        if (events.length > 0) await append(session, classes, events);
        return same(inputs, undefined);
      },
    },
    prune: {
      table: 'message',
      async run(session, inputs) {
        const [{ before, limit } = { before: 0, limit: 0 }] = inputs;
        const removed = await prune(session, before, limit);
        return inputs.map((_, index) => (index === 0 ? removed : 0));
      },
    },
  };
}

async function append(session: Session, classes: Classes, events: readonly HistoryEvent[]): Promise<void> {
  const byId = new Map<string, HistoryEvent[]>();
  for (const event of events) {
    const id = idOf(event);
    const others = byId.get(id);
    if (others === undefined) byId.set(id, [event]);
    else others.push(event);
  }
  const ids = [...byId.keys()].sort();
  // In the order of their ids on every node, so that nobody waits in a circle. Whoever comes second sees what the first one made of the message.
  const locked = await session.query<MessageRow>('SELECT * FROM message WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE', [ids]);
  const known = new Map(locked.map((row) => [row.id, row]));
  const look = (some: readonly string[]): readonly Touched[] => some.map((id): Touched => ({ id, before: known.get(id), events: byId.get(id) ?? [] }));
  const created = await summarise(classes, look(ids.filter((id) => !known.has(id))));

  const numbers = new Map(locked.map(({ id, n }) => [id, n]));
  if (created.length > 0) {
    const made = await session.query<Pick<MessageRow, 'n' | 'id'>>(
      `INSERT INTO message (${NEW.names}) SELECT * FROM ${NEW.source} ON CONFLICT (id) DO NOTHING RETURNING n, id`,
      NEW.values(created),
    );
    for (const { id, n } of made) numbers.set(id, n);
    // Another node wrote of some of them since we looked (it delivers what we have just published). It has committed, so they are changed like the others.
    const late = made.length < created.length ? created.filter(({ id }) => !numbers.has(id)).map(({ id }) => id) : [];
    const found = late.length > 0 ? await session.query<MessageRow>('SELECT * FROM message WHERE id = ANY($1::text[]) ORDER BY id FOR UPDATE', [late]) : [];
    if (found.length < late.length) throw new Collision();
    for (const row of found) {
      known.set(row.id, row);
      numbers.set(row.id, row.n);
    }
  }
  const touched = look(ids);
  const changed = await summarise(classes, look(ids.filter((id) => known.has(id))));
  const after = [...created.filter(({ id }) => !known.has(id)), ...changed];
  if (changed.length > 0) await session.query(`UPDATE message m SET ${CHANGES} FROM ${CHANGED.source} WHERE m.id = v.id`, CHANGED.values(changed));

  const counts = new Map<number, number>();
  for (const { before } of touched) if (before !== undefined) counts.set(before.state, (counts.get(before.state) ?? 0) - 1);
  for (const { state } of after) counts.set(state, (counts.get(state) ?? 0) + 1);
  // From here to the commit nodes write one after another: so the live tail of any node never passes by a number that is yet to come.
  const first = (await countOn(session, events.length, counts)) - events.length + 1;
  const placed = events.map((event, place) => ({ place, message: numbers.get(idOf(event)) ?? 0, body: toBody(event), data: event.data ?? null }));
  for (const some of portions(placed, MOST_TEXT, ({ body, data }) => body.length + (data?.length ?? 0))) {
    await session.query(`INSERT INTO event (seq, message, body, data) SELECT ${first} + place, message, body, data FROM ${EVENTS.source}`, EVENTS.values(some));
  }
}

/** @returns the number of the last event */
async function countOn(session: Session, events: number, counts: ReadonlyMap<number, number>): Promise<number> {
  const changes = STATES.map((state, index) => `${state} = ${state} + ${counts.get(index) ?? 0}`);
  const [row] = await session.query<{ readonly seq: number }>(`UPDATE tail SET seq = seq + ${events}, ${changes.join(', ')} RETURNING seq`);
  if (row === undefined) throw new Error('the table tail is empty');
  return row.seq;
}

async function summarise(classes: Classes, touched: readonly Touched[]): Promise<readonly NewRow[]> {
  const facets = await classes.facets(touched.flatMap(({ before }) => (before === undefined ? [] : [before.class])));
  const rowsAndSets = touched.map((one) => afterEvents(one, one.before && facets.get(one.before.class)));
  const ids = await classes.ids(rowsAndSets.map(({ set }) => set));
  return rowsAndSets.map(({ row }, index) => ({ ...row, class: ids[index] ?? 0 }));
}

/** The row after these events. What a message says about itself stays, once known. */
function afterEvents({ id, before, events }: Touched, known: Facets = new Set()): { readonly row: Omit<NewRow, 'class'>; readonly set: Facets } {
  const set = new Set(known);
  const parts = partsFromText(before?.parts ?? '');
  let { type, source, key, traceparent, last_at } = before ?? { type: null, source: null, key: null, traceparent: null, last_at: 0 };
  for (const event of events) {
    applyEvent(parts, event);
    last_at = Math.max(last_at, Math.trunc(event.at));
    if (event.message !== undefined) {
      type ??= event.message.type ?? null;
      source ??= event.message.source;
      key ??= event.message.key ?? null;
      traceparent ??= event.message.traceparent ?? null;
    }
    for (const role of ['route', 'endpoint', 'code'] as const) {
      const name = event[role];
      if (name !== undefined) set.add(facet(role, name));
    }
  }
  if (type !== null) set.add(facet('type', type));
  if (source !== null) set.add(facet('source', source));
  const { state, ...counted } = countParts(parts);
  const at = before?.at ?? Math.trunc(events[0]?.at ?? 0);
  return { row: { id, at, last_at, type, source, key, traceparent, state: STATES.indexOf(state), ...counted, parts: partsToText(parts) }, set };
}

async function prune(session: Session, before: number, limit: number): Promise<number> {
  const removed = await session.query<Pick<MessageRow, 'n' | 'state'>>(
    `DELETE FROM message WHERE id = ANY (ARRAY(SELECT id FROM message m WHERE state = ANY($1::smallint[]) AND at < $2 AND last_at < $2
       AND NOT EXISTS (SELECT 1 FROM letter WHERE letter.message = m.id AND letter.state = 0) LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING n, state`,
    [ENDED.map((state) => STATES.indexOf(state)), before, limit],
  );
  if (removed.length === 0) return 0;
  await session.query('DELETE FROM event WHERE message = ANY($1::bigint[])', [removed.map(({ n }) => n)]);
  const counts = new Map<number, number>();
  for (const { state } of removed) counts.set(state, (counts.get(state) ?? 0) - 1);
  await countOn(session, 0, counts);
  return removed.length;
}

/** As the database has it. */
function idOf({ messageId }: HistoryEvent): string {
  return storable(messageId);
}

/** Known to `isCollision`. */
class Collision extends Error {
  readonly code = '40001';

  constructor() {
    super('another node wrote the same messages');
  }
}
