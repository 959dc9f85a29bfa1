// What only the management API tells: policies, members of the queues, nodes.
import { type DiagnoseOptions, type Diagnosis, fine, notChecked, problem, warning } from '../diagnosis.js';
import { describe } from '../errors.js';
import type { QueueLayout } from './layout.js';
import { type ManagedNode, type ManagedQueue, Management, Refused } from './management.js';
import { policyDiagnoses } from './policy-findings.js';
import { remake, why } from './queue-findings.js';
import type { TlsFiles } from './tls.js';

export interface ManagedSubject {
  readonly url: string;
  /** Nobody wrote the URL down: that nothing answers there is no failure. */
  readonly guessed: boolean;
  readonly tls?: TlsFiles;
  readonly vhost: string;
  readonly queues: readonly QueueLayout[];
  /** Queues whose arguments nobody has compared yet. */
  readonly unseen: readonly string[];
}

const LEAST_DISK = 2_000_000_000;
/** What RabbitMQ sets when nobody sets anything. */
const DEFAULT_DISK_LIMIT = 50_000_000;
const ENABLE =
  'enable the plugin on a loopback or protected address (`rabbitmq-plugins enable rabbitmq_management`) and name it: `bus: {management: "http://user:${secret:management}@localhost:15672"}`';
const TAG = 'give the user of `bus.management` the tag: `rabbitmqctl set_user_tags <user> monitoring`';

export async function diagnoseOverManagement(subject: ManagedSubject, options: DiagnoseOptions): Promise<readonly Diagnosis[]> {
  const management = new Management(subject.url, subject.tls, options.signal);
  const names = 'policies, arguments and members of the queues';
  const found = await attempt(() => management.queues(subject.vhost));
  if ('failed' in found) {
    if (!(found.failed instanceof Refused) && !subject.guessed) {
      return [warning('rabbitmq.management', describe(found.failed), `${names} are not checked`, 'correct `bus.management`, or remove it')];
    }
    const fix = found.failed instanceof Refused && !subject.guessed ? TAG : ENABLE;
    return withoutManagement(describe(found.failed), fix);
  }
  const byName = new Map(found.answer.map((queue) => [queue.name, queue]));
  const queues = subject.queues.flatMap((layout) => {
    const queue = byName.get(layout.name);
    return queue ? [{ queue, layout }] : [];
  });
  const policies = queues.flatMap(({ queue, layout }) => policyDiagnoses(queue, layout, subject.vhost));
  const different = queues.flatMap(({ queue, layout }) => (subject.unseen.includes(layout.name) ? differing(queue, layout, subject.vhost) : []));
  const nodes = await attempt(() => management.nodes());
  const running = 'answer' in nodes ? nodes.answer.filter(({ running: is }) => is !== false).length : undefined;
  const members = queues.flatMap(({ queue }) => memberDiagnosis(queue, running));
  return [
    ...(policies.length > 0 ? policies : [fine('rabbitmq.policy', `no policy takes anything back on ${queues.length} queues`)]),
    ...different,
    ...(subject.unseen.length > 0 && different.length === 0 ? [fine('rabbitmq.queue', `${queues.length} queues with the properties we declare`)] : []),
    ...(members.length > 0 || queues.length === 0 ? members : [fine('rabbitmq.members', membersText(queues.map(({ queue }) => queue)))]),
    ...('answer' in nodes ? nodes.answer.flatMap(nodeDiagnoses) : [notChecked('rabbitmq.node', `disk limits, alarms and partitions: ${describe(nodes.failed)}`, TAG)]),
    await flagDiagnosis(management),
  ];
}

/** What is not known then, and how it could be. */
export function withoutManagement(reason: string, fix: string = ENABLE): readonly Diagnosis[] {
  const parts = [
    ['rabbitmq.policy', 'policies that override what we declare'],
    ['rabbitmq.members', 'members and majorities of the queues'],
    ['rabbitmq.node', 'disk limits, alarms and partitions of the nodes'],
  ] as const;
  return parts.map(([check, what]) => notChecked(check, `${what}: ${reason}`, fix));
}

async function attempt<T>(ask: () => Promise<T>): Promise<{ readonly answer: T } | { readonly failed: unknown }> {
  try {
    return { answer: await ask() };
  } catch (error) {
    return { failed: error };
  }
}

function differing(queue: ManagedQueue, layout: QueueLayout, vhost: string): readonly Diagnosis[] {
  // A default queue type of the virtual host leaves no argument behind.
  const has = (name: string): unknown => queue.arguments[name] ?? (name === 'x-queue-type' ? queue.type : undefined);
  return Object.entries(layout.arguments)
    .filter(([name, value]) => has(name) !== value)
    .map(([name, value]) => problem('rabbitmq.queue', `${layout.name} has ${name} = ${String(has(name) ?? 'none')}, not ${String(value)}`, why(name), remake(layout.name, vhost)));
}

