import { z } from 'zod';
import { duration, type SpecFinding, secret } from '../contract/index.js';
import { pathOption } from '../files/options.js';

export const connectOptions = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .meta({ title: 'Host', examples: ['ftp.partner.example'] }),
    port: z.int().min(1).max(65_535).optional().meta({ title: 'Port', description: 'Default: 21, and 990 with `tls: implicit`.' }),
    user: z.string().min(1).meta({ title: 'User' }),
    password: secret().meta({ title: 'Password' }),
    tls: z.enum(['explicit', 'implicit', 'off']).default('explicit').meta({
      title: 'TLS',
      description: 'explicit: encrypted by AUTH TLS on the usual port. implicit: encrypted from the first byte, for old servers. off: password and files travel in the clear.',
    }),
    ca: z
      .string()
      .min(1)
      .optional()
      .meta({
        title: 'CA file',
        description: 'PEM file of the authority that signed the server certificate, or of the certificate itself where it signed itself. Without it: the authorities of Node.',
        examples: ['tls/partner-ca.pem'],
      }),
    servername: z.string().min(1).optional().meta({ title: 'Server name', description: 'Name in the certificate when it is not the host.', advanced: true }),
    root: pathOption()
      .optional()
      .meta({ title: 'Root', description: 'Folder on the server that all paths are below. Default: the folder a login starts in.', examples: ['/exchange'] }),
    connections: z.int().min(1).max(8).default(2).meta({
      title: 'Connections',
      description:
        'Most connections at a time. With 1, for servers that take no more, a file that is being read gives way when something else has to be done, and is read on afterwards.',
      advanced: true,
    }),
    names: z.enum(['utf-8', 'latin1']).default('utf-8').meta({ title: 'Names', description: 'How the server writes the names of files.', advanced: true }),
    timeout: duration({ min: '1s', max: '10m' }).prefault('30s').meta({
      title: 'Timeout',
      description: 'Longest wait for an answer of the server, and for the next bytes of a transfer. Then the connection is closed and opened again.',
      advanced: true,
    }),
    connect_timeout: duration({ min: '1s', max: '5m' })
      .prefault('20s')
      .meta({ title: 'Connect timeout', description: 'Longest wait for connection, TLS and login.', advanced: true }),
    keepalive: duration({ min: '1s', max: '10m' })
      .prefault('30s')
      .meta({ title: 'Keepalive', description: 'A connection at rest is asked so often whether it is still there (NOOP).', advanced: true }),
  })
  .refine((connect) => connect.tls !== 'off' || (connect.ca === undefined && connect.servername === undefined), {
    path: ['tls'],
    message: '`ca` and `servername` have no effect with `tls: off`',
  });

export type ConnectOptions = z.output<typeof connectOptions>;

export function lintConnect(connect: unknown): readonly SpecFinding[] {
  if ((connect as ConnectOptions).tls !== 'off') return [];
  return [
    {
      severity: 'warning',
      path: ['tls'],
      message: 'password and files travel unencrypted and unverified: who can listen can read them, who is in between can change them',
      fix: 'use `tls: explicit`, or the sftp adapter; leave it only where the network between is your own',
    },
  ];
}

export function portOf({ port, tls }: ConnectOptions): number {
  return port ?? (tls === 'implicit' ? 990 : 21);
}
