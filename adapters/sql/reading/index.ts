import type { PollingInbound } from '../../contract/index.js';
import type { Read } from '../config.js';
import { BulkReading } from './bulk.js';
import { CdcReading } from './cdc.js';
import { ClaimReading } from './claim.js';
import { CursorReading } from './cursor.js';
import { OutboxReading } from './outbox.js';
import { QueryReading } from './query.js';
import { SnapshotReading } from './snapshot.js';
import { KeylessReading } from './snapshot-keyless.js';
import type { Source } from './source.js';
import { type StrategyName, strategyOf } from './strategies.js';
import { chosen, tableRead } from './strategy.js';
import { TriggersReading } from './triggers.js';

const READINGS: Readonly<Record<StrategyName, (source: Source, read: Read) => PollingInbound>> = {
  cursor: (source, read) => new CursorReading(source, tableRead(read)),
  cdc: (source, read) => new CdcReading(source, read, chosen(read.cdc)),
  query: (source, read) => new QueryReading(source, read, chosen(read.query)),
  bulk: (source, read) => new BulkReading(source, read, chosen(read.bulk)),
  claim: (source, read) => new ClaimReading(source, tableRead(read), chosen(read.claim)),
  outbox: (source, read) => new OutboxReading(source, tableRead(read), chosen(read.outbox)),
  triggers: (source, read) => new TriggersReading(source, tableRead(read), chosen(read.triggers)),
  snapshot: (source, read) => {
    const options = chosen(read.snapshot);
    return read.key ? new SnapshotReading(source, read, options) : new KeylessReading(source, read, options);
  },
};

/** The inbound endpoint of the strategy that the configuration names. */
export function reading(source: Source, read: Read): PollingInbound {
  return READINGS[strategyOf(read)](source, read);
}
