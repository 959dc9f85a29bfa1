// Where a system's `connect` is written, and that text with one option of it set: nothing else of the file is touched, comments neither.
import { filesOf } from './files.js';
import { exactValue, find, type MapNode, type Node } from './tree.js';
import { parseYaml } from './yaml.js';

export interface WrittenSystem {
  /** Path of the file, relative to the directory. */
  readonly file: string;
  readonly text: string;
  readonly adapter: unknown;
  /** As it is written, before any check. */
  readonly connect: Readonly<Record<string, unknown>>;
}

/** The names of all systems in the YAML files of a directory, with those that have a `connect`. Files that are broken are read as far as they can be. */
export async function writtenSystems(directory: string): Promise<ReadonlyMap<string, WrittenSystem>> {
  const files = filesOf(directory);
  const systems = new Map<string, WrittenSystem>();
  for (const file of await files.list()) {
    const { root, source } = parseYaml(file, await files.read(file));
    const all = root && find(root, ['systems']);
    if (all?.depth !== 1 || all.node.kind !== 'map') continue;
    for (const [name, { value }] of all.node.entries) {
      const connect = value.kind === 'map' ? value.entries.get('connect')?.value : undefined;
      if (value.kind !== 'map' || connect?.kind !== 'map') continue;
      const adapter = value.entries.get('adapter')?.value;
      systems.set(name, {
        file,
        text: source.text,
        adapter: adapter && plain(adapter),
        connect: Object.fromEntries([...connect.entries].map(([key, entry]) => [key, plain(entry.value)])),
      });
    }
  }
  return systems;
}

/** The file's text with `connect.<option>` of the system set to `value`; undefined when that cannot be done by changing this place alone. */
export function withConnectOption({ file, text }: WrittenSystem, system: string, option: string, value: string): string | undefined {
  const path = ['systems', system, 'connect'];
  const connect = connectOf(file, text, path);
  if (!connect) return undefined;
  const quoted = JSON.stringify(value);
  const there = connect.entries.get(option);
  let after: string;
  if (there) {
    // A list in block form ends where the next option begins.
    const end = there.value.start + text.slice(there.value.start, there.value.end).trimEnd().length;
    after = splice(text, there.value.start, end, there.value.start === there.key.end || text[there.value.start - 1] === ':' ? ` ${quoted}` : quoted);
  } else {
    const first = [...connect.entries.values()][0];
    if (!first) return undefined;
    if (text[connect.start] === '{') after = splice(text, connect.start + 1, connect.start + 1, ` ${option}: ${quoted},`);
    else {
      // Before the first option, on a line of its own with the same indentation.
      const lineStart = text.lastIndexOf('\n', first.key.start - 1) + 1;
      const indent = text.slice(lineStart, first.key.start);
      after = /^ +$/.test(indent) ? splice(text, first.key.start, first.key.start, `${option}: ${quoted}${text.includes('\r\n') ? '\r\n' : '\n'}${indent}`) : '';
    }
  }
  const now = after === '' ? undefined : connectOf(file, after, path);
  const changed = now?.entries.get(option)?.value;
  const others = (map: MapNode): string => JSON.stringify([...map.entries].filter(([key]) => key !== option).map(([key, entry]) => [key, plain(entry.value)]));
  return now && changed && plain(changed) === value && others(now) === others(connect) ? after : undefined;
}

function connectOf(file: string, text: string, path: readonly string[]): MapNode | undefined {
  const { root, broken } = parseYaml(file, Buffer.from(text));
  if (!root || broken) return undefined;
  const found = find(root, path);
  return found.depth === path.length && found.node.kind === 'map' ? found.node : undefined;
}

/** Numbers as JavaScript has them: a port, not an amount. */
function plain(node: Node): unknown {
  return node.kind === 'scalar' && typeof node.value === 'number' ? node.value : printable(exactValue(node));
}

function printable(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  return Array.isArray(value) ? value.map(printable) : value;
}

function splice(text: string, start: number, end: number, insert: string): string {
  return text.slice(0, start) + insert + text.slice(end);
}
