import { type Callable, type Clock, Decimal, InvalidMessage, type Value, type ValueRecord } from '../contract/index.js';
import { failureFor, jsonOf } from './answers.js';
import type { RestClient } from './client.js';
import type { Call } from './config.js';
import { plainPath, segment } from './path.js';

/** Asks with GET. A place in the path takes the parameter of its name, the others become the query. */
export class RestCallable implements Callable {
  constructor(
    private readonly client: RestClient,
    private readonly config: Call,
    private readonly clock: Clock,
  ) {}

  async open(signal: AbortSignal): Promise<void> {
    await this.client.open(signal);
  }

  async call(parameters: ValueRecord, signal: AbortSignal): Promise<Value> {
    const answer = await this.client.request({ method: 'GET', path: address(this.config.path, parameters) }, signal);
    if (answer.status === 404) return null;
    if (answer.status < 200 || answer.status > 299) throw failureFor(answer, this.client, this.clock);
    return jsonOf(answer, this.client) ?? null;
  }

  async close(): Promise<void> {
    await this.client.close();
  }
}

function address(template: string, parameters: ValueRecord): string {
  const query = new Map(Object.entries(parameters));
  const path = template.replace(/\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
    const text = textOf(name, parameters[name]);
    if (text === undefined || text === '') throw new InvalidMessage('E320', `{${name}} in ${template} has no value`);
    query.delete(name);
    return segment(text);
  });
  const pairs = [...query].flatMap(([name, value]) => {
    const text = textOf(name, value);
    return text === undefined ? [] : [`${segment(name)}=${segment(text)}`];
  });
  return plainPath(pairs.length === 0 ? path : `${path}${path.includes('?') ? '&' : '?'}${pairs.join('&')}`);
}

function textOf(name: string, value: Value | undefined): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean' || value instanceof Decimal) return String(value);
  throw new InvalidMessage('E362', `the parameter ${name} is no text and no number`);
}
