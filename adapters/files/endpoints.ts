import type { Clock, EndpointContext, Logger, Outbound } from '../contract/index.js';
import { Collect } from './collect.js';
import type { ReadOptions, WriteOptions } from './options.js';
import { Pickup } from './pickup.js';
import type { Folders } from './probe.js';
import { publish } from './publish.js';
import { type FileSpace, splitPath } from './space.js';

/** The endpoints of any system with files, and the folders they use. */
export function fileEndpoints(space: FileSpace, clock: Clock, logger: Logger) {
  const folders: Folders & { readonly read: Set<string>; readonly written: Set<string> } = { read: new Set(), written: new Set() };
  return {
    folders,
    inbound(endpoint: EndpointContext): Pickup {
      const options = endpoint.config as ReadOptions;
      folders.read.add(options.path);
      return new Pickup(space, options, endpoint, clock, logger.with({ endpoint: endpoint.name }));
    },
    outbound(endpoint: EndpointContext): Outbound {
      const options = endpoint.config as WriteOptions;
      folders.written.add(splitPath(options.path).folder);
      return options.collect ? new Collect(space, options, options.collect, endpoint, { clock, logger: logger.with({ endpoint: endpoint.name }) }) : publish(space, options);
    },
  };
}
