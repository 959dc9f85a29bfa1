// The tables of store.db. A step that was released is never changed; a new one is added at the end.

const FIRST = `
CREATE TABLE checkpoint (source TEXT PRIMARY KEY, position TEXT, epoch INTEGER NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE lease (name TEXT PRIMARY KEY, holder TEXT, epoch INTEGER NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Names that repeat (endpoints, routes, codes, types) are stored once and meant by their number.
CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE dedupe (scope INTEGER NOT NULL, id TEXT NOT NULL, day INTEGER NOT NULL, PRIMARY KEY (scope, id)) STRICT, WITHOUT ROWID;
CREATE INDEX dedupe_day ON dedupe (day);

CREATE TABLE ledger (id TEXT PRIMARY KEY, endpoint INTEGER NOT NULL, state INTEGER NOT NULL, at INTEGER NOT NULL, detail TEXT) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_state ON ledger (state, at);

-- One row per message, derived from its events, whose rows it numbers in its own column "events".
CREATE TABLE message (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL, type INTEGER, source INTEGER, key TEXT, at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  state INTEGER NOT NULL, queued INTEGER NOT NULL, delivered INTEGER NOT NULL, dead INTEGER NOT NULL, traceparent TEXT,
  class INTEGER NOT NULL, parts TEXT NOT NULL, events TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX message_id ON message (id);
CREATE INDEX message_key ON message (key, at) WHERE key IS NOT NULL;
CREATE INDEX message_state ON message (state, at);
CREATE INDEX message_class ON message (class, at);
CREATE TABLE message_count (state INTEGER PRIMARY KEY, messages INTEGER NOT NULL) STRICT;

-- What happened, as it was appended: the events of one message that came together (event-text.ts). Up to folded.seq they are in their message's row, but for those in unfolded.
CREATE TABLE event (seq INTEGER PRIMARY KEY, message TEXT NOT NULL, events TEXT NOT NULL, data TEXT) STRICT;
CREATE TABLE folded (seq INTEGER NOT NULL) STRICT;
INSERT INTO folded (seq) VALUES (0);
CREATE TABLE unfolded (seq INTEGER PRIMARY KEY) STRICT;

-- Sets of names (types, sources, routes, endpoints, codes) that messages have to do with: classes.ts.
CREATE TABLE class (id INTEGER PRIMARY KEY, facets TEXT NOT NULL UNIQUE) STRICT;

-- Large columns last: reading the others does not touch their pages.
CREATE TABLE letter (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, message TEXT NOT NULL, state INTEGER NOT NULL, settled_at INTEGER, grp TEXT NOT NULL, stage INTEGER NOT NULL,
  code TEXT NOT NULL, endpoint TEXT NOT NULL, route TEXT NOT NULL, rule TEXT, place TEXT, key TEXT, attempts INTEGER NOT NULL, at INTEGER NOT NULL,
  settled_by TEXT, settled_reason TEXT, reason TEXT NOT NULL, stack TEXT, headers TEXT NOT NULL, content BLOB NOT NULL
) STRICT;
CREATE INDEX letter_open ON letter (at, id) WHERE state = 0;
CREATE INDEX letter_group ON letter (grp, at, id) WHERE state = 0;
CREATE INDEX letter_message ON letter (message);
CREATE INDEX letter_settled ON letter (settled_at) WHERE state <> 0;

CREATE TABLE endpoint_state (endpoint TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (endpoint, key)) STRICT, WITHOUT ROWID;
CREATE TABLE revision (number INTEGER PRIMARY KEY, digest TEXT NOT NULL, at INTEGER NOT NULL, author TEXT NOT NULL, content TEXT NOT NULL) STRICT;
CREATE TABLE audit (n INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, reason TEXT, result TEXT NOT NULL) STRICT;
`;

const PAYLOADS_AND_PARKED = `
-- Content by its SHA-256, in a table of its own: nothing else lies on its pages.
CREATE TABLE payload (n INTEGER PRIMARY KEY, reference TEXT NOT NULL UNIQUE, content BLOB NOT NULL) STRICT;
CREATE TABLE payload_use (n INTEGER PRIMARY KEY, message TEXT NOT NULL, reference TEXT NOT NULL, at INTEGER NOT NULL, UNIQUE (message, reference)) STRICT;
CREATE INDEX payload_use_reference ON payload_use (reference);

-- One row per lane that has entries; "n" is the order in it.
CREATE TABLE lane (endpoint TEXT NOT NULL, lane TEXT NOT NULL, released INTEGER NOT NULL, PRIMARY KEY (endpoint, lane)) STRICT, WITHOUT ROWID;
CREATE INDEX lane_released ON lane (endpoint) WHERE released = 1;
CREATE TABLE parked (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, message TEXT NOT NULL, endpoint TEXT NOT NULL, lane TEXT NOT NULL, route TEXT NOT NULL, rule TEXT NOT NULL,
  key TEXT, code TEXT NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL, headers TEXT NOT NULL, content BLOB NOT NULL
) STRICT;
CREATE INDEX parked_lane ON parked (endpoint, lane, n);
CREATE INDEX parked_message ON parked (message);
`;

export const MIGRATIONS: readonly string[] = [FIRST, PAYLOADS_AND_PARKED];
