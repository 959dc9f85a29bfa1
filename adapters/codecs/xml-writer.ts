// XML from payloads. Names and characters are checked, everything else is escaped: a value never becomes structure.

import { InvalidMessage, isRecord, type Value, type ValueRecord } from '../contract/index.js';
import { plainText } from './csv.js';
import { encodeText, isWide } from './encodings.js';
import type { XmlOptions } from './xml.js';
import { prefixes, splitPath, XSI } from './xml-names.js';

const NAME = /^(?:([\p{L}_][\p{L}\p{N}_.-]*):)?[\p{L}_][\p{L}\p{N}_.-]*$/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that XML 1.0 has not
const NO_CHARACTER = /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/;
const DEPTH = 128;

export function writeDocument(payloads: readonly ValueRecord[], options: XmlOptions): Uint8Array {
  const path = options.each === undefined ? [] : splitPath(options.each);
  if (path.length < 2 && payloads.length !== 1)
    throw new InvalidMessage('E348', `an XML document has one root: write ${payloads.length} payloads with a path such as each: Orders/Order`);
  const encoding = options.encoding ?? 'utf-8';
  const writer = new Writer(options);
  const above = path.slice(0, -1).map((name) => writer.nameOf(name));
  const elements = payloads.map((payload) => writer.payload(payload, path.at(-1), above.length === 0));
  const open = above.map((name, index) => `<${name}${index === 0 ? writer.rootAttributes() : ''}>`).join('');
  const close = above
    .map((name) => `</${name}>`)
    .reverse()
    .join('');
  const body = above.length === 0 ? `${elements.join('')}\n` : `${open}\n${elements.map((element) => `${element}\n`).join('')}${close}\n`;
  const declaration = options.declaration ? `<?xml version="1.0" encoding="${isWide(encoding) ? 'UTF-16' : encoding.toUpperCase()}"?>\n` : '';
  return encoded(`${isWide(encoding) ? '\ufeff' : ''}${declaration}${body}`, encoding);
}

/** One payload as an element, without declaration and namespaces. */
export function writeElement(payload: ValueRecord, options: XmlOptions): string {
  return new Writer(options).payload(payload, options.each === undefined ? undefined : splitPath(options.each).at(-1), false);
}

class Writer {
  private readonly prefixes: ReadonlyMap<string, string>;
  private readonly known: ReadonlySet<string>;

  constructor(private readonly options: XmlOptions) {
    this.prefixes = prefixes(options);
    this.known = new Set(this.prefixes.values());
  }

  payload(payload: ValueRecord, name: string | undefined, isRoot: boolean): string {
    if (name !== undefined) return this.element(this.nameOf(name), payload, isRoot, name, 1);
    const names = Object.keys(payload);
    const [root] = names;
    if (root === undefined || names.length !== 1) throw new InvalidMessage('E348', `a document has one root; without each the payload has one field, not ${names.length}`);
    return this.element(root, payload[root] ?? '', isRoot, root, 1);
  }

  /** A name of the configuration, `{namespace}local` with its prefix. */
  nameOf(name: string): string {
    const match = /^\{(.+)\}(.+)$/.exec(name);
    const [, uri = '', local = ''] = match ?? [];
    if (!match) return this.checked(name, name);
    if (uri === this.options.namespace) return local;
    const prefix = this.prefixes.get(uri);
    if (prefix === undefined) throw new InvalidMessage('E348', `the namespace ${uri} has no prefix under namespaces`);
    return `${prefix}:${local}`;
  }

  rootAttributes(): string {
    const { namespace, namespaces, nulls, attributes } = this.options;
    const declared: Record<string, string> = { ...(namespace === undefined ? {} : { xmlns: namespace }) };
    for (const [prefix, uri] of Object.entries(namespaces)) declared[`xmlns:${prefix}`] = uri;
    const usesXsi = nulls === 'nil' || Object.keys(attributes).some((name) => name.startsWith('xsi:'));
    if (usesXsi && this.prefixes.get(XSI) === 'xsi' && !('xsi' in namespaces)) declared['xmlns:xsi'] = XSI;
    const own = Object.entries(attributes).map(([name, value]): [string, string] => [this.checked(name, 'attributes'), value]);
    return [...Object.entries(declared), ...own].map(([name, value]) => ` ${name}="${attributeText(value, name)}"`).join('');
  }

  private element(name: string, value: Value, isRoot: boolean, path: string, depth: number): string {
    this.checked(name, path);
    if (depth > DEPTH) throw new InvalidMessage('E348', `${path}: elements are nested deeper than ${DEPTH}`);
    const head = isRoot ? this.rootAttributes() : '';
    if (value === null) return this.options.nulls === 'omit' && depth > 1 ? '' : this.options.nulls === 'nil' ? `<${name}${head} xsi:nil="true"/>` : `<${name}${head}/>`;
    if (Array.isArray(value)) throw new InvalidMessage('E348', `${path}: a list in a list has no form in XML`);
    if (!isRecord(value)) return tag(name, head, text(plainText(value, path), path));
    let attributes = head;
    let content = '';
    let hasElements = false;
    let hasText = false;
    for (const [field, item] of Object.entries(value)) {
      const at = `${path}/${field}`;
      if (field.startsWith('@')) {
        if (item !== null) attributes += ` ${this.checked(field.slice(1), at)}="${attributeText(plainText(item, at), at)}"`;
      } else if (field === '#text') {
        content += text(plainText(item, at), at);
        hasText = item !== null && item !== '';
      } else {
        hasElements = true;
        for (const single of Array.isArray(item) ? item : [item]) content += this.element(field, single, false, at, depth + 1);
      }
    }
    if (hasText && hasElements) throw new InvalidMessage('E348', `${path}: text beside elements has no form here`);
    return tag(name, attributes, content);
  }

  private checked(name: string, path: string): string {
    const match = NAME.exec(name);
    if (!match) throw new InvalidMessage('E348', `${path}: ${JSON.stringify(name).slice(0, 80)} is no XML name`);
    const prefix = match[1];
    if (name.toLowerCase().startsWith('xmlns') || (prefix !== undefined && !this.known.has(prefix)))
      throw new InvalidMessage('E348', `${path}: the prefix of ${name} is not listed under namespaces`);
    return name;
  }
}

function tag(name: string, attributes: string, content: string): string {
  return content === '' ? `<${name}${attributes}/>` : `<${name}${attributes}>${content}</${name}>`;
}

function text(value: string, path: string): string {
  return legal(value, path).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('\r', '&#13;');
}

function attributeText(value: string, path: string): string {
  return text(value, path).replaceAll('"', '&quot;').replaceAll('\t', '&#9;').replaceAll('\n', '&#10;');
}

function legal(value: string, path: string): string {
  const match = NO_CHARACTER.exec(value);
  if (match) throw new InvalidMessage('E348', `${path}: U+${match[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')} cannot be written in XML`);
  if (!value.isWellFormed()) throw new InvalidMessage('E342', `${path}: half a surrogate pair is no character`);
  return value;
}

/** Characters that the encoding has not are written as references, which XML has for that. */
function encoded(document: string, encoding: string): Uint8Array {
  try {
    return encodeText(document, encoding, 'xml');
  } catch {
    const parts = [...document].map((character) => {
      if (character <= '\x7f') return character;
      try {
        encodeText(character, encoding, 'xml');
        return character;
      } catch {
        return `&#${character.codePointAt(0) ?? 0};`;
      }
    });
    return encodeText(parts.join(''), encoding, 'xml');
  }
}
