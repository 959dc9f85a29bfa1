import type { z } from 'zod';
import type { Read } from '../config.js';
import { bulkStrategy } from './bulk-options.js';
import { cdcStrategy } from './cdc-options.js';
import { claimStrategy } from './claim-options.js';
import { cursorStrategy } from './cursor-options.js';
import { outboxStrategy } from './outbox-options.js';
import { queryStrategy } from './query-options.js';
import { snapshotStrategy } from './snapshot-options.js';
import type { Strategy } from './strategy.js';
import { triggersStrategy } from './triggers-options.js';

/** By the key of `read:` that chooses it. */
export const STRATEGIES = {
  cursor: cursorStrategy,
  claim: claimStrategy,
  outbox: outboxStrategy,
  triggers: triggersStrategy,
  snapshot: snapshotStrategy,
  query: queryStrategy,
  bulk: bulkStrategy,
  cdc: cdcStrategy,
} as const satisfies Readonly<Record<string, Strategy>>;

export type StrategyName = keyof typeof STRATEGIES;

const NAMES = Object.keys(STRATEGIES) as readonly StrategyName[];

/** Without a strategy's key: `cursor`, by the transaction or by the key of the row. */
export function strategyOf(read: Pick<Partial<Read>, StrategyName>): StrategyName {
  return NAMES.find((name) => read[name] !== undefined) ?? 'cursor';
}

/** At most one strategy, and what it needs. */
export function checkRead(read: Read, context: z.core.$RefinementCtx): void {
  const [first, second] = NAMES.filter((name) => read[name] !== undefined);
  if (second !== undefined) {
    context.addIssue({ code: 'custom', path: [second], message: `at most one of ${NAMES.join(', ')}; there is ${first} already` });
    return;
  }
  const strategy = strategyOf(read);
  for (const name of STRATEGIES[strategy].needs) {
    if (read[name] === undefined) context.addIssue({ code: 'custom', path: [], message: `${name} is missing${first === undefined ? '' : `: ${strategy} needs it`}` });
  }
}
