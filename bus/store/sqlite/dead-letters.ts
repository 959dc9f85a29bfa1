import type { Database } from '../../sqlite/database.js';
import type { DeadLetter, DeadLetterFilter, DeadLetterGroup, DeadLetters, StoredDeadLetter } from '../contract.js';
import { given } from './history-rows.js';

/** Stored as their place in these lists: append only. */
const STATES: readonly StoredDeadLetter['state'][] = ['open', 'redelivered', 'discarded'];
const STAGES: readonly DeadLetter['stage'][] = ['inbound', 'delivery'];

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

interface GroupRow {
  readonly grp: string;
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

const CHANGED = ['message', 'grp', 'stage', 'code', 'endpoint', 'route', 'rule', 'place', 'key', 'attempts', 'at', 'reason', 'stack', 'headers', 'content'] as const;

export function deadLetterOperations(database: Database) {
  const add = database.prepare<[Omit<Row, 'state'>]>(
    `INSERT INTO letter (id, state, ${CHANGED.join(', ')}) VALUES ($id, 0, ${CHANGED.map((column) => `$${column}`).join(', ')})
     ON CONFLICT (id) DO UPDATE SET state = 0, settled_at = NULL, settled_by = NULL, settled_reason = NULL, ${CHANGED.map((column) => `${column} = excluded.${column}`).join(', ')}`,
  );
  const get = database.prepare<[string], Row>('SELECT * FROM letter WHERE id = ?');
  const groups = database.prepare<[], GroupRow>(
    `SELECT grp, count(*) AS count, min(at) AS firstAt, max(at) AS lastAt FROM letter INDEXED BY letter_group WHERE state = 0 GROUP BY grp ORDER BY count DESC, grp`,
  );
  const newest = database.prepare<[string], Pick<Row, 'code' | 'endpoint' | 'route' | 'reason'>>(
    'SELECT code, endpoint, route, reason FROM letter INDEXED BY letter_group WHERE state = 0 AND grp = ? ORDER BY at DESC, id DESC LIMIT 1',
  );
  const settle = database.prepare<[number, number, string, string | null, string, number]>(
    'UPDATE letter SET state = ?, settled_at = ?, settled_by = ?, settled_reason = ? WHERE id = ? AND at = ? AND state = 0',
  );
  const prune = database.prepare<[number, number]>('DELETE FROM letter WHERE n IN (SELECT n FROM letter WHERE state <> 0 AND settled_at < ? LIMIT ?)');

  return {
    reads: {
      'deadLetters.get': (id: string): StoredDeadLetter | undefined => {
        const row = get.get(id);
        return row === undefined ? undefined : letter(row);
      },
      'deadLetters.list': (filter: DeadLetterFilter): readonly StoredDeadLetter[] => {
        const criteria: readonly (readonly [string, readonly (string | number)[]])[] = [
          ...(filter.messageId === undefined ? [] : [['message = ?', [filter.messageId]] as const]),
          ...(filter.group === undefined ? [] : [['grp = ?', [filter.group]] as const]),
          ...(filter.endpoint === undefined ? [] : [['endpoint = ?', [filter.endpoint]] as const]),
          ...(filter.route === undefined ? [] : [['route = ?', [filter.route]] as const]),
          ...(filter.after === undefined ? [] : [['(at, id) > (?, ?)', [filter.after.at, filter.after.id]] as const]),
        ];
        const sql = `SELECT * FROM letter WHERE ${['state = 0', ...criteria.map(([condition]) => condition)].join(' AND ')} ORDER BY at, id LIMIT ?`;
        return database
          .prepare<unknown[], Row>(sql)
          .all(...criteria.flatMap(([, values]) => values), filter.limit)
          .map(letter);
      },
      'deadLetters.groups': (): readonly DeadLetterGroup[] =>
        groups.all().flatMap(({ grp, count, firstAt, lastAt }) => {
          const example = newest.get(grp);
          return example === undefined ? [] : [{ group: grp, ...example, count, firstAt, lastAt }];
        }),
    },
    writes: {
      'deadLetters.add': (letters: readonly DeadLetter[]): void => {
        for (const { messageId, group, stage, rule, place, key, stack, headers, ...rest } of letters) {
          const optional = { rule: rule ?? null, place: place ?? null, key: key ?? null, stack: stack ?? null };
          add.run({ ...rest, ...optional, message: messageId, grp: group, stage: STAGES.indexOf(stage), headers: JSON.stringify(headers) });
        }
      },
      'deadLetters.settle': (input: Settle): number => {
        let settled = 0;
        for (const { id, at } of input.letters) settled += settle.run(STATES.indexOf(input.as), input.at, input.by, input.reason ?? null, id, at).changes;
        return settled;
      },
      'deadLetters.prune': ({ before, limit }: { readonly before: number; readonly limit: number }): number => prune.run(before, limit).changes,
    },
  };
}

export interface Settle {
  readonly letters: readonly Pick<DeadLetter, 'id' | 'at'>[];
  readonly as: Parameters<DeadLetters['settle']>[1];
  readonly by: string;
  readonly reason: string | undefined;
  readonly at: number;
}

function letter(row: Row): StoredDeadLetter {
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
    content: row.content,
    state: STATES[row.state] ?? 'open',
  };
}
