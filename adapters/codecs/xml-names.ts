// Names of elements and attributes as the configuration writes them: `local`, `prefix:local` or `{namespace}local`.

import type { SaxName } from './sax.js';

const XML = 'http://www.w3.org/XML/1998/namespace';
export const XSI = 'http://www.w3.org/2001/XMLSchema-instance';
/** Most different names that are compared over a document. */
const MOST_NAMES = 10_000;

export interface NameOptions {
  readonly namespaces: Readonly<Record<string, string>>;
  readonly namespace?: string | undefined;
}

/** Splits at the `/` outside of braces. */
export function splitPath(path: string): readonly string[] {
  return path.match(/(?:\{[^}]*\}|[^/{}])+/g) ?? [];
}

export function prefixes({ namespaces }: NameOptions): ReadonlyMap<string, string> {
  return new Map([[XML, 'xml'], [XSI, 'xsi'], ...Object.entries(namespaces).map(([prefix, uri]): [string, string] => [uri, prefix])]);
}

/** Names of one document. Throws text: what is wrong with a name. */
export class Names {
  private readonly prefixes: ReadonlyMap<string, string>;
  private readonly seen = new Map<string, string>();

  constructor(private readonly options: NameOptions) {
    this.prefixes = prefixes(options);
  }

  /** Whether an element is the one that the configuration names. */
  is(name: SaxName, wanted: string): boolean {
    if (wanted.startsWith('{')) return wanted === `{${name.uri}}${name.local}`;
    const prefix = this.prefixes.get(name.uri);
    if (wanted.includes(':')) return prefix !== undefined && wanted === `${prefix}:${name.local}`;
    return name.local === wanted && (this.options.namespace === undefined ? prefix === undefined : name.uri === this.options.namespace);
  }

  element(name: SaxName): { readonly name: string; readonly problem?: string } {
    const prefix = this.prefixes.get(name.uri);
    if (prefix !== undefined) return { name: `${prefix}:${name.local}` };
    const { namespace } = this.options;
    if (namespace === undefined) return this.unique(name, name.local);
    if (name.uri === namespace) return { name: name.local };
    return { name: name.local, problem: `<${name.local}> is in ${name.uri === '' ? 'no namespace' : `the namespace ${name.uri}`}, which is not listed under namespaces` };
  }

  attribute(name: SaxName): { readonly name: string; readonly problem?: string } {
    const prefix = this.prefixes.get(name.uri);
    return prefix === undefined ? this.unique(name, `@${name.local}`) : { name: `@${prefix}:${name.local}` };
  }

  private unique(name: SaxName, key: string): { readonly name: string; readonly problem?: string } {
    const before = this.seen.get(key);
    if (before === undefined && this.seen.size < MOST_NAMES) this.seen.set(key, name.uri);
    if (before === undefined || before === name.uri) return { name: key };
    const text = (uri: string): string => (uri === '' ? 'no namespace' : uri);
    return { name: key, problem: `"${key}" is there in two namespaces, ${text(before)} and ${text(name.uri)}: give them prefixes under namespaces` };
  }
}
