// All files of a directory as one tree: every name stands in one file only, and every path leads back to its file.
import type { Finding } from '../bus/finding.js';
import { nearest } from '../bus/finding.js';
import type { Diagnostic, Place } from './diagnostics.js';
import { type Entry, find, type ListNode, type MapNode, type Node, type Path, type ScalarNode, type SourceText, type Span, spanInside } from './tree.js';
import { MAX_PROBLEMS, type ParsedFile } from './yaml.js';

/** Sections whose entries may stand in several files. */
const NAMED = ['systems', 'types', 'tables', 'routes', 'defaults'] as const;
const SETTINGS = ['version', 'installation', 'adapters', 'bus', 'store', 'listen', 'retention', 'drain', 'secrets_directory'] as const;
export const SECTIONS: readonly string[] = [...NAMED, 'tests', ...SETTINGS];

const SECOND = '\u0000';

/** The name as the user wrote it. */
export function writtenName(name: string): string {
  return name.split(SECOND, 1)[0] ?? name;
}

interface Home {
  readonly source: SourceText;
  readonly broken: boolean;
}

export class MergedTree {
  readonly #root: MapNode;
  readonly #homes: ReadonlyMap<string, Home>;

  constructor(root: MapNode, homes: ReadonlyMap<string, Home>) {
    this.#root = root;
    this.#homes = homes;
  }

