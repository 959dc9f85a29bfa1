import type { ChannelSpec } from '../broker.js';
import type { RouteOrder } from '../handler.js';
import { channelOf } from './envelope.js';
import { DEFAULT_PARTITIONS, FIRST_LAYOUT, type Layout, layoutChannels } from './layouts.js';

/** What of an outbound endpoint decides about its channels. */
export interface ChannelOwner {
  readonly name: string;
  readonly partitions?: number;
}

/**
 * All channels a configuration needs on an installation that never ran: declared by the supervisor, exported for administrators, looked at by the doctor.
 * What was changed since has other numbers (`OrderedChannels`).
 */
export function channelsOf(targets: Iterable<ChannelOwner>, ordered: ReadonlyMap<string, RouteOrder> = new Map()): readonly ChannelSpec[] {
  const isOrdered = new Set([...ordered.values()].flatMap((route) => route.targets));
  return [...targets].flatMap(({ name, partitions = DEFAULT_PARTITIONS }) => [
    { name: channelOf(name) },
    ...(isOrdered.has(name) ? orderedSpecs(name, { generation: FIRST_LAYOUT, partitions }) : []),
  ]);
}

export function orderedSpecs(endpoint: string, layout: Layout): readonly ChannelSpec[] {
  return layout.partitions === 0 ? [] : layoutChannels(endpoint, layout).map((name) => ({ name, singleActiveConsumer: true }));
}

/** For the self-test of the doctor alone. Made once and kept: a quorum queue should not come and go under one name. */
export const PROBE_CHANNEL: ChannelSpec = { name: 'doctor' };
