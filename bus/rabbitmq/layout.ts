// What there must be on a RabbitMQ node, as plain data: `topology.ts` declares it, `definitions.ts` exports it, `diagnose.ts` compares it.
import { type ChannelSpec, LADDER_MS } from '../broker.js';

export interface Layout {
  readonly exchanges: readonly ExchangeLayout[];
  readonly queues: readonly QueueLayout[];
  readonly bindings: readonly BindingLayout[];
}

export interface ExchangeLayout {
  readonly name: string;
  readonly type: 'direct' | 'fanout';
}

export interface QueueLayout {
  readonly name: string;
  readonly arguments: Readonly<Record<string, string | number | boolean>>;
}

export interface BindingLayout {
  readonly exchange: string;
  readonly queue: string;
  readonly key: string;
}

/** Accepted as an argument from 3.10 on; never reached. */
const NO_DELIVERY_LIMIT = 2_147_483_647;

export function queueName(prefix: string, channel: string, generation: number): string {
  return `${prefix}.${channel}.g${generation}`;
}

export function retryExchange(prefix: string): string {
  return `${prefix}.retry`;
}

/** @param step from 1 */
export function delayName(prefix: string, step: number): string {
  return `${prefix}.delay.${step}`;
}

/**
 * A work queue with its way back from the ladder. Arguments cannot change in a queue's life, so only what never changes is one: type, single active
 * consumer, and the delivery limit (unset, 3.x puts a returned message at the tail and 4.x drops it after 20 returns; a negative
 * one destroys it on 3.x). Limits of length are kept on our side (length-limit.ts), because they do change.
 */
export function channelLayout(prefix: string, spec: ChannelSpec): Layout & { readonly queue: QueueLayout } {
  const name = queueName(prefix, spec.name, spec.generation ?? 1);
  const queue: QueueLayout = {
    name,
    arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': NO_DELIVERY_LIMIT, ...(spec.singleActiveConsumer ? { 'x-single-active-consumer': true } : {}) },
  };
  return { exchanges: [], queue, queues: [queue], bindings: [{ exchange: retryExchange(prefix), queue: name, key: name }] };
}

/**
 * The retry ladder: per step one fanout exchange and one queue with a fixed time to live. The dead-letter exchange is direct and no
 * dead-letter key is set, so a message keeps the key it was published with: the name of the queue it goes back to.
 */
export function ladderLayout(prefix: string): Layout {
  const steps = LADDER_MS.map((ttl, index) => ({ name: delayName(prefix, index + 1), ttl }));
  return {
    exchanges: [{ name: retryExchange(prefix), type: 'direct' }, ...steps.map(({ name }) => ({ name, type: 'fanout' }) as const)],
    queues: steps.map(({ name, ttl }) => ({
      name,
      arguments: {
        'x-queue-type': 'quorum',
        'x-message-ttl': ttl,
        'x-dead-letter-exchange': retryExchange(prefix),
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
        'x-delivery-limit': NO_DELIVERY_LIMIT,
      },
    })),
    bindings: steps.map(({ name }) => ({ exchange: name, queue: name, key: '' })),
  };
}
