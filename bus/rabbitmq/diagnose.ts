// What can be found out with AMQP alone, on a connection of its own.
import type { Channel } from 'amqplib';
import type { Clock } from '../../adapters/contract/index.js';
import type { ChannelSpec } from '../broker.js';
import { type Diagnosis, fine, problem, warning } from '../diagnosis.js';
import { describe } from '../errors.js';
import type { Session } from './connection.js';
import type { Control } from './control.js';
import { channelLayout, delayName, type Layout, ladderLayout } from './layout.js';
import { unequalQueue } from './queue-findings.js';
import { replyCode } from './topology.js';
import { versionDiagnosis } from './version.js';
import { abortable, within } from './waiting.js';

export interface Subject {
  readonly session: Session;
  readonly control: Control;
  readonly clock: Clock;
  readonly prefix: string;
  readonly vhost: string;
  readonly channels: readonly ChannelSpec[];
  /** The queues were declared by this process, so they must be there. */
  readonly declared: boolean;
}

export interface AmqpFindings {
  readonly diagnoses: readonly Diagnosis[];
  /** Queues whose arguments could not be compared, because that wants the right to configure. */
  readonly unseen: readonly string[];
}

const ANSWER_MS = 5_000;
/** Headers of a message go into one frame. */
const LEAST_FRAME = 65_536;

export async function diagnoseOverAmqp(subject: Subject): Promise<AmqpFindings> {
  const { session, control, channels, prefix } = subject;
  const nowhere = `${prefix}.target.nowhere.g1`;
  // Each right is asked for at a name that does not exist: RabbitMQ looks at the rights first, and nothing is changed.
  const configure = await may(control, (channel) => channel.deleteQueue(nowhere));
  const read = await may(control, (channel) => channel.consume(nowhere, () => undefined));
  const queues = await diagnoseQueues(subject, configure);
  // Publishing comes last: during an alarm nothing on this connection is answered from then on.
  const publishing = await diagnosePublishing(subject);
  const write = publishing.result === 'ok' ? await may(control, (channel) => publishAndAsk(channel, delayName(prefix, 0), nowhere)) : undefined;
  return {
    diagnoses: [versionDiagnosis(session.version), ...tuning(session, channels.length), ...rights(subject, { configure, read, write }), ...queues.diagnoses, publishing],
    unseen: queues.unseen,
  };
}

function tuning(session: Session, channels: number): readonly Diagnosis[] {
  const { heartbeat = 0, frameMax = 0, channelMax = 0 } = session.model.connection as { readonly heartbeat?: number; readonly frameMax?: number; readonly channelMax?: number };
  const beats = `${heartbeat} s`;
  return [
    heartbeat === 0
      ? problem('rabbitmq.heartbeat', 'off', 'a connection that went silent (a firewall, a pulled cable) is never noticed', 'remove `heartbeat=0` from the URL in `bus`')
      : heartbeat < 5 || heartbeat > 60
        ? warning(
            'rabbitmq.heartbeat',
            beats,
            'below 5 s a short pause ends the connection; above 60 s a dead one is noticed after minutes',
            'set `heartbeat=10` in the URL in `bus`',
          )
        : fine('rabbitmq.heartbeat', beats),
    frameMax < LEAST_FRAME
      ? problem(
          'rabbitmq.frame-max',
          `${frameMax} bytes`,
          'the headers of a message go into one frame: larger ones cannot be published',
          'set `frame_max = 131072` in rabbitmq.conf',
        )
      : fine('rabbitmq.frame-max', `${frameMax} bytes`),
    channels + 10 > channelMax
      ? problem('rabbitmq.channel-max', `${channelMax}, and ${channels} are consumed`, 'each consumer has a channel of its own', 'raise `channel_max` in rabbitmq.conf')
      : fine('rabbitmq.channel-max', `${channelMax} for ${channels} consumers`),
  ];
}

async function may(control: Control, work: (channel: Channel) => Promise<unknown>): Promise<boolean> {
  try {
    await control.run('asking for a right', work);
    return true;
  } catch (error) {
    const code = replyCode(error);
    if (code === 404) return true;
    if (code === 403) return false;
    throw error;
  }
}

/** The publish has no answer of its own, unless it is refused; the question after it has. */
async function publishAndAsk(channel: Channel, exchange: string, queue: string): Promise<void> {
  const closed = new Promise<never>((_, reject) => channel.once('error', reject));
  channel.publish(exchange, '', Buffer.alloc(0));
  await Promise.race([closed, channel.checkQueue(queue)]);
}

