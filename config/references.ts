// `${NAME}` and `${secret:name}` in scalar values, resolved when the configuration is loaded and nowhere else.
import { createHash } from 'node:crypto';
import { Secret } from '../adapters/contract/secret.js';
import { type Finding, nearest } from '../bus/finding.js';
import { newRecord } from '../bus/value.js';
import type { MergedTree } from './merge.js';
import { readSecret, SECRET_NAME, type SecretPlaces } from './secrets.js';
import type { Node, Path, ScalarNode } from './tree.js';

export interface Resolver {
  /** Plain data for a schema: environment values filled in, secrets as `Secret`. Undefined when nothing stands there. */
  value(path: Path): unknown;
  /** The value is not what was written: part of it came from the environment. */
  isSubstituted(path: Path): boolean;
  /** The reference at this place was wrong and is reported; problems of the value are not worth a word. */
  isPoisoned(path: Path): boolean;
  readonly secrets: ReadonlyMap<string, Secret>;
}

export interface ReferenceOptions extends SecretPlaces {
  /** A missing secret is no error (`check` on a machine without them); a placeholder stands for it. */
  readonly allowMissingSecrets: boolean;
  readonly report: (finding: Finding) => void;
}

const REFERENCE = /\$\$\{|\$\{([^}\n]*)\}?/g;
/** Where a secret can stand at all; the schemas say where exactly. */
const SECRET_SECTIONS: ReadonlySet<string | number> = new Set(['systems', 'bus', 'store']);

export async function resolveReferences(tree: MergedTree, sections: readonly string[], options: ReferenceOptions): Promise<Resolver> {
  const found = sections.flatMap((section) => {
    const node = tree.node([section]);
    return node ? [...scalars(node, [section])] : [];
  });
  const secrets = new Map<string, Secret>();
  const first = new Map<string, Finding['path']>();
  for (const [path, node] of found) {
    for (const [, body = ''] of text(node).matchAll(REFERENCE)) {
      const name = secretName(body);
      if (name !== undefined && !first.has(name) && SECRET_SECTIONS.has(path[0] ?? '')) first.set(name, path);
    }
  }
  for (const [name, path] of first) {
    const result = await readSecret(name, options);
    const placed = 'secret' in result ? result.warning : result.problem;
    const allowed = 'problem' in result && result.problem.code === 'E115' && options.allowMissingSecrets;
    if (placed && !allowed) options.report({ severity: 'secret' in result ? 'warning' : 'error', path, ...placed });
    secrets.set(name, 'secret' in result ? result.secret : placeholder(name));
  }
  return new References(tree, found, secrets, options);
}

/** Stands for a secret that is not on this machine. It passes what adapters demand of real ones: long enough, and in the form of a signing secret. */
function placeholder(name: string): Secret {
  return new Secret(name, `whsec_${createHash('sha256').update(`missing ${name}`).digest('base64')}`);
}

class References implements Resolver {
  readonly #values = new Map<Node, unknown>();
  readonly #substituted = new Set<Node>();
  readonly #poisoned = new Set<Node>();

  constructor(
    private readonly tree: MergedTree,
    found: readonly (readonly [Path, ScalarNode])[],
    readonly secrets: ReadonlyMap<string, Secret>,
    private readonly options: ReferenceOptions,
  ) {
    for (const [path, node] of found) {
      if (text(node).includes('${')) this.#values.set(node, this.#resolve(path, node));
    }
  }

  value(path: Path): unknown {
    const node = this.tree.node(path);
    return node ? this.#plain(node) : undefined;
  }

  isSubstituted(path: Path): boolean {
    const node = this.tree.node(path);
    return node !== undefined && this.#substituted.has(node);
  }

  isPoisoned(path: Path): boolean {
    const node = this.tree.node(path);
    return node !== undefined && this.#poisoned.has(node);
  }

  #plain(node: Node): unknown {
    if (node.kind === 'list') return node.items.map((item) => this.#plain(item));
    if (node.kind === 'map') {
      const record: Record<string, unknown> = newRecord();
      for (const [name, entry] of node.entries) record[name] = this.#plain(entry.value);
      return record;
    }
    return this.#values.has(node) ? this.#values.get(node) : node.value;
  }

  #resolve(path: Path, node: ScalarNode): unknown {
    const source = text(node);
    const isUrl = /^[a-z][a-z0-9+.-]*:\/\//i.test(source);
    let secret: Secret | undefined;
    const fail = (match: RegExpExecArray, problem: Pick<Finding, 'code' | 'message' | 'help'>): string => {
      this.#poisoned.add(node);
      this.options.report({ severity: 'error', path, range: { start: match.index, end: match.index + match[0].length }, ...problem });
      return match[0];
    };
    let result = '';
    let end = 0;
    for (const match of source.matchAll(REFERENCE)) {
      result += source.slice(end, match.index);
      end = match.index + match[0].length;
      const [whole, body = ''] = match;
      const name = secretName(body);
      const value = this.options.env[body];
      if (whole === '$${') result += '${';
      else if (!whole.endsWith('}') || (name === undefined && !/^[A-Za-z_][A-Za-z0-9_]*$/.test(body))) {
        const help = 'write ${NAME} for the environment, ${secret:name} for a secret, $${ for a plain ${';
        result += fail(match, { code: 'E112', message: `\`${whole}\` is no reference`, help });
      } else if (name !== undefined && !SECRET_SECTIONS.has(path[0] ?? '')) {
        result += fail(match, {
          code: 'E114',
          message: `the secret \`${name}\` cannot stand here`,
          help: 'refer to secrets only in options made for them, such as `password` of `connect`',
        });
      } else if (name !== undefined) {
        secret = this.secrets.get(name) ?? new Secret(name, '');
        // A password may hold `@` or `/`, which would change what the URL means.
        result += isUrl ? encodeURIComponent(secret.reveal()) : secret.reveal();
      } else if (value === undefined) {
        const near = nearest(body, Object.keys(this.options.env));
        const help = `set it for the service${near === undefined ? '' : `, or did you mean \`${near}\`?`}`;
        result += fail(match, { code: 'E111', message: `the environment variable \`${body}\` is not set`, help });
      } else result += value;
    }
    result += source.slice(end);
    if (result !== source) this.#substituted.add(node);
    if (secret) return source === `\${secret:${secret.name}}` ? secret : new Secret(secret.name, result);
    return node.plain ? typed(result) : result;
  }
}

/** An unquoted `${PORT}` is read as if its value stood there. */
function typed(value: string): string | number | boolean {
  if (/^-?(0|[1-9]\d{0,14})$/.test(value)) return Number(value);
  return value === 'true' || value === 'false' ? value === 'true' : value;
}

function* scalars(node: Node, path: Path): Generator<readonly [Path, ScalarNode]> {
  if (node.kind === 'scalar') yield [path, node];
  else if (node.kind === 'list') for (const [index, item] of node.items.entries()) yield* scalars(item, [...path, index]);
  else for (const [name, entry] of node.entries) yield* scalars(entry.value, [...path, name]);
}

function text(node: ScalarNode): string {
  return typeof node.value === 'string' ? node.value : '';
}

function secretName(body: string): string | undefined {
  const name = body.startsWith('secret:') ? body.slice('secret:'.length) : '';
  return SECRET_NAME.test(name) ? name : undefined;
}
