/**
 * The tables of `bus.db`. A message's `seq` is its queue's id times 2^40 plus a counter, so the messages of a queue lie together in order
 * and need no index beside the table. `handed` is the highest `seq` given to a consumer: what is at or below it, and not in `returned`,
 * was handed out and not settled - after a crash exactly those count one more delivery. So handing out costs one small update
 * per chunk and no row per message.
 */
export const MIGRATIONS = [
  `CREATE TABLE queue(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, ready INTEGER NOT NULL DEFAULT 0, handed INTEGER NOT NULL DEFAULT 0) STRICT;
   CREATE TABLE msg(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, attempts INTEGER NOT NULL, mid TEXT NOT NULL, hdr TEXT NOT NULL, body BLOB NOT NULL) STRICT;
   CREATE TABLE returned(seq INTEGER PRIMARY KEY) STRICT;
   CREATE TABLE delayed(id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, due INTEGER NOT NULL, mid TEXT NOT NULL, hdr TEXT NOT NULL, body BLOB NOT NULL) STRICT;
   CREATE INDEX delayed_due ON delayed(due, id);`,
] as const;

/** Counters of a queue; 2^13 queues of 2^40 messages each stay exact in a JavaScript number. */
export const SPAN = 2 ** 40;
export const MAX_QUEUES = 2 ** 13 - 1;
