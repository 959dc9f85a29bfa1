import type { Audit, AuditEntry } from '../contract.js';
import { type Operation, same } from './operation.js';
import { given, rows } from './rows.js';
import type { Server } from './server.js';

const ROWS = rows({ at: 'bigint', who: 'text', action: 'text', subject: 'text', reason: 'text', result: 'text' });

type Row = Omit<AuditEntry, 'reason'> & { readonly reason: string | null };

/** An entry whose call was rejected with E544 and repeated may be there twice; nothing else is. */
export const appendAudit: Operation<AuditEntry, void> = {
  table: 'audit',
  async run(session, inputs) {
    await session.query(
      `INSERT INTO audit (${ROWS.names}) SELECT * FROM ${ROWS.source}`,
      ROWS.values(inputs.map(({ at, who, action, subject, reason, result }) => ({ at, who, action, subject, reason: reason ?? null, result }))),
    );
    return same(inputs, undefined);
  },
};

export function auditReads(server: Server): Pick<Audit, 'list'> {
  return {
    async list(limit) {
      const found = await server.read<Row>('SELECT at, who, action, subject, reason, result FROM audit ORDER BY n DESC LIMIT $1', [limit]);
      return found.map(({ reason, ...row }) => ({ ...row, ...given({ reason }) }));
    },
  };
}
