import { Command } from 'commander';
import type { NodeStatus } from '../../console/service.js';
import { emit } from '../output.js';
import { connect, globals } from '../session.js';
import { table } from '../table.js';
import { age, duration, paint, safe } from '../text.js';

export function nodesCommand(): Command {
  const nodes = new Command('nodes').description('The processes that share the work');
  nodes
    .command('list')
    .description('List the nodes on this store: what they run, when they were last heard of, which sources they read')
    .action(async (_: unknown, command: Command) => {
      const all = globals(command);
      const list = await (await connect(all)).nodes();
      emit(all.output, list, () => nodesTable(list));
    });
  return nodes;
}

function nodesTable(nodes: readonly NodeStatus[]): string {
  return table(
    ['NODE', 'ID', { title: 'PID', align: 'right' }, 'VERSION', { title: 'REVISION', align: 'right' }, 'UP', 'LAST HEARD', 'READS'],
    nodes.map((node) => [
      `${safe(node.name)}${node.isSelf ? ' *' : ''}`,
      safe(node.id),
      String(node.pid),
      safe(node.version),
      String(node.revision),
      node.isLive ? duration(Date.now() - node.startedAt) : paint('red', 'GONE'),
      node.isSelf ? 'this one' : age(node.lastBeatAt),
      node.sources.map(safe).join(', '),
    ]),
  );
}
