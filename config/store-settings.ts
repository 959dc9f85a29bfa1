// The `store` setting: where checkpoints, history and dead letters are kept.
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { secret } from '../adapters/contract/options.js';
import type { Settings } from './configuration.js';

const path = z.string().min(1).max(4096);
const host = z.string().regex(/^[A-Za-z0-9._:/-]{1,255}$/, 'expected a host name or address');

const tls = z
  .union([
    z.literal('off'),
    z.strictObject({
      ca: path.optional().meta({ title: 'CA file', description: 'PEM file of the authority that signed the server certificate. Without it: the authorities of Node.' }),
      servername: z.string().min(1).optional().meta({ title: 'Server name', description: 'Name in the certificate when it is not the host.' }),
    }),
  ])
  .default({})
  .meta({ title: 'TLS', description: 'On and verified unless it says off; off is meant for the same machine.', examples: [{ ca: 'tls/db-ca.pem' }, 'off'] });

const postgres = z
  .strictObject({
    host: z
      .union([host, z.array(host).min(1).max(10)])
      .meta({ title: 'Host', description: 'The server, or all members of a cluster: the one that takes writes is used.', examples: ['db.corp.local', ['db1', 'db2']] }),
    port: z.int().min(1).max(65_535).default(5432).meta({ title: 'Port' }),
    database: z
      .string()
      .min(1)
      .max(63)
      .meta({ title: 'Database', description: 'Its encoding is UTF8.', examples: ['signalbox'] }),
    user: z
      .string()
      .min(1)
      .max(63)
      .meta({ title: 'User', description: 'It may create the schema, or owns it.', examples: ['signalbox'] }),
    password: secret().meta({ title: 'Password' }),
    schema: z
      .string()
      .regex(/^[a-z_][a-z0-9_]{0,62}$/, 'expected a lower-case name such as signalbox')
      .default('signalbox')
      .meta({ title: 'Schema', description: 'Schema of the tables, made when it is missing. All nodes of one installation name the same one.' }),
    tls,
    connections: z.int().min(2).max(50).default(8).meta({ title: 'Connections', description: 'Most connections of one node at a time.' }),
  })
  .meta({ title: 'PostgreSQL', description: 'For several nodes, which share one store.' });

const directory = path.meta({ title: 'Directory', description: 'Of this node: the SQLite store, the embedded bus, the admin socket.', examples: ['/var/lib/signalbox'] });

export const storeSchema = z.union([z.literal('sqlite'), z.strictObject({ directory: directory.optional(), postgres: postgres.optional() })]).meta({
  title: 'Store',
  description: 'Where checkpoints, history and dead letters are kept: SQLite in the directory of this node, or PostgreSQL, which several nodes share.',
  examples: [
    'sqlite',
    { directory: '/var/lib/signalbox' },
    { postgres: { host: 'db.corp.local', database: 'signalbox', user: 'signalbox', password: '${secret:store}', schema: 'signalbox' } },
  ],
});

export function storeOf(directory: string, store: z.infer<typeof storeSchema> | undefined): Settings['store'] {
  const given = typeof store === 'object' ? store.postgres : undefined;
  if (given === undefined) return { kind: 'sqlite' };
  const { host: hosts, tls: wanted, ...rest } = given;
  const below = (file: string): string => (isAbsolute(file) ? file : join(directory, file));
  return {
    kind: 'postgres',
    ...rest,
    hosts: typeof hosts === 'string' ? [hosts] : hosts,
    tls:
      wanted === 'off'
        ? 'off'
        : { ...(wanted.ca === undefined ? {} : { caFile: below(wanted.ca) }), ...(wanted.servername === undefined ? {} : { servername: wanted.servername }) },
  };
}
