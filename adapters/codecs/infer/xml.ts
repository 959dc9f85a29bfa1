// How to read an XML document, from a sample of it: the element that repeats, its namespaces, lists and fields. What is not certain is said in notes.

import type { z } from 'zod';
import { Sax, type SaxElement, type SaxName, XmlProblem } from '../sax.js';
import type { xmlOptions } from '../xml.js';
import { XSI } from '../xml-names.js';
import { xmlText } from '../xml-text.js';

export interface InferredElement {
  /** Below the record: `Cust/Name`, `Lines/Line/@pos`. */
  readonly path: string;
  /** It stands in a list, or is one. */
  readonly list: boolean;
  /** Some of the elements around it do not have it. */
  readonly optional: boolean;
  /** Texts that were seen, up to 50. */
  readonly examples: readonly string[];
}

export interface InferredXml {
  /** Accepted by the schema of `xml:`. */
  readonly options: z.input<typeof xmlOptions>;
  readonly fields: readonly InferredElement[];
  /** Records in the sample. */
  readonly records: number;
  readonly notes: readonly string[];
}

interface Node {
  readonly name: SaxName;
  readonly depth: number;
  readonly children: Map<string, Node>;
  readonly attributes: Map<string, { readonly name: SaxName; seen: number; readonly examples: Set<string> }>;
  seen: number;
  /** How many of its parents had it, and the most that one had. */
  parents: number;
  most: number;
  /** How often it was only text, and how often a record. */
  plain: number;
  structured: number;
  readonly examples: Set<string>;
}

const [MOST_NODES, EXAMPLES] = [5_000, 50];
const SAMPLE_TOKEN = 16 * 1024 * 1024;

