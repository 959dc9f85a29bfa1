import type { Configuration } from './configuration.js';

/** Names of routes, types and tables that differ between two configurations, for the receipt of a reload: `orders-out`, `type Order`, `table country`. */
export function changedRouting(before: Configuration, after: Configuration): readonly string[] {
  const { routing: old } = before;
  const { routing: now } = after;
  return [
    ...differing(old.routes, now.routes),
    ...differing(old.types, now.types).map((name) => `type ${name}`),
    ...differing(tables(old.tables), tables(now.tables)).map((name) => `table ${name}`),
    ...(old.installation === now.installation ? [] : ['installation']),
    ...(text(old.defaults) === text(now.defaults) ? [] : ['defaults']),
  ];
}

/** Settings that a reload cannot change in a running process. */
export function needsRestart(started: Configuration, now: Configuration): readonly string[] {
  const { settings: before } = started;
  const { settings: after } = now;
  return (['bus', 'listen', 'store', 'stateDirectory'] as const)
    .filter((name) => text(before[name]) !== text(after[name]))
    .map((name) => (name === 'stateDirectory' ? 'state directory' : name));
}

function differing(before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>): readonly string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.filter((name) => text(before[name]) !== text(after[name]));
}

function tables(loaded: Configuration['routing']['tables']): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(loaded).map(([name, { config, rows }]) => [name, [config, [...rows]]]));
}

/** JSON has no 64-bit integers; the configuration has. */
function text(value: unknown): string | undefined {
  return JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? `${part}n` : part));
}
