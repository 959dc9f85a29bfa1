import type { ConnectedSystem, EndpointContext, Inbound, PollingInbound, ProbeStep } from '../../adapters/contract/endpoint.js';
import type { EndpointState } from '../../adapters/contract/services.js';
import { describe, failureOf, Misconfigured } from '../errors.js';
import type { Store } from '../store/contract.js';
import { FailedEndpoint } from './failed-endpoint.js';
import { ListeningSource } from './listening-source.js';
import { PolledSource, type Source, type SourceConfig, type SourceServices } from './source.js';
import { Target, type TargetConfig, type TargetServices } from './target.js';

export interface SystemPlan {
  readonly name: string;
  readonly adapter: string;
  /** Equal digests need no restart. */
  readonly digest: string;
  readonly connect: () => ConnectedSystem;
  readonly inbound: readonly (SourceConfig & { readonly config: unknown })[];
  readonly outbound: readonly (TargetConfig & { readonly config: unknown })[];
}

export interface RunningSystem {
  readonly plan: SystemPlan;
  readonly connected: ConnectedSystem;
  readonly sources: Map<string, Source>;
  readonly targets: Map<string, Pick<Target, 'report' | 'start' | 'follow' | 'pause' | 'resume' | 'stop'>>;
}

export type SystemServices = SourceServices & TargetServices;

/** Makes the endpoints of a system; starts nothing. An adapter that throws takes nothing down but what it was asked for. */
export function buildSystem(plan: SystemPlan, services: SystemServices): RunningSystem {
  const make = <T>(name: string, direction: 'inbound' | 'outbound', construct: () => T | undefined): T | FailedEndpoint => {
    try {
      const made = construct();
      if (made === undefined) throw new Misconfigured('E508', `the adapter ${plan.adapter} has no ${direction} endpoints`);
      return made;
    } catch (error) {
      return failedEndpoint(name, direction, error, services);
    }
  };
  const connected = connect(plan);
  const sources = plan.inbound.map((config) => {
    const inboundOf = (): Inbound | undefined => connected.inbound?.(contextOf(config, services));
    const construct = (): Source | undefined => {
      const inbound = inboundOf();
      const remake = (): PollingInbound | undefined => {
        const other = inboundOf();
        return other?.kind === 'polling' ? other : undefined;
      };
      return inbound && (inbound.kind === 'polling' ? new PolledSource(inbound, config, services, remake) : new ListeningSource(inbound, config, services));
    };
    return [config.name, make(config.name, 'inbound', construct)] as const;
  });
  const targets = plan.outbound.map((config) => {
    const construct = (): Target | undefined => {
      const outbound = connected.outbound?.(contextOf(config, services));
      return outbound && new Target(outbound, config, services);
    };
    return [config.name, make(config.name, 'outbound', construct)] as const;
  });
  return { plan, connected, sources: new Map(sources), targets: new Map(targets) };
}

export function failedEndpoint(name: string, direction: 'inbound' | 'outbound', error: unknown, { clock, log }: Pick<SystemServices, 'clock' | 'log'>): FailedEndpoint {
  const reason = failureOf(error) ?? new Misconfigured('E508', describe(error), { cause: error });
  log.error('endpoint-failed', `${name} could not be set up: ${describe(error)}`, { endpoint: name, code: reason.code });
  return new FailedEndpoint(name, direction, reason, () => clock.now().getTime());
}

export function hasFailed({ sources, targets }: RunningSystem): boolean {
  return [...sources.values(), ...targets.values()].some((endpoint) => endpoint instanceof FailedEndpoint);
}

function connect(plan: SystemPlan): ConnectedSystem {
  try {
    return plan.connect();
  } catch (error) {
    const refuse = (): never => {
      throw error;
    };
    const probe = async (): Promise<readonly ProbeStep[]> => [{ name: 'connect', ok: false, detail: describe(error) }];
    return { inbound: refuse, outbound: refuse, probe, close: async () => undefined };
  }
}

function contextOf({ name, config }: { readonly name: string; readonly config: unknown }, { store, node }: SystemServices): EndpointContext {
  return { name, config, state: stateOf(name, store), node };
}

function stateOf(endpoint: string, { endpointState }: Pick<Store, 'endpointState'>): EndpointState {
  return {
    get: (key) => endpointState.get(endpoint, key),
    put: (entries) => endpointState.put(endpoint, entries),
    list: (prefix, limit) => endpointState.list(endpoint, prefix, limit),
  };
}
