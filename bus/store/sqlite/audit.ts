import type { Database } from '../../sqlite/database.js';
import type { AuditEntry } from '../contract.js';

type Row = Omit<AuditEntry, 'reason'> & { readonly reason: string | null };

export function auditOperations(database: Database) {
  const append = database.prepare<[Row]>('INSERT INTO audit (at, who, action, subject, reason, result) VALUES ($at, $who, $action, $subject, $reason, $result)');
  const list = database.prepare<[number], Row>('SELECT at, who, action, subject, reason, result FROM audit ORDER BY n DESC LIMIT ?');
  return {
    reads: {
      'audit.list': (limit: number): readonly AuditEntry[] => list.all(limit).map(({ reason, ...row }) => (reason === null ? row : { ...row, reason })),
    },
    writes: {
      'audit.append': (entry: AuditEntry): void => void append.run({ ...entry, reason: entry.reason ?? null }),
    },
  };
}
