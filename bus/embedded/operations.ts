// What the thread that owns `bus.db` does. It keeps nothing in memory but the next number of each queue: a rollback leaves no trace.
import type { Database } from '../sqlite/database.js';
import { inspect } from '../sqlite/inspection.js';
import { MAX_QUEUES, SPAN } from './schema.js';

/** Messages packed for the way between threads: all bodies in one buffer, in order. */
interface Packed {
  readonly ids: readonly string[];
  readonly headers: readonly string[];
  readonly lengths: readonly number[];
  readonly bodies: Uint8Array;
}

export interface Enqueued extends Packed {
  /** Per message: its queue, and when it becomes ready (0: now). */
  readonly queues: readonly number[];
  readonly dues: readonly number[];
  readonly now: number;
  /** Queues with a limit of ready messages. */
  readonly limits: Readonly<Record<number, number>>;
}

export interface Taken extends Packed {
  readonly seqs: readonly number[];
  readonly attempts: readonly number[];
}

export interface Settled {
  readonly acked: readonly number[];
  /** Back to the head, one delivery counted. */
  readonly requeued: readonly number[];
  /** Back to the head, never given to anyone. */
  readonly untouched: readonly number[];
}

interface Row {
  readonly seq: number;
  readonly attempts: number;
  readonly mid: string;
  readonly hdr: string;
  readonly body: Buffer;
}

interface QueueRow {
  readonly id: number;
  readonly ready: number;
  readonly handed: number;
}

export type BusOperations = ReturnType<typeof operations>;

/** A chunk this large ends early, so that a few large messages do not block the way for long. */
const CHUNK_BYTES = 4 * 1024 * 1024;
const PROMOTE = 1_000;

