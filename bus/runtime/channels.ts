import type { ChannelSpec } from '../broker.js';
import { channelOf } from './envelope.js';

/** What of an outbound endpoint decides about its channels. */
export interface ChannelOwner {
  readonly name: string;
}

/** All channels a configuration needs: declared by the supervisor, exported for administrators, looked at by the doctor. */
export function channelsOf(targets: Iterable<ChannelOwner>): readonly ChannelSpec[] {
  return Array.from(targets, ({ name }) => ({ name: channelOf(name) }));
}

/** For the self-test of the doctor alone. Made once and kept: a quorum queue should not come and go under one name. */
export const PROBE_CHANNEL: ChannelSpec = { name: 'doctor' };
