// Options of `connect` that servers have in common.
import { z } from 'zod';
import { duration, secret } from '../../contract/index.js';
import { isZone } from '../zone.js';

/** What every server has. */
export const limits = {
  connections: z.int().min(1).max(50).default(5).meta({ title: 'Connections', description: 'Most connections to the database at a time.', advanced: true }),
  connect_timeout: duration({ min: '100ms', max: '5m' }).default(10_000).meta({ title: 'Connect timeout', description: 'Longest wait for a connection.', advanced: true }),
  statement_timeout: duration({ min: '100ms', max: '1h' })
    .default(60_000)
    .meta({ title: 'Statement timeout', description: 'Longest time one statement may take; the server ends it and so do we.', advanced: true }),
  lock_timeout: duration({ min: '10ms', max: '10m' })
    .default(10_000)
    .meta({ title: 'Lock timeout', description: 'Longest wait for a lock another session holds.', advanced: true }),
};

export const times = {
  zone: z
    .string()
    .refine(isZone, 'expected the IANA name of a time zone such as Europe/Berlin or UTC')
    .optional()
    .meta({
      title: 'Zone',
      description:
        'Time zone of columns without one. With it their times are read as instants, and instants are written to them as local time. Without it they stay local times, and an instant for such a column is an invalid message.',
      examples: ['Europe/Berlin'],
    }),
  repeated_hour: z.enum(['earlier', 'later', 'refuse']).default('earlier').meta({
    title: 'Repeated hour',
    description:
      'With `zone`: which of the two instants a local time means that the clock shows twice when summer time ends. A time that the clock jumps over is always an error of its row.',
    advanced: true,
  }),
};

const tls = z
  .union([
    z.literal('off'),
    z.strictObject({
      ca: z
        .string()
        .min(1)
        .optional()
        .meta({ title: 'CA file', description: 'PEM file of the authority that signed the server certificate. Without it: the authorities of Node.' }),
      servername: z.string().min(1).optional().meta({ title: 'Server name', description: 'Name in the certificate when it is not the host (PostgreSQL).', advanced: true }),
    }),
  ])
  .default({})
  .meta({ title: 'TLS', description: 'On and verified unless it says off; off is meant for the same machine.', examples: [{ ca: 'tls/db-ca.pem' }, 'off'] });

export const server = (port: number) => ({
  max_age: duration({ min: '1s', max: '7d' }).default(1_800_000).meta({
    title: 'Longest life of a connection',
    description: 'PostgreSQL and MariaDB: a connection that is older is made anew when it is free, so that after a failover no old one stays with the wrong server.',
    advanced: true,
  }),
  host: z
    .string()
    .min(1)
    .meta({ title: 'Host', description: 'Name or address of the database server.', examples: ['db.corp.local'] }),
  port: z.int().min(1).max(65_535).default(port).meta({ title: 'Port', description: 'TCP port of the server.' }),
  database: z
    .string()
    .min(1)
    .meta({ title: 'Database', description: 'Name of the database.', examples: ['erp'] }),
  user: z.string().min(1).meta({ title: 'User', description: 'Account to log in with; give it no more rights than the endpoints need.' }),
  password: secret().meta({ title: 'Password', description: 'Password of the account.' }),
  tls,
  ...times,
  ...limits,
});
