import { type Adapter, CLOCK, type Clock, type ConnectedSystem, inject, injectable, LOGGER, type Logger } from '../contract/index.js';
import type { ReadOptions, WriteOptions } from '../files/options.js';
import { Pickup } from '../files/pickup.js';
import { probeFiles } from '../files/probe.js';
import { splitPath } from '../files/space.js';
import { writeFiles } from '../files/write.js';
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
    const folders = { read: new Set<string>(), written: new Set<string>() };
    return {
      inbound: (endpoint) => {
        const options = endpoint.config as ReadOptions;
        folders.read.add(options.path);
        return new Pickup(space, options, endpoint, this.clock, logger.with({ endpoint: endpoint.name }));
      },
      outbound: (endpoint) => {
        const options = endpoint.config as WriteOptions;
        folders.written.add(splitPath(options.path).folder);
        return writeFiles(space, endpoint, this.clock, logger);
      },
      probe: (signal) => probeFiles(space, folders, [{ name: `root ${root}`, run: () => space.open(signal).then(() => undefined) }], this.clock, signal),
      close: () => Promise.resolve(),
    };
  }
}
