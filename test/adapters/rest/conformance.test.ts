import { parseJson, Secret, writeJson } from '../../../adapters/contract/index.js';
import rest from '../../../adapters/rest/index.js';
import { createHttpHost } from '../../../bus/runtime/http.js';
import { adapterConformance, payloadOf, sampleOf } from '../../kit/adapter/index.js';
import { recordingLog } from '../../kit/fakes.js';
import { freePort, Partner } from './partner.js';

const partner = new Partner('partner-token-1234567890');
const host = createHttpHost({ host: '127.0.0.1', port: 0, log: recordingLog() });
const hook = 'hook-token-0123456789abcdef';
let hooks = '';
let nobody = 0;

const connect = (token: string) => ({ base: partner.base, bearer: new Secret('crm', token), probe_path: '/health', timeout: '5s' });

adapterConformance('rest', {
  spec: rest,
  async start() {
    await partner.start();
    hooks = `http://127.0.0.1:${(await host.start()).port}/hooks/orders`;
    nobody = await freePort();
  },
  async stop() {
    await partner.stop();
    await host.stop(1_000);
  },
  clean: async () => partner.clear(),
  http: () => host,
  connect: () => connect('partner-token-1234567890'),
  badCredentials: () => connect('wrong-token-1234567890'),
  unreachable: () => ({ ...connect('partner-token-1234567890'), base: `http://127.0.0.1:${nobody}` }),
  breakLink: () => partner.stop(),
  healLink: () => partner.start(),
  inbound: {
    config: () => ({ path: '/hooks/orders', auth: { bearer: new Secret('hook', hook) } }),
    async seed(samples) {
      for (const sample of samples) {
        const response = await fetch(hooks, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${hook}`, 'idempotency-key': `order-${sample.number}` },
          body: writeJson(payloadOf(sample)),
        });
        if (!response.ok) throw new Error(`refused with ${response.status}`);
      }
    },
    read: (record) => sampleOf(record.value),
  },
  outbound: {
    config: () => ({ path: '/shipments/{key}', method: 'PUT', verify: { path: '/shipments/{key}' } }),
    async loseAnswer() {
      partner.losesNext = true;
    },
    collect: async () => partner.effects.map((body) => sampleOf(parseJson(body))),
  },
  callable: {
    config: () => ({ path: '/items/{number}' }),
    seed: async (sample) => void partner.items.set(`/api/items/${sample.number}?lang=de`, writeJson(payloadOf(sample))),
    parameters: (sample) => ({ number: BigInt(sample.number), lang: 'de' }),
    read: sampleOf,
  },
});
