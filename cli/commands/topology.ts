import { Command } from 'commander';
import { CommandFailure } from '../failure.js';
import { refused } from '../offline.js';
import { print } from '../output.js';
import { globals } from '../session.js';
import { safeJson } from '../text.js';

export function topologyCommand(): Command {
  const topology = new Command('topology').description('Queues and exchanges on RabbitMQ');
  topology
    .command('export')
    .description('Print all that Signalbox would declare, for `rabbitmqctl import_definitions`')
    .option('--vhost <name>', 'virtual host; that of the bus URL when absent')
    .option('--user <name>', 'who gets the rights to write and read; the user of the bus URL when absent')
    .action(async (options: { readonly vhost?: string; readonly user?: string }, command: Command) => {
      const { config } = globals(command);
      const { topologyOf } = await import('../../standalone.js');
      const definitions = await topologyOf(config, options).catch(refused);
      if (definitions === undefined)
        throw new CommandFailure('the bus of this configuration is the embedded one, which needs no definitions', { hint: 'name the RabbitMQ in `bus:`' });
      print(safeJson(JSON.stringify(definitions, null, 2)));
    });
  return topology;
}
