// Settings of the whole process: bus, store, listener, retention, drain.
import { isAbsolute, join, resolve } from 'node:path';
import { z } from 'zod';
import { duration } from '../adapters/contract/options.js';
import { busOf, busSchema } from './bus-settings.js';
import type { Check } from './check.js';
import type { Settings } from './configuration.js';
import { storeOf, storeSchema } from './store-settings.js';

const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):\d{1,5}$/, 'expected host and port such as 127.0.0.1:8080')
  .refine((text) => Number(/\d+$/.exec(text)?.[0]) <= 65_535, 'expected a port up to 65535')
  .meta({ title: 'Address', examples: ['127.0.0.1:8080'] });

const path = z.string().min(1).max(4096);

export const settingsSchemas = {
  version: z.literal(1).meta({ title: 'Version', description: 'Version of the configuration language.' }),
  installation: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,30}$/, 'expected a short lower-case word')
    .meta({
      title: 'Installation',
      description:
        'Name of this installation, the same on all its nodes. It goes into the ids of messages and deliveries: needed where several installations with equal names of endpoints and routes write into one system. Give it before the first start: a change makes other ids.',
      examples: ['plant-2'],
    }),
  adapters: z.array(z.string().regex(/^(@[a-z0-9._-]+\/)?[a-z0-9._-]+$/, 'expected the name of an npm package')).meta({
    title: 'Adapter packages',
    description: 'npm packages that bring adapters. They are trusted code, installed by you; nothing is searched or downloaded.',
    examples: [['@acme/signalbox-adapter-sap']],
  }),
  bus: busSchema,
  store: storeSchema,
  listen: z
    .union([
      address,
      z.strictObject({
        address,
        tls: z
          .strictObject({ cert: path.meta({ title: 'Certificate', description: 'PEM file with the chain.' }), key: path.meta({ title: 'Private key', description: 'PEM file.' }) })
          .optional()
          .meta({ title: 'TLS' }),
      }),
    ])
    .meta({ title: 'Listener', description: 'HTTP listener for webhooks, health and metrics. Other machines reach it only with TLS.', examples: ['127.0.0.1:8080'] }),
  retention: z
    .strictObject({
      history: duration({ min: '1h' })
        .default(90 * 86_400_000)
        .meta({ title: 'History', description: 'How long the history of messages is kept.' }),
      dedupe: duration({ min: '1h' })
        .default(30 * 86_400_000)
        .meta({ title: 'Dedupe', description: 'How long ids are remembered to recognise repetitions.' }),
      ledger: duration({ min: '1h' })
        .default(90 * 86_400_000)
        .meta({ title: 'Ledger', description: 'How long outcomes of deliveries are kept.' }),
    })
    .meta({ title: 'Retention', description: 'How long records are kept.' }),
  drain: duration({ max: '1h' }).meta({ title: 'Drain', description: 'How long a stop or reload waits for work under way.', examples: ['30s'] }),
  secrets_directory: path.meta({
    title: 'Secrets directory',
    description: '`secrets` in the configuration directory when absent; files have mode 0600.',
    examples: ['/etc/signalbox/secrets'],
  }),
};

export function readSettings(check: Check, directory: string, stateDirectory: string | undefined): Settings {
  const given = <T>(name: keyof typeof settingsSchemas, schema: z.ZodType<T>): T | undefined => (check.tree.node([name]) ? check.parse(schema, [name]) : undefined);
  given('version', settingsSchemas.version);
  const installation = given('installation', settingsSchemas.installation);
  const store = given('store', settingsSchemas.store);
  const own = typeof store === 'object' ? store.directory : undefined;
  const retention = given('retention', settingsSchemas.retention) ?? settingsSchemas.retention.parse({});
  return {
    ...(installation === undefined ? {} : { installation }),
    adapters: given('adapters', settingsSchemas.adapters) ?? [],
    bus: busOf(check, directory, given('bus', settingsSchemas.bus)),
    store: storeOf(directory, store),
    stateDirectory: resolve(directory, stateDirectory ?? own ?? '.signalbox'),
    listen: listenOf(check, directory, given('listen', settingsSchemas.listen)),
    retention: { historyMs: retention.history, dedupeMs: retention.dedupe, ledgerMs: retention.ledger },
    drainMs: given('drain', settingsSchemas.drain) ?? 30_000,
  };
}

function listenOf(check: Check, directory: string, listen: z.infer<typeof settingsSchemas.listen> | undefined): Settings['listen'] {
  if (listen === undefined) return undefined;
  const { address: text, tls } = typeof listen === 'string' ? { address: listen, tls: undefined } : listen;
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon).replace(/^\[|\]$/g, '');
  if (!tls && !isLoopback(host)) {
    const at = typeof listen === 'string' ? ['listen'] : ['listen', 'address'];
    check.report({
      severity: 'error',
      code: 'E122',
      path: at,
      message: `other machines can reach ${text}, and it has no TLS`,
      label: 'open to the network',
      help: 'write 127.0.0.1, or give `tls: {cert, key}`',
    });
  }
  const below = (file: string): string => (isAbsolute(file) ? file : join(directory, file));
  return { host, port: Number(text.slice(colon + 1)), ...(tls ? { tls: { cert: below(tls.cert), key: below(tls.key) } } : {}) };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
