// The tables. A step that was released is never changed; a new one is added at the end.

const FIRST = `
CREATE TABLE checkpoint (source text COLLATE "C" PRIMARY KEY, position text, epoch bigint NOT NULL, at timestamptz NOT NULL) WITH (fillfactor = 50);
CREATE TABLE lease (name text COLLATE "C" PRIMARY KEY, holder text, epoch bigint NOT NULL, expires timestamptz NOT NULL) WITH (fillfactor = 50);

CREATE TABLE dedupe (scope text COLLATE "C" NOT NULL, id text COLLATE "C" NOT NULL, day integer NOT NULL, PRIMARY KEY (scope, id));
CREATE INDEX dedupe_day ON dedupe (day);

CREATE TABLE ledger (id text COLLATE "C" PRIMARY KEY, endpoint text COLLATE "C" NOT NULL, state smallint NOT NULL, at bigint NOT NULL, detail text);
CREATE INDEX ledger_state ON ledger (state, at);

-- Sets of names (types, sources, routes, endpoints, codes) that messages have to do with: classes.ts.
CREATE TABLE class (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, digest text COLLATE "C" NOT NULL UNIQUE, facets text[] COLLATE "C" NOT NULL);

CREATE TABLE message (
  n bigint GENERATED ALWAYS AS IDENTITY, id text COLLATE "C" PRIMARY KEY, type text, source text, key text COLLATE "C", at bigint NOT NULL, last_at bigint NOT NULL,
  state smallint NOT NULL, queued integer NOT NULL, delivered integer NOT NULL, dead integer NOT NULL, traceparent text, class integer NOT NULL, parts text NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX message_key ON message (key, at) WHERE key IS NOT NULL;
CREATE INDEX message_state ON message (state, at, n);
CREATE INDEX message_class ON message (class, state, at, n);

CREATE TABLE event (seq bigint PRIMARY KEY, message bigint NOT NULL, body text NOT NULL, data text);
CREATE INDEX event_message ON event (message, seq);
-- One row: the number of the last event, and the messages in each state. Who changes it holds it until the commit, so events become visible in the order of their numbers.
CREATE TABLE tail (
  one boolean PRIMARY KEY DEFAULT true CHECK (one), seq bigint NOT NULL, active bigint NOT NULL, delivered bigint NOT NULL, filtered bigint NOT NULL, dead bigint NOT NULL, parked bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO tail (seq, active, delivered, filtered, dead, parked) VALUES (0, 0, 0, 0, 0, 0);

CREATE TABLE letter (
  id text COLLATE "C" PRIMARY KEY, message text COLLATE "C" NOT NULL, state smallint NOT NULL, settled_at bigint, settled_by text, settled_reason text,
  grp text COLLATE "C" NOT NULL, stage smallint NOT NULL, code text NOT NULL, endpoint text NOT NULL, route text NOT NULL, rule text, place text, key text,
  attempts integer NOT NULL, at bigint NOT NULL, reason text NOT NULL, stack text, headers text NOT NULL, content bytea NOT NULL
);
CREATE INDEX letter_open ON letter (at, id) WHERE state = 0;
CREATE INDEX letter_group ON letter (grp, at, id) WHERE state = 0;
CREATE INDEX letter_message ON letter (message);
CREATE INDEX letter_settled ON letter (settled_at) WHERE state <> 0;

CREATE TABLE endpoint_state (endpoint text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, value text NOT NULL, PRIMARY KEY (endpoint, key));
CREATE TABLE revision (number integer PRIMARY KEY, digest text NOT NULL, at bigint NOT NULL, author text NOT NULL, content text NOT NULL);
CREATE TABLE audit (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at bigint NOT NULL, who text NOT NULL, action text NOT NULL, subject text NOT NULL, reason text, result text NOT NULL);

-- The last transaction of each store that was opened: group-commit.ts asks it when the answer to a COMMIT was lost.
CREATE TABLE writer (id uuid PRIMARY KEY, number bigint NOT NULL, at timestamptz NOT NULL) WITH (fillfactor = 50);
`;

const PAYLOADS_AND_PARKED = `
CREATE TABLE payload (reference text COLLATE "C" PRIMARY KEY, content bytea NOT NULL);
CREATE TABLE payload_use (n bigint GENERATED ALWAYS AS IDENTITY UNIQUE, message text COLLATE "C" NOT NULL, reference text COLLATE "C" NOT NULL, at bigint NOT NULL, PRIMARY KEY (message, reference));
CREATE INDEX payload_use_reference ON payload_use (reference);

-- One row per lane that has entries. Who changes the entries of a lane holds its row until the commit, so "n" is their order on every node.
CREATE TABLE lane (endpoint text COLLATE "C" NOT NULL, lane text COLLATE "C" NOT NULL, released boolean NOT NULL, PRIMARY KEY (endpoint, lane));
CREATE INDEX lane_released ON lane (endpoint) WHERE released;
CREATE TABLE parked (
  n bigint GENERATED ALWAYS AS IDENTITY, id text COLLATE "C" PRIMARY KEY, message text COLLATE "C" NOT NULL, endpoint text COLLATE "C" NOT NULL, lane text COLLATE "C" NOT NULL,
  route text NOT NULL, rule text NOT NULL, key text, code text NOT NULL, reason text NOT NULL, at bigint NOT NULL, headers text NOT NULL, content bytea NOT NULL
);
CREATE INDEX parked_lane ON parked (endpoint, lane, n);
CREATE INDEX parked_message ON parked (message);
`;

export const MIGRATIONS: readonly string[] = [FIRST, PAYLOADS_AND_PARKED];