function memberDiagnosis(queue: ManagedQueue, nodes: number | undefined): readonly Diagnosis[] {
  const { members = [], online = [], name } = queue;
  const check = 'rabbitmq.members';
  const found = `${name}: ${online.length} of ${members.length} members are online`;
  if (members.length === 0) return [];
  if (online.length <= members.length / 2)
    return [problem(check, found, 'without a majority the queue takes and hands out nothing', `start the missing nodes: ${missing(members, online)}`)];
  if (online.length < members.length) return [warning(check, found, 'one more node less may end the majority', `start the missing nodes: ${missing(members, online)}`)];
  const wanted = Math.min(3, nodes ?? 1);
  if (members.length >= wanted) return [];
  return [
    warning(
      check,
      `${name} has ${members.length} member on a cluster of ${nodes} nodes`,
      'the messages of the queue are on that node only',
      '`rabbitmq-queues grow <node> all` for each further node',
    ),
  ];
}

function missing(members: readonly string[], online: readonly string[]): string {
  return members.filter((member) => !online.includes(member)).join(', ');
}

function membersText(queues: readonly ManagedQueue[]): string {
  const sizes = [...new Set(queues.map(({ members = [] }) => members.length))].sort();
  return `all online (${sizes.join(', ')} per queue)${sizes.every((size) => size < 2) ? '; one node: when its disk is lost, the messages are' : ''}`;
}

function nodeDiagnoses(node: ManagedNode): readonly Diagnosis[] {
  const { name, disk_free: free, disk_free_limit: limit, partitions = [] } = node;
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  if (node.running === false)
    return [problem('rabbitmq.node', `${name} does not run`, 'its members of the queues are missing', `start ${name}, or remove it: \`rabbitmqctl forget_cluster_node ${name}\``)];
  const findings: Diagnosis[] = [];
  if (node.mem_alarm)
    findings.push(
      problem(
        'rabbitmq.alarm',
        `${name}: memory alarm`,
        'RabbitMQ takes no messages from anybody until it is over',
        'give RabbitMQ more memory; `rabbitmq-diagnostics memory_breakdown`',
      ),
    );
  if (node.disk_free_alarm)
    findings.push(problem('rabbitmq.alarm', `${name}: disk alarm`, 'RabbitMQ takes no messages from anybody until it is over', 'free space on the disk of RabbitMQ'));
  if (partitions.length > 0)
    findings.push(
      problem('rabbitmq.partition', `${name} does not see ${partitions.join(', ')}`, 'the cluster has fallen apart', 'repair the network, then restart the smaller side'),
    );
  if (limit !== undefined && limit < LEAST_DISK) {
    const text = `${name}: disk_free_limit is ${limit <= DEFAULT_DISK_LIMIT ? 'the default, 50 MB' : gigabytes(limit)}`;
    findings.push(
      warning(
        'rabbitmq.disk-limit',
        text,
        'a full disk ends the node in the middle of a write; the alarm has to come well before',
        'set `disk_free_limit.absolute = 2GB` in rabbitmq.conf',
      ),
    );
  }
  if (free !== undefined && free < LEAST_DISK && !node.disk_free_alarm)
    findings.push(warning('rabbitmq.disk', `${name}: ${gigabytes(free)} free`, 'it will be full soon', 'free space, or grow the volume'));
  if (limit === undefined && findings.length === 0) return [notChecked('rabbitmq.node', `${name} has not told its figures yet`, 'ask again in a minute')];
  return findings.length > 0 ? findings : [fine('rabbitmq.node', `${name}: no alarm${free === undefined ? '' : `, ${gigabytes(free)} free`}`)];
}

async function flagDiagnosis(management: Management): Promise<Diagnosis> {
  const check = 'rabbitmq.stream-queue';
  const flags = await attempt(() => management.featureFlags());
  if ('failed' in flags)
    return notChecked(
      check,
      `feature flags: ${describe(flags.failed)}`,
      '`rabbitmqctl list_feature_flags` shows stream_queue enabled; `signalbox doctor --self-test` shows the same',
    );
  const state = flags.answer.get('stream_queue');
  // From 4.0 on it is always on, and later not listed any more.
  if (state === undefined || state === 'enabled') return fine(check, 'at-least-once dead-lettering is available');
  return problem(
    check,
    `the feature flag stream_queue is ${state}`,
    'without it the retry ladder may lose messages (no at-least-once dead-lettering)',
    '`rabbitmqctl enable_feature_flag stream_queue`',
  );
}
