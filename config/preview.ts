import type { Preview } from '../routes/test.js';
import type { Configuration } from './configuration.js';

/** What a target would get, as its adapter says, for tests and plans. */
export function previewOf(configuration: Configuration): Preview {
  return (endpoint, payload) => {
    const system = configuration.systems.get(endpoint.slice(0, endpoint.indexOf('.')));
    const outbound = system?.outbound.get(endpoint);
    return outbound && system?.adapter.write?.preview?.(outbound.config, payload);
  };
}
