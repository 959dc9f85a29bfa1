import { type Accept, Secret, type SourceRecord } from '../../../adapters/contract/index.js';
import { readSchema } from '../../../adapters/rest/config.js';
import { RestInbound } from '../../../adapters/rest/inbound.js';
import { createHttpHost } from '../../../bus/runtime/http.js';
import { heldClock, type RecordingLog, recordingLog } from '../../kit/fakes.js';

export const TOKEN = 'hook-token-0123456789abcdef';
/** The time every webhook of the tests has. */
export const NOW = '2026-03-01T08:00:00.000Z';

export interface Hook {
  readonly url: string;
  readonly port: number;
  readonly records: SourceRecord[];
  readonly log: RecordingLog;
  /** What happens to the next inputs; taken when absent. */
  accept: Accept;
  post(body: string | Uint8Array<ArrayBuffer>, headers?: Readonly<Record<string, string>>): Promise<{ readonly status: number; readonly text: string; readonly headers: Headers }>;
  close(): Promise<void>;
}

/** A real listener with one webhook; by default with a bearer token, which `post` sends along. */
export async function openHook(config: Readonly<Record<string, unknown>> = {}): Promise<Hook> {
  const log = recordingLog();
  const host = createHttpHost({ host: '127.0.0.1', port: 0, log });
  const { port } = await host.start();
  const inbound = new RestInbound(readSchema.parse({ path: '/hooks/orders', auth: { bearer: new Secret('hook', TOKEN) }, ...config }), host, heldClock(NOW), log);
  const url = `http://127.0.0.1:${port}/hooks/orders`;
  const hook: Hook = {
    url,
    port,
    log,
    records: [],
    accept: async () => ({ result: 'accepted', messageId: 'M1' }),
    async post(body, headers = {}) {
      const auth = config['auth'] === undefined ? { authorization: `Bearer ${TOKEN}` } : {};
      const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...auth, ...headers } });
      return { status: response.status, text: await response.text(), headers: response.headers };
    },
    async close() {
      await inbound.close();
      await host.stop(0);
    },
  };
  await inbound.open((record, signal) => {
    hook.records.push(record);
    return hook.accept(record, signal);
  }, new AbortController().signal);
  return hook;
}