function rights(
  { prefix, vhost }: Subject,
  { configure, read, write }: { readonly configure: boolean; readonly read: boolean; readonly write: boolean | undefined },
): readonly Diagnosis[] {
  const grant = `\`rabbitmqctl set_permissions -p '${vhost}' <user> '${configure ? `^${prefix}\\.` : '^$'}' '^(${prefix}\\.|amq\\.default$)' '^${prefix}\\.'\``;
  const refused = (right: string, why: string): Diagnosis => problem('rabbitmq.rights', `no right to ${right} ${prefix}.*`, why, grant);
  const missing = [...(read ? [] : [refused('read', 'nothing can be delivered')]), ...(write === false ? [refused('write', 'nothing can wait for a later attempt')] : [])];
  if (missing.length > 0) return missing;
  const had = `${write === undefined ? 'read' : 'write and read'} on ${prefix}.*`;
  return [fine('rabbitmq.rights', configure ? `configure, ${had}` : `${had}; an administrator makes the queues`)];
}

async function diagnoseQueues(subject: Subject, mayConfigure: boolean): Promise<AmqpFindings> {
  const { control, prefix, channels, vhost, declared } = subject;
  const layouts: readonly Layout[] = [ladderLayout(prefix), ...channels.map((spec) => channelLayout(prefix, spec))];
  const diagnoses: Diagnosis[] = [];
  const missing: string[] = [];
  const unseen: string[] = [];
  let equal = 0;
  const look = async (name: string, passive: (channel: Channel) => Promise<unknown>, active: (channel: Channel) => Promise<unknown>): Promise<void> => {
    const what = `looking at ${name}`;
    try {
      await control.run(what, passive);
    } catch (error) {
      if (replyCode(error) !== 404) throw error;
      missing.push(name);
      return;
    }
    if (!mayConfigure) {
      unseen.push(name);
      return;
    }
    try {
      await control.run(what, active);
      equal++;
    } catch (error) {
      if (replyCode(error) !== 406) throw error;
      diagnoses.push(unequalQueue(name, vhost, describe(error)));
    }
  };
  for (const { name, type } of layouts.flatMap(({ exchanges }) => exchanges)) {
    await look(
      name,
      (channel) => channel.checkExchange(name),
      (channel) => channel.assertExchange(name, type),
    );
  }
  for (const queue of layouts.flatMap(({ queues }) => queues)) {
    await look(
      queue.name,
      (channel) => channel.checkQueue(queue.name),
      (channel) => channel.assertQueue(queue.name, { arguments: queue.arguments }),
    );
  }
  if (equal > 0) diagnoses.push(fine('rabbitmq.queue', `${equal} queues and exchanges with the properties we declare`));
  if (missing.length > 0) diagnoses.push(absent(missing, mayConfigure, declared));
  return { diagnoses, unseen };
}

function absent(names: readonly string[], mayConfigure: boolean, declared: boolean): Diagnosis {
  const found = `${names.length} missing: ${names.slice(0, 5).join(', ')}${names.length > 5 ? ', ...' : ''}`;
  const why = 'messages for a queue that is not there are refused';
  if (!mayConfigure) return problem('rabbitmq.queue', found, why, 'give the output of `signalbox topology export` to the administrator: `rabbitmqctl import_definitions <file>`');
  if (declared) return problem('rabbitmq.queue', found, why, 'find out who deleted them; Signalbox makes them again with the next message, what was in them is gone');
  return fine('rabbitmq.queue', `${names.length} are not there yet; Signalbox makes them when it starts`);
}

/** An unroutable message to the default exchange: confirmed and returned, unless publishing is refused or blocked. */
async function diagnosePublishing({ session, clock, prefix, vhost }: Subject): Promise<Diagnosis> {
  const check = 'rabbitmq.publish';
  const published = async (): Promise<void> => {
    const channel = await session.model.createConfirmChannel();
    const closed = new Promise<never>((_, reject) => channel.once('error', reject));
    const confirmed = new Promise<void>((resolve, reject) => {
      channel.publish('', `${prefix}.target.nowhere.g1`, Buffer.alloc(0), { mandatory: true }, (error: unknown) => (error === null ? resolve() : reject(error)));
    });
    await Promise.race([confirmed, closed]);
    await channel.close();
  };
  try {
    await within(clock, ANSWER_MS, 'publishing', abortable(published(), session.lost));
    return fine(check, 'RabbitMQ takes messages and confirms them');
  } catch (error) {
    if (session.blocked !== undefined) return problem('rabbitmq.alarm', session.blocked, 'RabbitMQ takes no messages from anybody until it is over', alarmFix(session.blocked));
    if (replyCode(error) === 403 || /ACCESS_REFUSED/.test(describe(error))) {
      const grant = `\`rabbitmqctl set_permissions -p '${vhost}' <user> ... '^(${prefix}\\.|amq\\.default$)' ...\``;
      return problem(check, describe(error), 'messages are published by the default exchange', `let the user write to amq.default: ${grant}`);
    }
    return problem(check, describe(error), 'nothing can be accepted', '`rabbitmq-diagnostics check_local_alarms`, and the log of RabbitMQ');
  }
}

function alarmFix(alarm: string): string {
  return alarm.includes('disk')
    ? 'free space on the disk of RabbitMQ, and set `disk_free_limit.absolute = 2GB`'
    : 'give RabbitMQ more memory, or raise `vm_memory_high_watermark.relative`; `rabbitmq-diagnostics memory_breakdown`';
}
