import { type IncomingMessage, request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { z } from 'zod';
import { NotConnected } from '../errors.js';
import { type TlsFiles, tlsOptions } from './tls.js';

const ANSWER_MS = 10_000;
/** Thousands of queues. */
const MOST_BYTES = 64 * 1024 * 1024;
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

/** The management API, read only. Its certificate is verified as those of the nodes. */
export class Management {
  readonly #base: URL;
  readonly #auth: string;
  readonly #tls: TlsFiles | undefined;
  readonly #signal: AbortSignal;

  /** @param url with user and password */
  constructor(url: string, tls: TlsFiles | undefined, signal: AbortSignal) {
    this.#base = new URL(url);
    this.#auth = `${decodeURIComponent(this.#base.username)}:${decodeURIComponent(this.#base.password)}`;
    this.#base.username = '';
    this.#base.password = '';
    if (!this.#base.pathname.endsWith('/')) this.#base.pathname += '/';
    this.#tls = tls;
    this.#signal = signal;
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
    const what = `the management API at ${this.#base.host}`;
    let answer: { readonly status: number; readonly text: string };
    try {
      answer = await this.#ask(new URL(path, this.#base));
      if (answer.status === 200) return JSON.parse(answer.text);
    } catch (error) {
      throw new NotConnected('E524', `${what} cannot be read`, { cause: error });
    }
    const told = `${what} answers ${answer.status} to /${path.split('?')[0]}`;
    throw answer.status === 401 || answer.status === 403 ? new Refused(told) : new NotConnected('E524', told);
  }

  #ask(url: URL): Promise<{ readonly status: number; readonly text: string }> {
    const options = { auth: this.#auth, agent: false as const, signal: AbortSignal.any([this.#signal, AbortSignal.timeout(ANSWER_MS)]) };
    return new Promise((resolve, reject) => {
      const take = (response: IncomingMessage): void => void read(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
      const files = this.#tls?.caFile === undefined ? {} : { caFile: this.#tls.caFile };
      const outgoing = url.protocol === 'https:' ? tlsRequest(url, { ...options, ...tlsOptions(files) }, take) : plainRequest(url, options, take);
      outgoing.once('error', reject).end();
    });
  }
}

async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Error(`the answer has more than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
