import type { Clock, EndpointContext, Logger, Outbound } from '../contract/index.js';
import { Collect } from './collect.js';
import type { WriteOptions } from './options.js';
import { publish } from './publish.js';
import type { FileSpace } from './space.js';

/** The outbound endpoint of any system with files. */
export function writeFiles(space: FileSpace, endpoint: EndpointContext, clock: Clock, logger: Logger): Outbound {
  const options = endpoint.config as WriteOptions;
  return options.collect ? new Collect(space, options, options.collect, endpoint, { clock, logger: logger.with({ endpoint: endpoint.name }) }) : publish(space, options);
}
