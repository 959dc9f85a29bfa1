import { ContainerModule, type ServiceIdentifier } from 'inversify';
import { type Adapter, type AdapterClass, type AdapterSpec, Misconfigured, token } from './contract/index.js';

/** One token per kind of system: `container.get(adapterToken('sql'))`. */
export function adapterToken(name: string): ServiceIdentifier<Adapter> {
  return token<Adapter>(`adapter.${name}`);
}

/**
 * Loads the implementations of the adapters in use, and nothing of the others, and binds each as a singleton.
 * @throws Misconfigured when an implementation cannot be loaded
 */
export async function adapterModule(specs: Iterable<AdapterSpec>): Promise<ContainerModule> {
  const classes = new Map<string, AdapterClass>();
  for (const spec of specs) classes.set(spec.name, await implementation(spec));
  return new ContainerModule(({ bind }) => {
    for (const [name, type] of classes) bind(adapterToken(name)).to(type).inSingletonScope();
  });
}

async function implementation(spec: AdapterSpec): Promise<AdapterClass> {
  try {
    const type: unknown = await spec.load();
    if (typeof type !== 'function') throw new TypeError('load() gave no class');
    return type as AdapterClass;
  } catch (cause) {
    throw new Misconfigured('E461', `the implementation of the adapter ${spec.name} cannot be loaded`, { cause });
  }
}
