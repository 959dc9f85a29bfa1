import type { Broker } from '../broker.js';
import { describe, Misconfigured } from '../errors.js';
import type { Store } from '../store/contract.js';
import type { FailedEndpoint } from './failed-endpoint.js';
import type { OrderedChannels } from './ordered-channels.js';
import { failedEndpoint, type SystemServices } from './running-system.js';

/** Names of the targets there ever were: their channels may hold messages. */
const TARGETS = 'signalbox.targets';

export interface OrphanServices extends Pick<SystemServices, 'clock' | 'log'> {
  readonly broker: Broker;
  readonly store: Store;
  readonly ordered: OrderedChannels;
}

/** Removed targets that messages still wait for, by name; they must not wait unseen. Remembers the `configured` ones for later. Does not throw. */
export async function findOrphans(configured: ReadonlySet<string>, services: OrphanServices): Promise<ReadonlyMap<string, FailedEndpoint>> {
  const { broker, store, ordered, clock, log } = services;
  const orphans = new Map<string, FailedEndpoint>();
  try {
    const known = await store.endpointState.list(TARGETS, '', 10_000);
    await store.endpointState.put(TARGETS, new Map([...configured].filter((name) => !known.has(name)).map((name) => [name, clock.now().toISOString()])));
    for (const name of known.keys()) {
      if (configured.has(name)) continue;
      await ordered.declareAll(name);
      const depths = await Promise.all((await ordered.channels(name)).map((channel) => broker.depth(channel.name)));
      const waiting = depths.reduce((sum, { ready, unsettled, delayed = 0 }) => sum + ready + unsettled + delayed, 0);
      const reason = new Misconfigured('E509', `${waiting} messages wait for ${name}, which is not configured any more`);
      if (waiting > 0) orphans.set(name, failedEndpoint(name, 'outbound', reason, services));
    }
  } catch (error) {
    log.warn('channels-unknown', `whether messages wait for removed targets could not be found out: ${describe(error)}`);
  }
  return orphans;
}
