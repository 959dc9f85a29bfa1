import { Command } from 'commander';
import type { RouteStatus } from '../../console/service.js';
import { emit } from '../output.js';
import { connect, globals, named } from '../session.js';
import { pairs, table } from '../table.js';
import { age, paint, safe } from '../text.js';

export function routesCommand(): Command {
  const routes = new Command('routes').description('The routes: what they read, where they lead, how often their rules fired');
  routes
    .command('list')
    .description('List all routes')
    .action(async (_: unknown, command: Command) => {
      const all = globals(command);
      const list = await (await connect(all)).routes();
      emit(all.output, list, () => listText(list));
    });
  routes
    .command('show')
    .description('Show one route with its rules and how often each matched')
    .argument('<route>')
    .action(async (name: string, _: unknown, command: Command) => {
      const all = globals(command);
      const service = await connect(all);
      const route = await named(
        name,
        async () => (await service.routes()).map((known) => known.name),
        () => service.route(name),
      );
      emit(all.output, route, () => routeText(route));
    });
  return routes;
}

function listText(list: readonly RouteStatus[]): string {
  if (list.length === 0) return 'no routes';
  return table(
    ['ROUTE', 'FROM', 'TO', { title: 'RECEIVED', align: 'right' }, { title: 'FILTERED', align: 'right' }, { title: 'FAILED', align: 'right' }, 'PLACE'],
    list.map((route) => [
      safe(route.name),
      safe(route.from),
      safe(route.to.join(', ')),
      String(route.received),
      String(route.filtered),
      route.failed === 0 ? '0' : paint('red', String(route.failed)),
      safe(route.place ?? ''),
    ]),
  );
}

function routeText(route: RouteStatus): string {
  const head = pairs([
    ['route', paint('bold', safe(route.name))],
    ['direction', route.direction],
    ['from', safe(route.from)],
    ['to', safe(route.to.join(', '))],
    ['place', route.place === undefined ? undefined : safe(route.place)],
    ['since the start', `received ${route.received}, filtered ${route.filtered}, failed ${route.failed}`],
  ]);
  if (route.rules.length === 0) return head;
  const rules = table(
    ['RULE', 'TO', { title: 'MATCHED', align: 'right' }, 'LAST', 'WHEN', 'PLACE'],
    route.rules.map((rule) => [safe(rule.name), safe(rule.to), String(rule.matched), age(rule.lastAt), safe(rule.when ?? 'always'), safe(rule.place ?? '')]),
  );
  return `${head}\n\n${rules}`;
}
