// Connections of which the server knows nothing any more (RFC 9293, 3.5.1): a firewall forgot them, or their server lost its power. Nothing closes them,
// and TCP sends what is on its way again for many minutes, during which it does not ask whether the other side is there (tcp(7), SO_KEEPALIVE).
import type { Socket } from 'node:net';
import pg from 'pg';

/** How often a statement under way is looked at. */
const LOOK_MS = 3_000;
/** A server that has had nothing to do for longer never got the statement, or its answer is lost. */
const IDLE = "interval '5 seconds'";
/** Ends what is left of it there, so that it holds no locks. Nothing, when the server does not know the process. */
const ASK = `SELECT CASE WHEN (state LIKE 'idle%' AND state_change < clock_timestamp() - ${IDLE}) THEN pg_terminate_backend(pid) ELSE false END AS ended
  FROM pg_stat_activity WHERE pid = $1`;

export interface Backend {
  readonly client: pg.PoolClient;
  /** The process that serves it. */
  readonly pid: number;
  /** How its server is reached for the question. */
  readonly server: pg.ClientConfig;
  readonly onForgotten: () => void;
}

/**
 * What a statement gives. When nothing moves on its connection and the server says, on another one, that it does not work on it, the connection is ended, and
 * the statement rejects as with any that is lost. However long the server works on a statement, it is waited for.
 */
export async function answered<Result>({ client, pid, server, onForgotten }: Backend, statement: Promise<Result>): Promise<Result> {
  const stream = client.connection.stream as Socket;
  const moved = (): number => stream.bytesRead + stream.bytesWritten - stream.writableLength;
  let isOver = false;
  let last: number | undefined;
  let isAsking = false;
  const look = async (): Promise<void> => {
    isAsking = true;
    const now = moved();
    if (now === last && (await isForgotten(server, pid)) && now === moved() && !isOver) {
      onForgotten();
      stream.destroy(new Error('Connection terminated: the server does not know of the statement it was sent'));
    }
    last = now;
    isAsking = false;
  };
  const timer = setInterval(() => {
    if (!isAsking) void look();
  }, LOOK_MS);
  try {
    return await statement;
  } finally {
    isOver = true;
    clearInterval(timer);
  }
}

/** False also when nobody can be asked: the network may come back, and the statement with it. */
async function isForgotten(server: pg.ClientConfig, pid: number): Promise<boolean> {
  const client = new pg.Client({ ...server, connectionTimeoutMillis: LOOK_MS, query_timeout: LOOK_MS });
  client.on('error', () => undefined); // the question fails then
  try {
    await client.connect();
    const { rows } = await client.query<{ readonly ended: boolean }>(ASK, [pid]);
    return rows.every(({ ended }) => ended);
  } catch {
    return false;
  } finally {
    void client.end().catch(() => undefined);
  }
}
