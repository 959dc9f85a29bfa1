import { z } from 'zod';
import { duration, secret } from '../contract/index.js';
import { pathOption } from '../files/options.js';

const fingerprint = () => z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}=?$/, 'expected the fingerprint as `ssh-keygen -lf` prints it: SHA256: and 43 characters');

/** Algorithms that are broken or weak and only there for servers that know nothing else. */
export const LEGACY = {
  kex: ['diffie-hellman-group14-sha1', 'diffie-hellman-group-exchange-sha1'],
  serverHostKey: ['ssh-rsa'],
  cipher: ['aes128-cbc', 'aes256-cbc'],
  hmac: ['hmac-sha1'],
} as const;

export const connectOptions = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .meta({ title: 'Host', examples: ['erp.corp.local'] }),
    port: z.int().min(1).max(65_535).default(22).meta({ title: 'Port' }),
    user: z.string().min(1).meta({ title: 'User' }),
    key: secret().optional().meta({ title: 'Private key', description: 'In OpenSSH or PEM form.' }),
    passphrase: secret().optional().meta({ title: 'Passphrase', description: 'Of the private key.' }),
    password: secret().optional().meta({ title: 'Password', description: 'Where the server takes no key.' }),
    host_key: z
      .union([fingerprint(), z.array(fingerprint()).min(1)])
      .transform((value) => (typeof value === 'string' ? [value] : value))
      .meta({
        title: 'Host key',
        description: 'SHA-256 fingerprint of the host key, or several while it is being changed. Ask the operator of the server for it. Without a match nothing is sent.',
        examples: ['SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8'],
      }),
    root: pathOption()
      .optional()
      .meta({ title: 'Root', description: 'Folder on the server that all paths are below. Default: relative paths start where the login starts.', examples: ['/exchange'] }),
    timeout: duration({ min: '1s', max: '10m' })
      .prefault('30s')
      .meta({ title: 'Timeout', description: 'Longest wait for an answer of the server to one request. Then the connection is closed and opened again.', advanced: true }),
    connect_timeout: duration({ min: '1s', max: '5m' }).prefault('20s').meta({ title: 'Connect timeout', description: 'Longest wait for connection and login.', advanced: true }),
    keepalive: duration({ min: '1s', max: '10m' })
      .prefault('10s')
      .meta({ title: 'Keepalive', description: 'After three of them without an answer the connection is given up.', advanced: true }),
    legacy_algorithms: z
      .array(z.enum([...LEGACY.kex, ...LEGACY.serverHostKey, ...LEGACY.cipher, ...LEGACY.hmac]))
      .default([])
      .meta({ title: 'Legacy algorithms', description: 'Weak algorithms an old server needs, by name.', advanced: true }),
  })
  .refine((connect) => connect.key !== undefined || connect.password !== undefined, { path: ['key'], message: 'a key or a password is needed' });

export type ConnectOptions = z.output<typeof connectOptions>;