/** @throws InvalidMessage when the sample is no XML from its beginning on. The sample may end anywhere. */
export async function inferXml(sample: Uint8Array): Promise<InferredXml> {
  const notes: string[] = [];
  const prefixes = new Map<string, string>();
  const root = node({ uri: '', local: '' }, 0);
  const open: { readonly node: Node; readonly counts: Map<string, number>; text: string; structured: boolean }[] = [{ node: root, counts: new Map(), text: '', structured: true }];
  let nodes = 0;
  const sax = new Sax(
    {
      open(element) {
        const parent = open.at(-1);
        if (!parent) return;
        parent.structured = true;
        remember(element, prefixes);
        const key = `{${element.uri}}${element.local}`;
        let child = parent.node.children.get(key);
        if (!child && nodes < MOST_NODES) {
          nodes++;
          child = node(element, parent.node.depth + 1);
          parent.node.children.set(key, child);
        }
        const at = child ?? node(element, parent.node.depth + 1);
        at.seen++;
        const count = (parent.counts.get(key) ?? 0) + 1;
        parent.counts.set(key, count);
        if (count === 1) at.parents++;
        at.most = Math.max(at.most, count);
        const attributes = element.attributes.filter(({ uri, local }) => !(uri === XSI && local === 'nil'));
        for (const attribute of attributes) {
          const known = at.attributes.get(`{${attribute.uri}}${attribute.local}`) ?? { name: attribute, seen: 0, examples: new Set<string>() };
          at.attributes.set(`{${attribute.uri}}${attribute.local}`, known);
          known.seen++;
          if (known.examples.size < EXAMPLES) known.examples.add(attribute.value);
        }
        open.push({ node: at, counts: new Map(), text: '', structured: attributes.length > 0 });
      },
      text(text) {
        const at = open.at(-1);
        if (at && at.text.length < 1_000) at.text += text;
      },
      close() {
        const at = open.pop();
        if (!at) return;
        if (at.structured) at.node.structured++;
        else at.node.plain++;
        if (at.counts.size > 0 && at.text.trim() !== '') notes.push(`<${at.node.name.local}> has text beside elements, which is refused`);
        else if (at.counts.size === 0 && at.text !== '' && at.node.examples.size < EXAMPLES) at.node.examples.add(at.text);
      },
    },
    { token: SAMPLE_TOKEN },
  );
  let encoding = 'utf-8';
  try {
    for await (const part of xmlText(once(sample), undefined)) {
      encoding = part.encoding;
      sax.write(part.text);
    }
  } catch (error) {
    if (!(error instanceof XmlProblem) || nodes === 0) throw error;
    notes.push(`line ${error.line}, column ${error.column}: ${error.message}; what follows was not looked at`);
  }
  if (encoding !== 'utf-8') notes.push(`the document says it is in ${encoding}`);
  return describeTree(root, prefixes, [...new Set(notes)]);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function node(name: SaxName, depth: number): Node {
  return {
    name: { uri: name.uri, local: name.local },
    depth,
    children: new Map(),
    attributes: new Map(),
    seen: 0,
    parents: 0,
    most: 0,
    plain: 0,
    structured: 0,
    examples: new Set(),
  };
}

function remember(element: SaxElement, prefixes: Map<string, string>): void {
  if (!prefixes.has(element.uri)) prefixes.set(element.uri, `ns${prefixes.size + 1}`);
  for (const { uri } of element.attributes)
    if (uri !== '' && uri !== XSI && !uri.startsWith('http://www.w3.org/XML/') && !prefixes.has(uri)) prefixes.set(uri, `ns${prefixes.size + 1}`);
}

function describeTree(top: Node, prefixes: ReadonlyMap<string, string>, notes: string[]): InferredXml {
  const [rootNode] = [...top.children.values()];
  if (!rootNode) return { options: {}, fields: [], records: 0, notes: [...notes, 'there is no element'] };
  // One namespace for names without a prefix, the one of the root; the others get prefixes.
  const main = rootNode.name.uri;
  const hasUnnamed = main !== '' && prefixes.has('');
  if (hasUnnamed) notes.push(`some elements are in no namespace, others in ${main}: the latter have a prefix`);
  const unprefixed = hasUnnamed ? '' : main;
  const used = [...prefixes].filter(([uri]) => uri !== unprefixed && uri !== '');
  const named = ({ uri, local }: SaxName): string => {
    const prefix = used.find(([known]) => known === uri)?.[1];
    return prefix === undefined ? local : `${prefix}:${local}`;
  };
  const attributeName = ({ uri, local }: SaxName): string =>
    `@${uri === XSI ? `xsi:${local}` : uri.startsWith('http://www.w3.org/XML/') ? `xml:${local}` : uri === '' ? local : named({ uri, local })}`;
  const found = repeating([rootNode]);
  const record = found?.at(-1);
  const lists: string[] = [];
  const records: string[] = [];
  const fields: InferredElement[] = [];
  const walk = (at: Node, path: string, inList: boolean): void => {
    const below = (name: string): string => (path === '' ? name : `${path}/${name}`);
    for (const { name, seen, examples } of at.attributes.values())
      fields.push({ path: below(attributeName(name)), list: inList, optional: seen < at.seen, examples: [...examples] });
    for (const child of at.children.values()) {
      const childPath = below(named(child.name));
      const isList = child.most > 1;
      if (isList) lists.push(childPath);
      if (child.plain > 0 && child.structured > 0) records.push(childPath);
      if (child.structured === 0 || child.examples.size > 0) {
        const text = child.structured > 0 ? `${childPath}/#text` : childPath;
        fields.push({ path: text, list: inList || isList, optional: child.parents < at.seen, examples: [...child.examples] });
      }
      walk(child, childPath, inList || isList);
    }
  };
  if (record) walk(record, '', false);
  else walk(top, '', false);
  if (record && record.plain > 0 && record.structured === 0) notes.push(`<${record.name.local}> is only text: the record is a text`);
  const single = fields.filter(({ list }) => !list).length;
  if (single > 0 && lists.length === 0) notes.push('no element was there more than once in a record: those that can be belong into lists');
  const others = found ? siblings(found).filter((other) => other !== record) : [];
  if (others.length > 0) notes.push(`also repeated: ${others.map((other) => named(other.name)).join(', ')}`);
  if (!found) notes.push('no element repeats below the root: the document is one record');
  return {
    options: {
      ...(found ? { each: found.map((at) => named(at.name)).join('/') } : {}),
      ...(lists.length > 0 ? { lists } : {}),
      ...(records.length > 0 ? { records } : {}),
      ...(unprefixed === '' ? {} : { namespace: unprefixed }),
      ...(used.length > 0 ? { namespaces: Object.fromEntries(used.map(([uri, prefix]) => [prefix, uri])) } : {}),
    },
    fields,
    records: record?.seen ?? 1,
    notes,
  };
}

/** Path to the element of the highest level that is there several times and holds others; of those the most frequent. */
function repeating(path: readonly Node[]): readonly Node[] | undefined {
  let level: readonly (readonly Node[])[] = [path];
  while (level.length > 0) {
    const next = level.flatMap((above) => [...(above.at(-1)?.children.values() ?? [])].map((child) => [...above, child]));
    const candidates = next.filter((candidate) => (candidate.at(-1)?.most ?? 0) > 1);
    const structured = candidates.filter((candidate) => (candidate.at(-1)?.structured ?? 0) > 0);
    const [best] = [...(structured.length > 0 ? structured : candidates)].sort((a, b) => (b.at(-1)?.seen ?? 0) - (a.at(-1)?.seen ?? 0));
    if (best) return best;
    level = next;
  }
  return undefined;
}

function siblings(path: readonly Node[]): readonly Node[] {
  return [...(path.at(-2)?.children.values() ?? [])].filter(({ most }) => most > 1);
}
