import { type Adapter, CLOCK, type Clock, type ConnectedSystem, inject, injectable, LOGGER, type Logger } from '../contract/index.js';
import { fileEndpoints } from '../files/endpoints.js';
import { probeFiles } from '../files/probe.js';
import type { ConnectOptions } from './config.js';
import { Disk } from './disk.js';

@injectable()
export class FileAdapter implements Adapter {
  constructor(
    @inject(CLOCK) private readonly clock: Clock,
    @inject(LOGGER) private readonly logger: Logger,
  ) {}

  system(name: string, connect: unknown): ConnectedSystem {
    const { root, timeout } = connect as ConnectOptions;
    const space = new Disk(root, timeout);
    const logger = this.logger.with({ system: name });
    const { folders, inbound, outbound } = fileEndpoints(space, this.clock, logger);
    return {
      inbound,
      outbound,
      probe: (signal) => probeFiles(space, folders, [{ name: `root ${root}`, run: () => space.open(signal).then(() => undefined) }], this.clock, signal),
      close: () => Promise.resolve(),
    };
  }
}
