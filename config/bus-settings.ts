// The `bus` setting: embedded, or a RabbitMQ cluster.
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { byteSize } from '../adapters/contract/options.js';
import { Secret } from '../adapters/contract/secret.js';
import type { Check } from './check.js';
import type { Settings } from './configuration.js';

const path = z.string().min(1).max(4096);

const amqpUrl = z
  .union([z.string(), z.instanceof(Secret)])
  .refine((value) => /^amqps?:\/\/[^\s/]+/.test(revealed(value)), 'expected embedded or a URL such as amqp://user:${secret:rabbitmq}@host:5672/vhost')
  .meta({ title: 'Broker URL', examples: ['amqps://signalbox:${secret:rabbitmq}@mq1.corp.local:5671/'] });
const managementUrl = z
  .union([z.string(), z.instanceof(Secret)])
  .refine((value) => URL.canParse(revealed(value)) && /^https?:\/\//.test(revealed(value)), 'expected a URL such as https://monitor:${secret:management}@host:15671')
  .meta({
    title: 'Management API',
    description: 'For `signalbox doctor` alone: policies, members of the queues, state of the nodes. Its user needs the tag `monitoring`; without a user that of the bus is taken.',
    examples: ['https://monitor:${secret:management}@mq1.corp.local:15671'],
  });
const urls = z.array(amqpUrl).min(1).max(20).meta({ title: 'Broker URLs', description: 'Nodes of one RabbitMQ cluster.' });

const tls = z
  .strictObject({
    ca: path.optional().meta({ title: 'CA file', description: 'PEM file of the authority that signed the certificates of the nodes. Without it: the authorities of Node.' }),
    cert: path.optional().meta({
      title: 'Certificate',
      description: 'PEM file with our own certificate, for a broker that asks for one. With a URL without user it is the login (EXTERNAL).',
    }),
    key: path.optional().meta({ title: 'Private key', description: 'PEM file of the key of `cert`.' }),
    servername: z.string().min(1).optional().meta({ title: 'Server name', description: 'Name in the certificates when it is not the host of the URL.' }),
  })
  .refine(({ cert, key }) => (cert === undefined) === (key === undefined), 'expected `cert` and `key` together')
  .meta({
    title: 'TLS',
    description: 'For `amqps://` URLs. Certificate and host name of the nodes are always verified.',
    examples: [{ ca: 'tls/mq-ca.pem' }, { ca: 'tls/mq-ca.pem', cert: 'tls/signalbox.pem', key: 'tls/signalbox.key' }],
  });

export const busSchema = z
  .union([
    z.literal('embedded'),
    z.strictObject({
      embedded: z.strictObject({
        min_free: byteSize()
          .optional()
          .meta({
            title: 'Least free space',
            description: 'Below this much free space on the volume of the state directory nothing new is accepted. When absent: 1 GiB, on a small volume a twentieth of it.',
            examples: ['2GiB'],
          }),
      }),
    }),
    amqpUrl,
    urls,
    z.strictObject({
      urls,
      prefix: z
        .string()
        .regex(/^[a-z][a-z0-9-]{0,30}$/, 'expected a short lower-case word')
        .default('signalbox')
        .meta({ title: 'Prefix', description: 'First part of the names of all queues, so that several installations can share a broker.' }),
      tls: tls.optional(),
      management: managementUrl.optional(),
    }),
  ])
  .meta({
    title: 'Bus',
    description: '`embedded` (one machine, nothing to install) or the URLs of a RabbitMQ cluster.',
    examples: ['embedded', 'amqp://signalbox:${secret:rabbitmq}@localhost'],
  });

export function busOf(check: Check, directory: string, bus: z.infer<typeof busSchema> | undefined): Settings['bus'] {
  if (bus === undefined || bus === 'embedded') return { kind: 'embedded' };
  if (typeof bus === 'object' && 'embedded' in bus) return { kind: 'embedded', ...(bus.embedded.min_free === undefined ? {} : { minFree: bus.embedded.min_free }) };
  const isLong = typeof bus === 'object' && 'urls' in bus;
  const list = isLong ? bus.urls : Array.isArray(bus) ? bus : [bus];
  const management = isLong ? bus.management : undefined;
  const places = list.map((url, index) => ({ url, at: isLong ? ['bus', 'urls', index] : Array.isArray(bus) ? ['bus', index] : ['bus'] }));
  for (const { url, at } of management === undefined ? places : [...places, { url: management, at: ['bus', 'management'] }]) {
    if (url instanceof Secret || !/^[a-z]+:\/\/[^/@]*:[^/@]+@/.test(url)) continue;
    check.report({
      severity: 'error',
      code: 'E113',
      path: at,
      message: 'the URL holds a password in plain text',
      label: 'never the value itself',
      help: `write ${url.slice(0, url.indexOf(':'))}://user:\${secret:rabbitmq}@host`,
    });
  }
  const files = isLong ? bus.tls : undefined;
  if (files && list.some((url) => revealed(url).startsWith('amqp:'))) {
    check.report({
      severity: 'error',
      code: 'E118',
      path: ['bus', 'tls'],
      message: '`tls` is given, and a URL of `bus.urls` is without TLS',
      label: 'would have no effect there',
      help: 'write amqps:// in all URLs',
    });
  }
  const below = (file: string): string => (isAbsolute(file) ? file : join(directory, file));
  return {
    kind: 'rabbitmq',
    urls: list.map(revealed),
    prefix: isLong ? bus.prefix : 'signalbox',
    ...(management === undefined ? {} : { management: revealed(management) }),
    ...(files === undefined
      ? {}
      : {
          tls: {
            ...(files.ca === undefined ? {} : { caFile: below(files.ca) }),
            ...(files.cert === undefined ? {} : { certFile: below(files.cert) }),
            ...(files.key === undefined ? {} : { keyFile: below(files.key) }),
            ...(files.servername === undefined ? {} : { servername: files.servername }),
          },
        }),
  };
}

function revealed(value: string | Secret): string {
  return value instanceof Secret ? value.reveal() : value;
}
