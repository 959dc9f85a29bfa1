// What it means when a queue is not as we declare it.
import { type Diagnosis, problem } from '../diagnosis.js';

const WHY: Readonly<Record<string, string>> = {
  'x-queue-type': 'only a quorum queue writes a message to disk before it confirms it: what a classic queue or a stream confirmed can be lost',
  'x-delivery-limit':
    'RabbitMQ drops a message that was handed out more often than the limit (4.x without one: after 20 times); on 3.x without one a returned message loses its place',
  'x-single-active-consumer': 'without a single active consumer two nodes take messages of one key at the same time: order is lost',
  'x-message-ttl': 'the time of a step of the retry ladder is the time to live of its messages; in any other queue messages that wait too long are gone',
  'x-dead-letter-exchange': 'messages of the retry ladder return by this exchange',
  'x-dead-letter-strategy': 'without at-least-once RabbitMQ drops a message that it cannot hand back at once',
  'x-overflow': 'without reject-publish a full queue drops messages instead of refusing them',
};

/** @param text what RabbitMQ answered to our declaration (406) */
export function unequalQueue(name: string, vhost: string, text: string): Diagnosis {
  const [, argument = ''] = /inequivalent arg '([^']+)'/.exec(text) ?? [];
  const detail = text.replace(/^.*PRECONDITION_FAILED - /, '').replace(/".*$/, '');
  return problem('rabbitmq.queue', `${name} was made with other properties: ${detail}`, why(argument), remake(name, vhost));
}

export function why(argument: string): string {
  return WHY[argument] ?? 'Signalbox relies on the properties it declares';
}

/** Removing it under load would take its messages along; with a node down, an old member could come back with its old content. */
export function remake(name: string, vhost: string): string {
  return `with all nodes of RabbitMQ up: pause what publishes there until the queue is empty, stop Signalbox, \`rabbitmqctl delete_queue --vhost '${vhost}' --if-empty ${name}\`, start it again`;
}
