import { type Broker, NotPublished, type OutgoingMessage, type Received } from '../../bus/broker.js';
import { ATTEMPT } from '../../bus/runtime/envelope.js';
import type { Store } from '../../bus/store/contract.js';
import { publishEach } from './broker-client.js';
import type { Mutation } from './node.js';

/** The core broken on purpose, at its seams to broker and store: the simulation must find each of them. */
export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'confirms are not awaited': { broker: (broker) => publishing(broker, async (channel, message) => unwatched(broker.publish(channel, message))) },
  'retries are not awaited': { broker: (broker) => wrap(broker, { publishLater: async (...given) => unwatched(broker.publishLater(...given)) }) },
  'an unknown outcome is taken for stored': {
    broker: (broker) => publishing(broker, (channel, message) => broker.publish(channel, message).catch(unlessUnknown)),
  },
  'acked when it is handed out': { broker: (broker) => wrap(broker, { consume: consuming(broker, (received) => received.ack()) }) },
  'acked before the retry is stored': { broker: ackedEarly },
  'what is returned is lost': {
    broker: (broker) =>
      wrap(broker, { consume: (channel, options, onMessage) => broker.consume(channel, options, (received) => onMessage({ ...received, requeue: received.ack })) }),
  },
  'attempts are not counted': {
    broker: (broker) =>
      wrap(broker, { publishLater: (channel, message, delayMs) => broker.publishLater(channel, { ...message, headers: { ...message.headers, [ATTEMPT]: 1 } }, delayMs) }),
  },
  'publishes overtake each other': {
    broker: (broker) => {
      let before: Promise<unknown> = Promise.resolve();
      let count = 0;
      const publish = async (channel: string, message: OutgoingMessage): Promise<void> => {
        if (++count % 2 === 0) await Promise.allSettled([before]);
        const confirmed = broker.publish(channel, message);
        before = confirmed;
        await confirmed;
      };
      return publishing(broker, publish);
    },
  },
  'the ledger is not read': { store: (store) => part(store, 'ledger', { get: async () => new Map() }) },
  'dead letters are not awaited': { store: (store) => part(store, 'deadLetters', { add: async (letters) => unwatched(store.deadLetters.add(letters)) }) },
  'the history is not awaited': { store: (store) => part(store, 'history', { append: async (events) => unwatched(store.history.append(events)) }) },
};

function ackedEarly(broker: Broker): Broker {
  const handed = new Map<string, Received>();
  return wrap(broker, {
    consume: consuming(broker, (received) => handed.set(received.id, received)),
    publishLater: (channel, message, delayMs) => {
      handed.get(message.id)?.ack();
      return broker.publishLater(channel, message, delayMs);
    },
  });
}

function publishing(broker: Broker, publish: Broker['publish']): Broker {
  return wrap(broker, { publish, publishAll: (messages, settled) => publishEach({ publish }, messages, settled) });
}

function consuming(broker: Broker, first: (received: Received) => void): Broker['consume'] {
  return (channel, options, onMessage) =>
    broker.consume(channel, options, (received) => {
      first(received);
      onMessage(received);
    });
}

function part<Name extends 'ledger' | 'deadLetters' | 'history'>(store: Store, name: Name, changes: Partial<Store[Name]>): Store {
  const changed: Partial<Store> = { [name]: wrap(store[name], changes) };
  return wrap(store, changed);
}

function wrap<T extends object>(inner: T, changes: Partial<T>): T {
  return new Proxy(inner, {
    get(target, name) {
      const found: unknown = Reflect.get(name in changes ? changes : target, name, name in changes ? changes : target);
      return typeof found === 'function' ? found.bind(target) : found;
    },
  });
}

function unwatched(work: Promise<unknown>): void {
  work.catch(() => undefined); // that is the mutation
}

function unlessUnknown(error: unknown): void {
  if (!(error instanceof NotPublished && error.reason === 'unknown')) throw error;
}
