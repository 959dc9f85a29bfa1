// Warnings about a configuration that is correct and probably not meant.
import { nearest } from '../bus/finding.js';
import type { RouteContext } from './context.js';
import type { InboundRouteConfig, OutboundRouteConfig } from './model.js';

export function lintRoutes(context: RouteContext): void {
  const { input } = context;
  const subscribed = new Set<string>();
  for (const config of Object.values(input.routes)) if (!('from' in config)) subscribed.add(config.subscribe);
  for (const [name, config] of Object.entries(input.routes)) {
    if ('from' in config) lintInbound(name, config, subscribed, context);
    else lintOutbound(name, config, context);
  }
  const read = new Set(Object.values(input.routes).flatMap((config) => ('from' in config ? [config.from] : [])));
  for (const source of input.sources.keys()) {
    // Without any inbound route the configuration is being begun.
    if (read.size === 0 || read.has(source)) continue;
    const dot = source.indexOf('.');
    context.report({
      severity: 'warning',
      code: 'W204',
      path: ['systems', source.slice(0, dot), 'read', source.slice(dot + 1)],
      atKey: true,
      message: `no route reads ${source}: it waits until one does`,
      help: `add a route with \`from: ${source}\``,
    });
  }
  for (const table of Object.keys(input.tables)) {
    if (!context.usedTables.has(table))
      context.report({ severity: 'warning', code: 'W202', path: ['tables', table], atKey: true, message: `no mapping uses the table \`${table}\`` });
  }
}

function lintInbound(name: string, config: InboundRouteConfig, subscribed: ReadonlySet<string>, context: RouteContext): void {
  if (subscribed.has(config.publish) || !context.types.has(config.publish)) return;
  const near = nearest(config.publish, subscribed);
  context.report({
    severity: 'warning',
    code: 'W201',
    path: ['routes', name, 'publish'],
    message: `no route subscribes to ${config.publish}: every message would be a dead letter`,
    ...(near ? { help: `did you mean \`${near}\`?` } : {}),
  });
}

function lintOutbound(name: string, config: OutboundRouteConfig, context: RouteContext): void {
  const path = ['routes', name];
  const all = config.deliver.find((rule) => takesAll(rule.when) && !rule.split);
  if (all && config.otherwise) {
    context.report({
      severity: 'warning',
      code: 'W203',
      path: [...path, 'otherwise'],
      atKey: true,
      message: `\`otherwise\` can never happen: rule \`${all.name}\` takes every message`,
    });
  }
  if (config.match === 'first') lintFirst(config, path, context);
}

/** With `match: first`: rules below one that takes everything, and the same condition twice. */
function lintFirst(config: OutboundRouteConfig, path: readonly string[], context: RouteContext): void {
  const seen = new Map<string, string>();
  let taking: string | undefined;
  for (const [i, rule] of config.deliver.entries()) {
    const condition = takesAll(rule.when) ? 'true' : (rule.when ?? '').replace(/\s+/g, ' ').trim();
    const above = seen.get(condition);
    if (taking !== undefined || above !== undefined) {
      const why = taking === undefined ? `\`${above}\` above has the same condition` : `every message was taken by \`${taking}\` above`;
      context.report({ severity: 'warning', code: 'W200', path: [...path, 'deliver', i], message: `rule \`${rule.name}\` can never fire: ${why} (match: first)` });
    }
    seen.set(condition, rule.name);
    if (condition === 'true') taking ??= rule.name;
  }
}

function takesAll(when: string | undefined): boolean {
  return when === undefined || when.trim() === 'true';
}
