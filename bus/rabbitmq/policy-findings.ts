// Policies are set by administrators at any time; some take back what our arguments promise.
import { type Diagnosis, problem, warning } from '../diagnosis.js';
import type { QueueLayout } from './layout.js';
import type { ManagedQueue } from './management.js';

/** RabbitMQ's default is 30 minutes; it looks once a minute, and less than 5 is advised against. */
const LEAST_CONSUMER_TIMEOUT_MS = 300_000;

/**
 * What the policies of a queue change. An argument wins over a policy and an operator policy over both, but of two numeric limits the smaller one counts.
 */
export function policyDiagnoses(queue: ManagedQueue, layout: QueueLayout, vhost: string): readonly Diagnosis[] {
  const policy = queue.effective_policy_definition;
  const names = [queue.policy, queue.operator_policy].filter((name) => typeof name === 'string' && name !== '').join(' and ');
  const found = (key: string): string => `policy ${names} sets ${key} = ${String(policy[key])} on ${queue.name}`;
  const fix = `let the pattern of the policy not match ${layout.name} (\`rabbitmqctl list_policies -p '${vhost}'\`, \`list_operator_policies\`)`;
  const isStep = 'x-message-ttl' in layout.arguments;
  const findings: Diagnosis[] = [];
  const report = (kind: typeof problem, key: string, why: string): void => {
    findings.push(kind('rabbitmq.policy', found(key), why, fix));
  };
  const number = (key: string): number | undefined => (typeof policy[key] === 'number' ? policy[key] : undefined);
  const limit = number('delivery-limit');
  if (limit !== undefined && limit >= 0 && limit < Number(layout.arguments['x-delivery-limit'])) {
    report(problem, 'delivery-limit', `RabbitMQ drops a message that was handed out ${limit} times, whatever became of it`);
  }
  const ttl = number('message-ttl');
  if (ttl !== undefined && !isStep) report(problem, 'message-ttl', 'a message that waits longer, for a target that is down, is gone');
  if (ttl !== undefined && isStep && ttl < Number(layout.arguments['x-message-ttl'])) report(warning, 'message-ttl', 'later attempts come sooner than the retry policy says');
  if (policy['expires'] !== undefined) report(problem, 'expires', 'RabbitMQ deletes the queue with its messages when nobody uses it for so long');
  for (const key of ['max-length', 'max-length-bytes']) {
    if (policy[key] === undefined) continue;
    const overflow = layout.arguments['x-overflow'] ?? policy['overflow'] ?? 'drop-head';
    if (overflow === 'drop-head') report(problem, key, 'a full queue drops its oldest message (overflow drop-head)');
    else if (overflow === 'reject-publish-dlx') report(problem, key, 'a full queue moves new messages elsewhere and confirms them');
    else report(warning, key, 'a full queue refuses messages, and sources wait then');
  }
  if (policy['dead-letter-exchange'] !== undefined && !isStep && (ttl !== undefined || limit !== undefined)) {
    report(warning, 'dead-letter-exchange', 'messages that RabbitMQ takes out of the queue go where Signalbox does not look for them');
  }
  const timeout = number('consumer-timeout');
  if (timeout !== undefined && timeout < LEAST_CONSUMER_TIMEOUT_MS)
    report(warning, 'consumer-timeout', 'a delivery that takes longer is handed out a second time while the first is still under way');
  return findings;
}
