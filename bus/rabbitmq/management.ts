import { z } from 'zod';
import { NotConnected } from '../errors.js';

const ANSWER_MS = 10_000;
/** Erlang writes an empty object as an empty list. */
const definition = z.union([z.record(z.string(), z.unknown()), z.array(z.never()).transform((): Record<string, unknown> => ({}))]).catch({});

const queues = z.array(
  z.object({
    name: z.string(),
    type: z.string().optional(),
    arguments: definition.default({}),
    policy: z.string().nullish(),
    operator_policy: z.string().nullish(),
    effective_policy_definition: definition.default({}),
    members: z.array(z.string()).optional(),
    online: z.array(z.string()).optional(),
    messages: z.number().optional(),
    consumers: z.number().optional(),
  }),
);
const nodes = z.array(
  z.object({
    name: z.string(),
    running: z.boolean().optional(),
    mem_alarm: z.boolean().optional(),
    disk_free_alarm: z.boolean().optional(),
    disk_free: z.number().optional().catch(undefined),
    disk_free_limit: z.number().optional().catch(undefined),
    partitions: z.array(z.string()).optional(),
  }),
);
const flags = z.array(z.object({ name: z.string(), state: z.string() }));

export type ManagedQueue = z.infer<typeof queues>[number];
export type ManagedNode = z.infer<typeof nodes>[number];

/** The user is known, but has none of the tags `monitoring` and `administrator`, or not the right one. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

/** The management API, read only. Verified TLS with the authorities of Node, as everywhere. */
export class Management {
  readonly #base: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #signal: AbortSignal;

  /** @param url with user and password */
  constructor(url: string, signal: AbortSignal) {
    this.#base = new URL(url);
    const login = `${decodeURIComponent(this.#base.username)}:${decodeURIComponent(this.#base.password)}`;
    this.#headers = { authorization: `Basic ${Buffer.from(login).toString('base64')}`, accept: 'application/json' };
    this.#base.username = '';
    this.#base.password = '';
    this.#signal = signal;
  }

  get place(): string {
    return this.#base.host;
  }

  async queues(vhost: string): Promise<readonly ManagedQueue[]> {
    const columns = Object.keys(queues.element.shape).join(',');
    return queues.parse(await this.#get(`api/queues/${encodeURIComponent(vhost)}?columns=${columns}`));
  }

  async nodes(): Promise<readonly ManagedNode[]> {
    return nodes.parse(await this.#get('api/nodes'));
  }

  async featureFlags(): Promise<ReadonlyMap<string, string>> {
    return new Map(flags.parse(await this.#get('api/feature-flags')).map(({ name, state }) => [name, state]));
  }

  /** @throws NotConnected, Refused */
  async #get(path: string): Promise<unknown> {
    const base = this.#base.href.endsWith('/') ? this.#base : new URL(`${this.#base.href}/`);
    let response: Response;
    try {
      const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(ANSWER_MS)]);
      response = await fetch(new URL(path, base), { headers: this.#headers, redirect: 'error', signal });
      if (response.status === 200) return await response.json();
    } catch (error) {
      throw new NotConnected('E524', `the management API at ${this.place} cannot be read`, { cause: error });
    }
    if (response.status === 401 || response.status === 403) throw new Refused(`${this.place} answers ${response.status} to /${path.split('?')[0]}`);
    throw new NotConnected('E524', `the management API at ${this.place} answers ${response.status} to /${path.split('?')[0]}`);
  }
}
