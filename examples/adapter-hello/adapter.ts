import { type Adapter, type ConnectedSystem, inject, injectable, LOGGER, type Logger, type ProbeStep } from '../../adapters/contract/index.js';
import { connect, type Link } from './client.js';
import type { Connect, Read, Write } from './config.js';
import { HelloInbound } from './inbound.js';
import { HelloOutbound } from './outbound.js';

@injectable()
export class HelloAdapter implements Adapter {
  constructor(@inject(LOGGER) private readonly log: Logger) {}

  system(name: string, config: unknown): ConnectedSystem {
    const options = config as Connect;
    const link: Link = () => connect(options);
    this.log.debug('hello.system', 'ready to greet', { system: name, world: options.world });
    return {
      inbound: (endpoint) => new HelloInbound(link, endpoint.config as Read),
      outbound: (endpoint) => new HelloOutbound(link, endpoint.config as Write),
      probe: async () => probe(link),
      close: async () => undefined,
    };
  }
}

function probe(link: Link): readonly ProbeStep[] {
  try {
    return [{ name: 'greet', ok: true, detail: `${link().greetings.length} greetings` }];
  } catch (error) {
    return [{ name: 'greet', ok: false, detail: Error.isError(error) ? (error as Error).message : String(error), fix: 'Create the world and check the password.' }];
  }
}
