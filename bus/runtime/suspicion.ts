import type { ChannelDepth } from '../broker.js';
import type { Pulse } from './watched-broker.js';

/** What may be wrong with a consumer that has done nothing between two looks. */
export type Suspicion = 'consumer-gone' | 'silent' | 'swallowed' | 'lost';

/** So long a suspicion must last: longer than what ends by itself (subscribing again after a lost connection takes up to 30 s, an election of a leader less). */
export const PATIENCE_MS: Readonly<Record<Suspicion, number>> = { 'consumer-gone': 45_000, silent: 30_000, swallowed: 60_000, lost: 0 };

/** Waiting for the store, for a key that is blocked, or for the longest call of another node is shorter; RabbitMQ takes an unsettled message back after 30 minutes. */
const LOST_MS = 1_200_000;

export interface Sight {
  readonly pulse: Pulse;
  /** Undefined when nobody asked, because the consumer has no room. */
  readonly depth: ChannelDepth | undefined;
  readonly isSingle: boolean;
  /** What this process has published there and not got back. */
  readonly owed: number;
  readonly link: { readonly isOpen: boolean; readonly oldestCallMs: number | undefined } | undefined;
}

/** Judges one that received and settled nothing since the last look. An empty channel, a full hand, an outage of the target and a long call are none. */
export function judge({ pulse, depth, isSingle, owed, link }: Sight): Suspicion | undefined {
  if (depth?.consumers === 0) return 'consumer-gone';
  // Of several that stand in line for one place, only one is handed anything.
  const isServed = !isSingle || depth?.consumers === 1;
  if (depth && depth.ready > 0 && pulse.hasRoom && isServed) return 'silent';
  // The broker counts them as handed out, to a consumer that never saw them: RabbitMQ 3.10 does so when a queue was deleted and made again at once.
  if (depth?.ready === 0 && depth.consumers === 1 && owed > 0 && pulse.unsettled === 0) return 'swallowed';
  const isIdle = link?.isOpen === true && link.oldestCallMs === undefined;
  return isIdle && (pulse.oldestMs ?? 0) > LOST_MS ? 'lost' : undefined;
}
