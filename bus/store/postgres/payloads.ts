import type { Payloads } from '../contract.js';
import { eachSorted, type Operation } from './operation.js';
import type { Server } from './server.js';

export interface Put {
  readonly messageId: string;
  readonly reference: string;
  readonly content: Uint8Array;
  readonly at: number;
}

/** Putting the same twice is no harm. The use is written before the content is looked for: so a prune on another node sees it, or has removed the content already. */
export const putPayload: Operation<Put, void> = {
  table: 'payload',
  weight: ({ content }) => 1_000 + content.byteLength,
  run: (session, inputs) =>
    eachSorted(
      inputs,
      ({ reference }) => reference,
      async ({ messageId, reference, content, at }) => {
        await session.query('INSERT INTO payload_use (message, reference, at) VALUES ($1, $2, $3) ON CONFLICT (message, reference) DO UPDATE SET at = excluded.at', [
          messageId,
          reference,
          at,
        ]);
        const there = await session.query('SELECT 1 FROM payload WHERE reference = $1 FOR SHARE', [reference]);
        if (there.length > 0) return;
        const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
        await session.query('INSERT INTO payload (reference, content) VALUES ($1, $2) ON CONFLICT DO NOTHING', [reference, bytes]);
      },
    ),
};

export interface PrunePayloads {
  readonly before: number;
  readonly after: number;
  readonly limit: number;
}

/** Looks at some uses, beginning after one. Outputs the last one it looked at; undefined at the end. */
export const prunePayloads: Operation<PrunePayloads, number | undefined> = {
  table: 'payload',
  async run(session, inputs) {
    const outputs: (number | undefined)[] = [];
    for (const { before, after, limit } of inputs) {
      const some = await session.query<{ readonly n: number }>('SELECT n FROM payload_use WHERE n > $1 ORDER BY n LIMIT $2', [after, limit]);
      const last = some.at(-1)?.n;
      outputs.push(some.length === limit ? last : undefined);
      if (last === undefined) continue;
      const unused = await session.query<{ readonly reference: string }>(
        `DELETE FROM payload_use u WHERE n > $1 AND n <= $2 AND at < $3
         AND NOT EXISTS (SELECT 1 FROM message WHERE message.id = u.message)
         AND NOT EXISTS (SELECT 1 FROM letter WHERE letter.message = u.message AND letter.state = 0)
         AND NOT EXISTS (SELECT 1 FROM parked WHERE parked.message = u.message) RETURNING reference`,
        [after, last, before],
      );
      if (unused.length === 0) continue;
      // Whoever else removes a use of the same content, or is about to use it, has ended when these rows are ours: the next statement sees what they did.
      const references = [...new Set(unused.map(({ reference }) => reference))];
      await session.query('SELECT 1 FROM payload WHERE reference = ANY($1::text[]) ORDER BY reference FOR UPDATE', [references]);
      await session.query('DELETE FROM payload p WHERE reference = ANY($1::text[]) AND NOT EXISTS (SELECT 1 FROM payload_use u WHERE u.reference = p.reference)', [references]);
    }
    return outputs;
  },
};

export function payloadReads(server: Server): Pick<Payloads, 'get'> {
  return {
    async get(reference) {
      const [row] = await server.read<{ readonly content: Uint8Array }>('SELECT content FROM payload WHERE reference = $1', [reference]);
      return row && new Uint8Array(row.content);
    },
  };
}
