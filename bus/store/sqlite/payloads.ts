import { createHash } from 'node:crypto';
import type { Database } from '../../sqlite/database.js';

/** Content removed in one step of a prune: freeing it reads its pages. */
const MOST_BYTES = 16_000_000;

export interface Put {
  readonly messageId: string;
  readonly content: Uint8Array;
  readonly at: number;
}

interface Use {
  readonly n: number;
  readonly message: string;
  readonly reference: string;
}

/** @param complete whether every event that was appended is in its message's row */
export function payloadOperations(database: Database, complete: () => boolean) {
  const use = database.prepare<[string, string, number]>(
    'INSERT INTO payload_use (message, reference, at) VALUES (?, ?, ?) ON CONFLICT (message, reference) DO UPDATE SET at = excluded.at',
  );
  const size = database.prepare<[string], number>('SELECT length(content) FROM payload WHERE reference = ?').pluck();
  const store = database.prepare<[string, Uint8Array]>('INSERT INTO payload (reference, content) VALUES (?, ?)');
  const get = database.prepare<[string], Uint8Array>('SELECT content FROM payload WHERE reference = ?').pluck();
  const end = database.prepare<[number, number], number>('SELECT n FROM payload_use WHERE n > ? ORDER BY n LIMIT 1 OFFSET ?').pluck();
  const unused = database.prepare<[{ readonly after: number; readonly to: number; readonly before: number }], Use>(
    `SELECT n, message, reference FROM payload_use u WHERE n > $after AND n <= $to AND at < $before
     AND NOT EXISTS (SELECT 1 FROM message WHERE message.id = u.message)
     AND NOT EXISTS (SELECT 1 FROM letter WHERE letter.message = u.message AND letter.state = 0)
     AND NOT EXISTS (SELECT 1 FROM parked WHERE parked.message = u.message)
     AND NOT EXISTS (SELECT 1 FROM unfolded JOIN event USING (seq) WHERE event.message = u.message) ORDER BY n`,
  );
  const forget = database.prepare<[number]>('DELETE FROM payload_use WHERE n = ?');
  const used = database.prepare<[string], number>('SELECT 1 FROM payload_use WHERE reference = ? LIMIT 1').pluck();
  const remove = database.prepare<[string]>('DELETE FROM payload WHERE reference = ?');

  return {
    reads: {
      'payloads.get': (reference: string): Uint8Array | undefined => get.get(reference),
    },
    writes: {
      'payloads.put': ({ messageId, content, at }: Put): string => {
        const reference = createHash('sha256').update(content).digest('hex');
        use.run(messageId, reference, at);
        if (size.get(reference) === undefined) store.run(reference, content);
        return reference;
      },
      /** Looks at some uses, beginning after one. @returns the last one it looked at; undefined at the end */
      'payloads.prune': ({ before, after, limit }: { readonly before: number; readonly after: number; readonly limit: number }): number | undefined => {
        // The disk is full: messages that are not folded yet look as if they were gone.
        if (!complete()) return undefined;
        const next = end.get(after, limit - 1);
        let bytes = 0;
        for (const { n, reference } of unused.all({ after, to: next ?? Number.MAX_SAFE_INTEGER, before })) {
          forget.run(n);
          if (used.get(reference) !== undefined) continue;
          bytes += size.get(reference) ?? 0;
          remove.run(reference);
          if (bytes > MOST_BYTES) return n;
        }
        return next;
      },
    },
  };
}
