import type { Revision, Revisions } from '../contract.js';
import { eachSorted, type Operation } from './operation.js';
import type { Server } from './server.js';

const SELECT = 'SELECT number, digest, content, author AS "by", at FROM revision';
const LATEST = `${SELECT} ORDER BY number DESC LIMIT 1`;

/** Adding the newest one twice is no harm: it has the same digest. */
export const addRevision: Operation<Parameters<Revisions['add']>[0], Revision> = {
  table: 'revision',
  weight: ({ content }) => content.length,
  async run(session, inputs) {
    await session.query('LOCK TABLE revision IN EXCLUSIVE MODE');
    return eachSorted(
      inputs,
      () => '',
      async ({ digest, content, by, at }) => {
        const [newest] = await session.query<Revision>(LATEST);
        if (newest?.digest === digest) return newest;
        const revision = { number: (newest?.number ?? 0) + 1, digest, content, by, at };
        await session.query('INSERT INTO revision (number, digest, content, author, at) VALUES ($1, $2, $3, $4, $5)', [revision.number, digest, content, by, at]);
        return revision;
      },
    );
  },
};

export function revisionReads(server: Server): Omit<Revisions, 'add'> {
  return {
    latest: async () => (await server.read<Revision>(LATEST))[0],
    get: async (number) => (await server.read<Revision>(`${SELECT} WHERE number = $1`, [number]))[0],
    list: (limit) => server.read<Revision>(`${SELECT} ORDER BY number DESC LIMIT $1`, [limit]),
  };
}
