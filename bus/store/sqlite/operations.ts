// Everything the store's worker can be asked for.
import { statSync } from 'node:fs';
import type { Database } from '../../sqlite/database.js';
import { inspect } from '../../sqlite/inspection.js';
import { auditOperations } from './audit.js';
import { checkpointOperations } from './checkpoints.js';
import { deadLetterOperations } from './dead-letters.js';
import { dedupeOperations } from './dedupe.js';
import { endpointStateOperations } from './endpoint-state.js';
import { historyOperations } from './history.js';
import { leaseOperations } from './leases.js';
import { ledgerOperations } from './ledger.js';
import { Names } from './names.js';
import { parkedOperations } from './parked.js';
import { payloadOperations } from './payloads.js';
import { revisionOperations } from './revisions.js';

/** Free pages kept for what is written next; the rest is given back to the file system after a prune. */
const KEPT_FREE_PAGES = 2_000;

export type StoreOperations = ReturnType<typeof storeOperations>;

export function storeOperations(database: Database) {
  const names = new Names(database);
  const checkpoints = checkpointOperations(database);
  const leases = leaseOperations(database);
  const dedupe = dedupeOperations(database, names);
  const ledger = ledgerOperations(database, names);
  const history = historyOperations(database, names);
  const deadLetters = deadLetterOperations(database);
  const payloads = payloadOperations(database, () => history.deferred.amount() === 0);
  const parked = parkedOperations(database);
  const endpointState = endpointStateOperations(database);
  const revisions = revisionOperations(database);
  const audit = auditOperations(database);
  return {
    reads: {
      ...checkpoints.reads,
      ...dedupe.reads,
      ...ledger.reads,
      ...history.reads,
      ...deadLetters.reads,
      ...payloads.reads,
      ...parked.reads,
      ...endpointState.reads,
      ...revisions.reads,
      ...audit.reads,
      inspect: (integrity: boolean) => inspect(database, integrity),
      size: (): number => bytes(database.name) + bytes(`${database.name}-wal`),
    },
    writes: {
      ...checkpoints.writes,
      ...leases.writes,
      ...dedupe.writes,
      ...ledger.writes,
      ...history.writes,
      ...deadLetters.writes,
      ...payloads.writes,
      ...parked.writes,
      ...endpointState.writes,
      ...revisions.writes,
      ...audit.writes,
      /** @returns pages given back; 0 when there is nothing to give back */
      shrink: (pages: number): number => {
        const free = Number(database.pragma('freelist_count', { simple: true })) - KEPT_FREE_PAGES;
        if (free <= 0) return 0;
        database.exec(`PRAGMA incremental_vacuum(${Math.min(pages, free)})`);
        return Math.min(pages, free);
      },
    },
    deferred: history.deferred,
    committed: history.committed,
    rolledBack: history.rolledBack,
  };
}

function bytes(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
