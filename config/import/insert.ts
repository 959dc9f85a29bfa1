// Puts an endpoint into a YAML file that people wrote, and leaves every other character as it is.
import { isMap, isScalar, LineCounter, type Pair, parseDocument, type YAMLMap } from 'yaml';
import type { PlainMap } from './draft.js';
import { yamlOf } from './render.js';

/** @returns the text with the endpoint below `systems: <system>: <direction>:`; undefined when the system does not stand in it */
export function insertEndpoint(text: string, system: string, direction: 'read' | 'write' | 'call', endpoint: string, options: PlainMap): string | undefined {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const home = document.getIn(['systems', system]);
  if (!isMap(home)) return undefined;
  const group = home.get(direction);
  const parent = group === undefined ? home : group;
  if (!isBlock(home) || !isBlock(parent)) {
    // Between braces: the library writes the document anew, and keeps its comments.
    document.setIn(['systems', system, direction, endpoint], document.createNode(options));
    return document.toString({ lineWidth: 0, flowCollectionPadding: false });
  }
  const indent = columnOf(parent, lines) + (group === undefined ? 2 : 0);
  const lead = ' '.repeat(indent);
  const own = yamlOf({ [endpoint]: options })
    .trimEnd()
    .replace(/^/gm, lead);
  const block = group === undefined ? `${lead.slice(2)}${direction}:\n${own}\n` : `${own}\n`;
  const at = endOf(parent, text);
  const before = text.slice(0, at);
  return `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${block}${text.slice(at)}`;
}

function isBlock(node: unknown): node is YAMLMap {
  return isMap(node) && node.flow !== true && node.items.length > 0;
}

function columnOf(map: YAMLMap, lines: LineCounter): number {
  const [first] = map.items;
  const key = first?.key;
  return isScalar(key) && key.range ? lines.linePos(key.range[0]).col - 1 : 0;
}

/** The start of the line after the map's last value. */
function endOf(map: YAMLMap, text: string): number {
  const last = map.items.at(-1) as Pair<{ range?: readonly number[] }, { range?: readonly number[] } | null> | undefined;
  const end = last?.value?.range?.[1] ?? last?.key.range?.[1] ?? text.length;
  // A block scalar or map ends at the start of the next line already.
  if (end > 0 && text[end - 1] === '\n') return end;
  const next = text.indexOf('\n', end);
  return next < 0 ? text.length : next + 1;
}
