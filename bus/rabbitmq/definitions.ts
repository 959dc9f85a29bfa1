import type { ChannelSpec } from '../broker.js';
import { channelLayout, ladderLayout } from './layout.js';

export interface DefinitionsOptions {
  readonly prefix: string;
  readonly vhost: string;
  /** Gets the rights that remain when it may not configure; it must exist already. No rights are written without one. */
  readonly user: string | undefined;
}

/**
 * All that Signalbox would declare, in the form of `rabbitmqctl import_definitions`: for an administrator who gives no right to configure. Importing
 * changes nothing that is there already, so it may be done again when a target was added. The policy is advice: only keys that every version from 3.10 on knows, because
 * one unknown key refuses the whole file.
 */
export function definitions(channels: readonly ChannelSpec[], { prefix, vhost, user }: DefinitionsOptions): object {
  const layouts = [ladderLayout(prefix), ...channels.map((spec) => channelLayout(prefix, spec))];
  const pattern = `^${prefix}\\.`;
  return {
    vhosts: [{ name: vhost }],
    ...(user === undefined ? {} : { permissions: [{ user, vhost, configure: '^$', write: `^(${prefix}\\.|amq\\.default$)`, read: pattern }] }),
    policies: [{ vhost, name: `${prefix}-leaders`, pattern, 'apply-to': 'queues', definition: { 'queue-leader-locator': 'balanced' }, priority: 0 }],
    exchanges: layouts.flatMap(({ exchanges }) => exchanges.map(({ name, type }) => ({ name, vhost, type, durable: true, auto_delete: false, internal: false, arguments: {} }))),
    queues: layouts.flatMap(({ queues }) => queues.map((queue) => ({ name: queue.name, vhost, durable: true, auto_delete: false, arguments: queue.arguments }))),
    bindings: layouts.flatMap(({ bindings }) =>
      bindings.map(({ exchange, queue, key }) => ({ source: exchange, vhost, destination: queue, destination_type: 'queue', routing_key: key, arguments: {} })),
    ),
  };
}

/** Virtual host and user of a bus URL. */
export function placeOf(url: string): { readonly vhost: string; readonly user: string | undefined } {
  const { pathname, username } = new URL(url);
  return { vhost: pathname.length > 1 ? decodeURIComponent(pathname.slice(1)) : '/', user: username === '' ? undefined : decodeURIComponent(username) };
}
