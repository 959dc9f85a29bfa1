import {
  type Adapter,
  CLOCK,
  type Clock,
  type ConnectedSystem,
  describe,
  failureOf,
  HTTP_HOST,
  type HttpHost,
  inject,
  injectable,
  LOGGER,
  type Logger,
  type ProbeStep,
} from '../contract/index.js';
import { failureFor } from './answers.js';
import { RestCallable } from './callable.js';
import { RestClient } from './client.js';
import type { Call, Connect, Read, Write } from './config.js';
import { RestInbound } from './inbound.js';
import { RestOutbound } from './outbound.js';

@injectable()
export class RestAdapter implements Adapter {
  constructor(
    @inject(LOGGER) private readonly log: Logger,
    @inject(CLOCK) private readonly clock: Clock,
    @inject(HTTP_HOST) private readonly host: HttpHost,
  ) {}

  system(name: string, connect: unknown): ConnectedSystem {
    const options = connect as Connect;
    const { clock, host } = this;
    const log = this.log.with({ system: name });
    return {
      inbound: ({ config }) => new RestInbound(config as Read, host, clock, log),
      outbound: ({ config }) => new RestOutbound(new RestClient(options), config as Write, clock),
      callable: ({ config }) => new RestCallable(new RestClient(options), config as Call, clock),
      probe: (signal) => probe(options, clock, signal),
      close: async () => undefined, // each endpoint has its own connections
    };
  }
}

async function probe(options: Connect, clock: Clock, signal: AbortSignal): Promise<readonly ProbeStep[]> {
  if (options.base === undefined) return [{ name: 'webhooks', ok: true, detail: 'nothing to connect to: the system sends to us' }];
  const steps: ProbeStep[] = [];
  const step = async (name: string, work: () => Promise<string>): Promise<boolean> => {
    try {
      steps.push({ name, ok: true, detail: await work() });
      return true;
    } catch (error) {
      const fix = failureOf(error)?.hint;
      steps.push({ name, ok: false, detail: describe(error), ...(fix === undefined ? {} : { fix }) });
      return false;
    }
  };
  let client: RestClient | undefined;
  const started = performance.now();
  const connected = await step('configuration', async () => {
    client = new RestClient(options);
    return client.origin.host;
  });
  const at = client;
  if (!connected || !at) return steps;
  try {
    if (!(await step('dns', () => at.resolve()))) return steps;
    if (!(await step('tcp', async () => at.reach(signal).then(() => `${Math.round(performance.now() - started)} ms`)))) return steps;
    const path = options.probe_path;
    // Without a path any answer proves TLS, and none proves the credentials.
    await step(path === undefined ? (at.origin.protocol === 'https:' ? 'tls' : 'http') : `GET ${path}`, async () => {
      await at.open(signal);
      const answer = await at.request({ method: path === undefined ? 'HEAD' : 'GET', path: path ?? '/' }, signal);
      if (path !== undefined && (answer.status < 200 || answer.status > 299)) throw failureFor(answer, at, clock);
      return `${answer.status}`;
    });
    return steps;
  } finally {
    await at.close();
  }
}