export function operations(database: Database) {
  const byName = database.prepare<[string], QueueRow>('SELECT id, ready, handed FROM queue WHERE name = ?');
  const byId = database.prepare<[number], QueueRow>('SELECT id, ready, handed FROM queue WHERE id = ?');
  const addReady = database.prepare<[number, number]>('UPDATE queue SET ready = ready + ? WHERE id = ?');
  const setHanded = database.prepare<[number, number, number]>('UPDATE queue SET ready = ready - ?, handed = ? WHERE id = ?');
  const insert = database.prepare<[number, number, string, string, Uint8Array]>('INSERT INTO msg(seq, at, attempts, mid, hdr, body) VALUES (?, ?, 0, ?, ?, ?)');
  const delay = database.prepare<[number, number, string, string, Uint8Array]>('INSERT INTO delayed(queue, due, mid, hdr, body) VALUES (?, ?, ?, ?, ?)');
  const next = database.prepare<[number, number, number], Row>('SELECT seq, attempts, mid, hdr, body FROM msg WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?');
  const back = database.prepare<[number, number, number], Row>(
    'SELECT m.seq, m.attempts, m.mid, m.hdr, m.body FROM returned r JOIN msg m ON m.seq = r.seq WHERE r.seq > ? AND r.seq < ? ORDER BY r.seq LIMIT ?',
  );
  const forget = database.prepare<[number]>('DELETE FROM returned WHERE seq = ?');
  const remember = database.prepare<[number]>('INSERT INTO returned(seq) VALUES (?)');
  const remove = database.prepare<[number]>('DELETE FROM msg WHERE seq = ?');
  const count = database.prepare<[number]>('UPDATE msg SET attempts = attempts + 1 WHERE seq = ?');
  const due = database.prepare<[number], { id: number; queue: number; mid: string; hdr: string; body: Buffer }>(
    `SELECT id, queue, mid, hdr, body FROM delayed WHERE due <= ? ORDER BY due, id LIMIT ${PROMOTE}`,
  );
  const undelay = database.prepare<[number]>('DELETE FROM delayed WHERE id = ?');
  const firstDue = database.prepare<[], { due: number | null }>('SELECT min(due) AS due FROM delayed');
  const last = database.prepare<[number], { seq: number | null }>('SELECT max(seq) AS seq FROM msg WHERE seq < ?');
  const counters = new Map<number, number>();

  const nextSeq = (queue: number): number => {
    // Above what was handed out too: its rows may be gone already, and below that mark nobody looks any more.
    const known = counters.get(queue) ?? Math.max(last.get((queue + 1) * SPAN)?.seq ?? 0, byId.get(queue)?.handed ?? 0, queue * SPAN);
    counters.set(queue, known + 1);
    return known + 1;
  };

  const take = ({ queue, count: limit }: { readonly queue: number; readonly count: number }): Taken => {
    const state = byId.get(queue);
    const from = queue * SPAN;
    const rows: Row[] = [];
    let bytes = 0;
    let handed = state?.handed ?? 0;
    const collect = (source: Iterable<Row>): void => {
      for (const row of source) {
        rows.push(row);
        bytes += row.body.byteLength;
        if (bytes > CHUNK_BYTES) break;
      }
    };
    collect(back.iterate(from, from + SPAN, limit));
    for (const { seq } of rows) forget.run(seq);
    if (rows.length < limit && bytes <= CHUNK_BYTES) {
      collect(next.iterate(Math.max(handed, from), from + SPAN, limit - rows.length));
      handed = Math.max(handed, rows.at(-1)?.seq ?? 0);
    }
    if (rows.length > 0) setHanded.run(rows.length, handed, queue);
    return {
      seqs: rows.map(({ seq }) => seq),
      attempts: rows.map(({ attempts }) => attempts),
      ids: rows.map(({ mid }) => mid),
      headers: rows.map(({ hdr }) => hdr),
      lengths: rows.map(({ body }) => body.byteLength),
      bodies: concat(rows, bytes),
    };
  };

  const giveBack = (seqs: readonly number[], attempt: boolean): void => {
    for (const seq of seqs) {
      remember.run(seq);
      if (attempt) count.run(seq);
      addReady.run(1, Math.floor(seq / SPAN));
    }
  };

  return {
    reads: {
      depth: ({ queue, now }: { readonly queue: number; readonly now: number }) => {
        const from = queue * SPAN;
        const state = byId.get(queue);
        const delayed = database.prepare<[number], { n: number }>('SELECT count(*) AS n FROM delayed WHERE queue = ?').get(queue)?.n ?? 0;
        const oldest = database.prepare<[number, number, number, number], { at: number | null }>(
          `SELECT min(at) AS at FROM (SELECT at FROM (SELECT at FROM msg WHERE seq > ? AND seq < ? ORDER BY seq LIMIT 1)
             UNION ALL SELECT at FROM (SELECT m.at FROM returned r JOIN msg m ON m.seq = r.seq WHERE r.seq > ? AND r.seq < ? ORDER BY r.seq LIMIT 1))`,
        );
        const at = oldest.get(Math.max(state?.handed ?? 0, from), from + SPAN, from, from + SPAN)?.at ?? undefined;
        return { ready: state?.ready ?? 0, delayed, oldestMs: at === undefined ? undefined : Math.max(0, now - at) };
      },
      inspect: (integrity: boolean) => inspect(database, integrity),
    },
    writes: {
      /** @returns the queue's id, or undefined when there is no room for another queue. */
      declare: (name: string): number | undefined => {
        const known = byName.get(name);
        if (known) return known.id;
        const free = database
          .prepare<[], { id: number }>(
            'SELECT coalesce(min(q.id), 0) + 1 AS id FROM (SELECT 0 AS id UNION ALL SELECT id FROM queue) q WHERE NOT EXISTS (SELECT 1 FROM queue n WHERE n.id = q.id + 1)',
          )
          .get();
        if (free === undefined || free.id > MAX_QUEUES) return undefined;
        database.prepare('INSERT INTO queue(id, name) VALUES (?, ?)').run(free.id, name);
        return free.id;
      },
      /** @returns the positions of the messages that were refused because their queue is full. */
      enqueue: (batch: Enqueued): readonly number[] => {
        const refused: number[] = [];
        const added = new Map<number, number>();
        const room = new Map<number, number>();
        for (const [id, limit] of Object.entries(batch.limits)) room.set(Number(id), limit - (byId.get(Number(id))?.ready ?? 0));
        let offset = 0;
        for (const [index, queue] of batch.queues.entries()) {
          const length = batch.lengths[index] ?? 0;
          const body = Buffer.from(batch.bodies.buffer, batch.bodies.byteOffset + offset, length);
          offset += length;
          const [mid, hdr, at] = [batch.ids[index] ?? '', batch.headers[index] ?? '', batch.dues[index] ?? 0];
          if (at > 0) {
            delay.run(queue, at, mid, hdr, body);
            continue;
          }
          const free = room.get(queue);
          if (free !== undefined && free <= 0) {
            refused.push(index);
            continue;
          }
          if (free !== undefined) room.set(queue, free - 1);
          insert.run(nextSeq(queue), batch.now, mid, hdr, body);
          added.set(queue, (added.get(queue) ?? 0) + 1);
        }
        for (const [queue, n] of added) addReady.run(n, queue);
        return refused;
      },
      /** Gives the next messages of a queue to consumers. */
      take,
      settle: ({ acked, requeued, untouched }: Settled): void => {
        for (const seq of acked) remove.run(seq);
        giveBack(requeued, true);
        giveBack(untouched, false);
      },
      /** Makes delayed messages ready. @returns their queues and when the next is due */
      promote: (now: number): { readonly queues: readonly number[]; readonly nextDue: number | undefined } => {
        const queues = new Set<number>();
        for (const { id, queue, mid, hdr, body } of due.all(now)) {
          insert.run(nextSeq(queue), now, mid, hdr, body);
          undelay.run(id);
          addReady.run(1, queue);
          queues.add(queue);
        }
        return { queues: [...queues], nextDue: firstDue.get()?.due ?? undefined };
      },
      /** @returns false when the queue still holds something. */
      drop: (queue: number): boolean => {
        const from = queue * SPAN;
        if (next.get(from, from + SPAN, 1) !== undefined) return false;
        if (database.prepare('SELECT 1 FROM delayed WHERE queue = ? LIMIT 1').get(queue) !== undefined) return false;
        database.prepare('DELETE FROM queue WHERE id = ?').run(queue);
        counters.delete(queue);
        return true;
      },
    },
  };
}

/** What was in the hands of consumers when the last owner ended goes back, one delivery counted. */
export function recover(database: Database): void {
  database
    .transaction(() => {
      for (const { id, handed } of database.prepare<[], QueueRow>('SELECT id, ready, handed FROM queue WHERE handed > 0').all()) {
        const lost = database
          .prepare<[number, number]>('UPDATE msg SET attempts = attempts + 1 WHERE seq > ? AND seq <= ? AND seq NOT IN (SELECT seq FROM returned)')
          .run(id * SPAN, handed);
        database.prepare<[number, number]>('UPDATE queue SET ready = ready + ?, handed = 0 WHERE id = ?').run(lost.changes, id);
      }
      database.exec('DELETE FROM returned');
    })
    .immediate();
}

function concat(rows: readonly Row[], bytes: number): Uint8Array {
  const all = new Uint8Array(bytes);
  let offset = 0;
  for (const { body } of rows) {
    all.set(body, offset);
    offset += body.byteLength;
  }
  return all;
}
