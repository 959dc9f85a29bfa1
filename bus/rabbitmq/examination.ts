import type { ChannelSpec } from '../broker.js';
import { codes } from '../codes/index.js';
import { type DiagnoseOptions, type Diagnosis, fine, problem, warning } from '../diagnosis.js';
import { describe, failureOf } from '../errors.js';
import { BrokerConnection, type ConnectionOptions } from './connection.js';
import { Control } from './control.js';
import { placeOf } from './definitions.js';
import { diagnoseOverAmqp } from './diagnose.js';
import { diagnoseOverManagement, type ManagedSubject, withoutManagement } from './diagnose-management.js';
import { channelLayout, ladderLayout } from './layout.js';
import { Nodes } from './nodes.js';

export interface ExaminationOptions extends ConnectionOptions {
  readonly prefix: string;
  /** URL of the management API, with user and password; those of the bus when it has none. */
  readonly management: string | undefined;
  /** The process has declared its channels, so they must be there. */
  readonly declared: boolean;
}

/** Everything about RabbitMQ that `signalbox doctor` asks, on connections of its own: those at work are not disturbed. */
export async function examine(channels: readonly ChannelSpec[], options: ExaminationOptions, how: DiagnoseOptions): Promise<readonly Diagnosis[]> {
  const { urls, prefix, clock, declared } = options;
  const connections = urls.map((url) => ({ url, connection: new BrokerConnection({ ...options, urls: [url] }, 'doctor', new Nodes([url], clock, options.log)) }));
  const vhost = placeOf(urls[0] ?? 'amqp://localhost').vhost;
  try {
    const reached = await Promise.all(connections.map(async ({ url, connection }) => ({ url, connection, failure: await opened(connection, how.signal) })));
    const first = reached.find(({ connection }) => connection.session !== undefined);
    const { session } = first?.connection ?? {};
    const hosts = reached.map(({ url, failure }) => (failure === undefined ? undefined : unreachable(url, failure, first === undefined)));
    if (!first || !session) return hosts.filter((diagnosis) => diagnosis !== undefined);
    const cluster = (session.model.connection.serverProperties as { readonly cluster_name?: unknown }).cluster_name;
    const found = fine('rabbitmq.connection', `${reached.filter(({ failure }) => !failure).length} of ${urls.length} nodes of ${String(cluster ?? 'the cluster')}, vhost ${vhost}`);
    const control = new Control(first.connection, clock);
    const amqp = await guarded('rabbitmq', () => diagnoseOverAmqp({ session, control, clock, prefix, vhost, channels, declared }));
    const layouts = [ladderLayout(prefix), ...channels.map((spec) => channelLayout(prefix, spec))];
    const unseen = 'unseen' in amqp ? amqp.unseen : [];
    const queues = layouts.flatMap((layout) => layout.queues);
    const management = managementOf(options);
    const managed = await guarded('rabbitmq.management', async () => ({
      diagnoses: management
        ? await diagnoseOverManagement({ ...management, ...(options.tls ? { tls: options.tls } : {}), vhost, queues, unseen }, how)
        : withoutManagement('no `bus.management` is configured'),
    }));
    return [found, ...hosts.filter((diagnosis) => diagnosis !== undefined), ...amqp.diagnoses, ...managed.diagnoses];
  } finally {
    await Promise.all(connections.map(({ connection }) => connection.close()));
  }
}

async function opened(connection: BrokerConnection, signal: AbortSignal): Promise<unknown> {
  try {
    await connection.open(signal);
    return undefined;
  } catch (error) {
    return error;
  }
}

function unreachable(url: string, failure: unknown, isOnly: boolean): Diagnosis {
  const { host } = new URL(url);
  const text = describe(failure);
  const found = text.includes(host) ? text : `${host}: ${text}`;
  const fix = codes[failureOf(failure)?.code ?? 'E510'].fix;
  return isOnly
    ? problem('rabbitmq.connection', found, 'nothing can be read or delivered', fix)
    : warning('rabbitmq.connection', found, 'it cannot take over when another node fails', fix);
}

/** One part that fails must not hide what the others found. */
async function guarded<T extends { readonly diagnoses: readonly Diagnosis[] }>(check: string, work: () => Promise<T>): Promise<T | { readonly diagnoses: readonly Diagnosis[] }> {
  try {
    return await work();
  } catch (error) {
    return { diagnoses: [problem(check, `the examination failed: ${describe(error)}`, 'what was not reached is not known', codes.E512.fix)] };
  }
}

/** On another machine it is asked only when somebody said where: a password is not sent to a guess. */
function managementOf({ management, urls }: ExaminationOptions): Pick<ManagedSubject, 'url' | 'guessed'> | undefined {
  const bus = urls.map((url) => new URL(url));
  const near = bus.find(({ hostname }) => /^(localhost$|\[::1\]$|127\.)/.test(hostname));
  if (management === undefined && near === undefined) return undefined;
  const login = near ?? bus[0];
  const url = new URL(management ?? `http://${near?.hostname}:15672`);
  if (url.username === '') {
    url.username = login?.username ?? '';
    url.password = login?.password ?? '';
  }
  return { url: url.href, guessed: management === undefined };
}
