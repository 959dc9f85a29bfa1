// What commands do with a configuration and no running service: parts are built as for a run, and none is started.
import 'reflect-metadata';
import { Container } from 'inversify';
import { adapterModule, adapterToken } from './adapters/adapters.module.js';
import type { ConnectedSystem, ProbeStep } from './adapters/contract/index.js';
import { BROKER, type Broker } from './bus/broker.js';
import { brokerModule } from './bus/broker.module.js';
import type { Diagnosis } from './bus/diagnosis.js';
import { definitions, placeOf } from './bus/rabbitmq/definitions.js';
import { channelsOf, PROBE_CHANNEL } from './bus/runtime/channels.js';
import { systemClock } from './bus/runtime/clock.js';
import { examine } from './bus/runtime/doctor.js';
import { absentHttpHost } from './bus/runtime/http.js';
import { createLog } from './bus/runtime/log.js';
import { STORE, type Store } from './bus/store/contract.js';
import type { Configuration } from './config/configuration.js';
import { redactor } from './config/secrets.js';
import { type DoctorRequest, UnknownName } from './console/service.js';
import { brokerChoice, ConfigurationRefused, constants, load, report, storeModule } from './signalbox.js';

/** `signalbox doctor` when nothing runs. Only the self-test opens the bus, and declares what a start would declare. @throws ConfigurationRefused */
export async function examineOffline(directory: string, request: DoctorRequest): Promise<readonly Diagnosis[]> {
  const configuration = await configurationOf(directory);
  const log = createLog({ level: 'error', format: 'pretty', redact: redactor(configuration.secrets) });
  const container = new Container();
  container.load(constants({ log, clock: systemClock, http: absentHttpHost, node: 'doctor' }), brokerModule(brokerChoice(configuration)), storeModule(configuration));
  const broker = container.get<Broker>(BROKER);
  const store = container.get<Store>(STORE);
  const subjects = {
    broker,
    store,
    clock: systemClock,
    stateDirectory: configuration.settings.stateDirectory,
    channels: channelsOf(outboundOf(configuration), configuration.compile(0).ordered),
    systems: request.systems ? await probesOf(configuration, container) : new Map(),
    integrity: request.integrity,
    watched: [],
  };
  const found = await examine({ ...subjects, selfTest: false });
  if (!request.selfTest) return found;
  try {
    await broker.open(AbortSignal.timeout(60_000));
  } catch {
    return found; // why it cannot be opened is among what was found
  }
  try {
    const { selfTest } = request;
    return [...found, ...(await examine({ ...subjects, selfTest })).filter(({ check }) => check === 'bus.retry')];
  } finally {
    await broker.close();
  }
}

/** Definitions for an administrator of RabbitMQ; undefined when the bus is the embedded one. @throws ConfigurationRefused */
export async function topologyOf(directory: string, wanted: { readonly vhost?: string; readonly user?: string }): Promise<object | undefined> {
  const configuration = await configurationOf(directory);
  const { bus } = configuration.settings;
  if (bus.kind === 'embedded') return undefined;
  const place = placeOf(bus.urls[0] ?? 'amqp://localhost');
  const channels = [...channelsOf(outboundOf(configuration), configuration.compile(0).ordered), PROBE_CHANNEL];
  return definitions(channels, { prefix: bus.prefix, vhost: wanted.vhost ?? place.vhost, user: wanted.user ?? place.user });
}

async function configurationOf(directory: string): Promise<Configuration> {
  const loaded = await load(directory, undefined);
  if (!loaded.configuration) throw new ConfigurationRefused(report(loaded, undefined));
  return loaded.configuration;
}

function outboundOf({ systems }: Configuration) {
  return [...systems.values()].flatMap(({ outbound }) => [...outbound.values()]);
}

async function probesOf(configuration: Configuration, container: Container): Promise<Map<string, (signal: AbortSignal) => Promise<readonly ProbeStep[]>>> {
  const opened = await openerOf(configuration, container);
  return new Map(Array.from(configuration.systems.keys(), (name) => [name, (signal) => opened(name, (system) => system.probe(signal))]));
}

/** Runs `work` with one system of the configuration, connected as for a run. @throws ConfigurationRefused, UnknownName, and what `work` throws */
export async function withSystem<T>(directory: string, name: string, work: (system: ConnectedSystem) => Promise<T>): Promise<T> {
  const configuration = await configurationOf(directory);
  if (!configuration.systems.has(name)) throw new UnknownName(`no system ${name}`);
  const container = new Container();
  const log = createLog({ level: 'error', format: 'pretty', redact: redactor(configuration.secrets) });
  container.load(constants({ log, clock: systemClock, http: absentHttpHost, node: 'standalone' }));
  const opened = await openerOf(configuration, container);
  return opened(name, work);
}

export async function systemNames(directory: string): Promise<readonly string[]> {
  return [...(await configurationOf(directory)).systems.keys()];
}

async function openerOf({ systems }: Configuration, container: Container) {
  container.load(await adapterModule(new Map([...systems.values()].map(({ adapter }) => [adapter.name, adapter])).values()));
  return async <T>(name: string, work: (system: ConnectedSystem) => Promise<T>): Promise<T> => {
    const { adapter, connect } = systems.get(name) ?? {};
    if (!adapter) throw new UnknownName(`no system ${name}`);
    const system = container.get(adapterToken(adapter.name)).system(name, connect);
    try {
      return await work(system);
    } finally {
      await system.close();
    }
  };
}