  node(path: Path): Node | undefined {
    const found = find(this.#root, path);
    return found.depth === path.length ? found.node : undefined;
  }

  /** Entries of a section such as `systems`; none when it is absent or no mapping. */
  names(section: string): readonly string[] {
    const node = this.node([section]);
    return node?.kind === 'map' ? [...node.entries.keys()] : [];
  }

  isBroken(path: Path): boolean {
    return this.#home(path)?.broken ?? false;
  }

  /** @param whole do not look for `range` in the source: the value is not what was written */
  place(finding: Pick<Finding, 'path' | 'atKey' | 'range'>, whole = false): Place {
    const { path, atKey, range } = finding;
    const source = this.#home(path)?.source;
    if (!source) return { file: '', line: 0, column: 0, length: 0 };
    const { node, key, depth } = find(this.#root, path);
    const value = node.kind === 'scalar' && node.end > node.start ? node : undefined;
    if (value && range && !whole && atKey !== true) {
      const part = spanInside(source.text, value, range);
      if (part) return source.place(part);
    }
    if (key && (atKey === true || (node.kind === 'scalar' ? !value : depth < path.length))) return source.place(key);
    return source.place(spanOf(node, source));
  }

  /** `orders.yaml:72`. */
  placeOf(path: Path): string | undefined {
    const { file, line } = this.place({ path });
    return line === 0 ? undefined : `${file}:${line}`;
  }

  /** The file's text and the span of what stands at `path`, for masking. */
  spanAt(path: Path): { readonly source: SourceText; readonly span: Span } | undefined {
    const source = this.#home(path)?.source;
    const node = this.node(path);
    return source && node ? { source, span: node } : undefined;
  }

  #home(path: Path): Home | undefined {
    const [section = '', name] = path;
    return this.#homes.get(homeKey(section, name)) ?? this.#homes.get(homeKey(section));
  }
}

export function mergeFiles(files: readonly ParsedFile[]): { readonly tree: MergedTree; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = [];
  const homes = new Map<string, Home>();
  const sections = new Map<string, Entry>();
  const problem = (source: SourceText, span: Span, text: Omit<Diagnostic, 'severity' | keyof Place>): void => {
    diagnostics.push({ severity: 'error', ...source.place(span), ...text });
  };
  for (const { source, root, broken } of files) {
    if (!root) continue;
    const home = { source, broken };
    if (root.kind !== 'map') {
      if (!broken) problem(source, spanOf(root, source), { code: 'E106', message: 'expected a mapping with `systems:`, `types:`, `routes:` and so on', label: 'no mapping' });
      continue;
    }
    if (isForeign(root)) continue;
    let unknown = 0;
    for (const [name, entry] of root.entries) {
      const first = sections.get(name);
      if (!SECTIONS.includes(name)) {
        if (broken || ++unknown > MAX_PROBLEMS) continue;
        const near = nearest(name, SECTIONS);
        const help = near === undefined ? {} : { help: `did you mean \`${near}\`?` };
        problem(source, entry.key, { code: 'E104', message: `unknown key \`${name}\``, label: 'not known here', ...help, note: `known: ${SECTIONS.toSorted().join(' ')}` });
      } else if (name === 'tests') mergeList(entry, first, home, sections, homes);
      else if ((NAMED as readonly string[]).includes(name)) mergeNames(name, entry, first, home, { sections, homes, problem });
      else if (!first) {
        sections.set(name, entry);
        homes.set(homeKey(name), home);
      } else if (name !== 'version') {
        const before = homes.get(homeKey(name))?.source ?? source;
        problem(source, entry.key, twice(`\`${name}\``, before, first.key));
      }
    }
  }
  return { tree: new MergedTree({ kind: 'map', entries: sections, start: 0, end: 0 }, homes), diagnostics };
}

interface Merging {
  readonly sections: Map<string, Entry>;
  readonly homes: Map<string, Home>;
  readonly problem: (source: SourceText, span: Span, text: Omit<Diagnostic, 'severity' | keyof Place>) => void;
}

function mergeNames(section: string, entry: Entry, first: Entry | undefined, home: Home, { sections, homes, problem }: Merging): void {
  if (isNothing(entry.value)) return;
  if (entry.value.kind !== 'map') {
    if (!home.broken) problem(home.source, entry.key, { code: 'E106', message: `\`${section}\`: expected a mapping with a name for each` });
    return;
  }
  if (!first) homes.set(homeKey(section), home);
  const known = first?.value.kind === 'map' ? first.value.entries : new Map<string, Entry>();
  const entries = new Map(known);
  for (const [name, each] of entry.value.entries) {
    const before = entries.get(name);
    const beforeHome = homes.get(homeKey(section, name));
    if (before && beforeHome) problem(home.source, each.key, twice(`\`${name}\` of \`${section}\``, beforeHome.source, before.key));
    if (before && section !== 'systems') continue;
    // A system's second part is checked all the same, so that its problems and its endpoints are not hidden by the first.
    const unique = before ? `${name}${SECOND}${entries.size}` : name;
    entries.set(unique, each);
    homes.set(homeKey(section, unique), home);
  }
  sections.set(section, { key: first?.key ?? entry.key, value: { kind: 'map', entries, start: entry.value.start, end: entry.value.end } });
}

function mergeList(entry: Entry, first: Entry | undefined, home: Home, sections: Map<string, Entry>, homes: Map<string, Home>): void {
  if (isNothing(entry.value)) return;
  if (entry.value.kind !== 'list' || (first && first.value.kind !== 'list')) {
    if (!first) {
      sections.set('tests', entry);
      homes.set(homeKey('tests'), home);
    }
    return;
  }
  const before = first?.value.kind === 'list' ? first.value.items : [];
  if (!first) homes.set(homeKey('tests'), home);
  for (const index of entry.value.items.keys()) homes.set(homeKey('tests', before.length + index), home);
  const value: ListNode = { ...entry.value, items: [...before, ...entry.value.items] };
  sections.set('tests', { key: first?.key ?? entry.key, value });
}

/** An OpenAPI document that lies in the directory is an input of an adapter, not configuration. */
function isForeign(root: MapNode): boolean {
  return ['openapi', 'swagger', 'asyncapi', '$schema'].some((key) => root.entries.has(key)) && !SECTIONS.some((key) => root.entries.has(key));
}

function isNothing(node: Node): node is ScalarNode {
  return node.kind === 'scalar' && node.value === null;
}

function twice(what: string, before: SourceText, span: Span): Omit<Diagnostic, 'severity' | keyof Place> {
  return {
    code: 'E108',
    message: `${what} is given twice`,
    label: 'again here',
    related: [{ ...before.place(span), label: 'first here' }],
    help: 'all files of the directory are one configuration; rename or remove one',
  };
}

/** A block mapping is marked by its first line only. */
function spanOf(node: Node, source: SourceText): Span {
  return node.kind === 'scalar' ? node : { start: node.start, end: Math.min(node.end, source.text.length) };
}

function homeKey(section: string | number, name?: string | number): string {
  return name === undefined ? String(section) : `${section}\n${name}`;
}
