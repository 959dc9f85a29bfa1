import type { Database } from '../../sqlite/database.js';
import type { Revision, Revisions } from '../contract.js';

const COLUMNS = 'number, digest, content, author AS "by", at';

export function revisionOperations(database: Database) {
  const latest = database.prepare<[], Revision>(`SELECT ${COLUMNS} FROM revision ORDER BY number DESC LIMIT 1`);
  const get = database.prepare<[number], Revision>(`SELECT ${COLUMNS} FROM revision WHERE number = ?`);
  const list = database.prepare<[number], Revision>(`SELECT ${COLUMNS} FROM revision ORDER BY number DESC LIMIT ?`);
  const add = database.prepare<[Revision]>('INSERT INTO revision (number, digest, content, author, at) VALUES ($number, $digest, $content, $by, $at)');
  return {
    reads: {
      'revisions.latest': (): Revision | undefined => latest.get(),
      'revisions.get': (number: number): Revision | undefined => get.get(number),
      'revisions.list': (limit: number): readonly Revision[] => list.all(limit),
    },
    writes: {
      'revisions.add': ({ digest, content, by, at }: Parameters<Revisions['add']>[0]): Revision => {
        const newest = latest.get();
        if (newest?.digest === digest) return newest;
        const revision = { number: (newest?.number ?? 0) + 1, digest, content, by, at };
        add.run(revision);
        return revision;
      },
    },
  };
}
