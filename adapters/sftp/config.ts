import { z } from 'zod';
import { duration, type SpecFinding, secret } from '../contract/index.js';
import { pathOption } from '../files/options.js';
import { LEGACY } from './algorithms.js';

const fingerprint = () => z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}=?$/, 'expected the fingerprint as `ssh-keygen -lf` prints it: SHA256: and 43 characters');

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
    agent: z.boolean().default(false).meta({ title: 'Agent', description: 'Log in with the keys of the SSH agent at `SSH_AUTH_SOCK`.', advanced: true }),
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
    legacy: z
      .strictObject({
        algorithms: z
          .array(z.enum([...LEGACY.kex, ...LEGACY.serverHostKey, ...LEGACY.cipher, ...LEGACY.hmac]))
          .min(1)
          .meta({
            title: 'Algorithms',
            description: 'By name, no more than the server needs; the error of the connection lists what it has.',
            examples: [['ssh-rsa', 'hmac-sha1']],
          }),
        until: z.iso.date().meta({ title: 'Until', description: 'Last day (UTC) they are offered to the server. Agree with its operator on a date.', examples: ['2027-06-30'] }),
      })
      .optional()
      .meta({ title: 'Legacy', description: 'Weak algorithms that an old server needs, for a time that has an end. Each start warns of them.', advanced: true }),
  })
  .refine((connect) => connect.key !== undefined || connect.password !== undefined || connect.agent, { path: ['key'], message: 'a key, an agent or a password is needed' });

export type ConnectOptions = z.output<typeof connectOptions>;

export function lintConnect(connect: unknown): readonly SpecFinding[] {
  const { legacy } = connect as ConnectOptions;
  if (!legacy) return [];
  return [
    {
      severity: 'warning',
      path: ['legacy'],
      message: `until ${legacy.until} the server may be talked to with ${legacy.algorithms.join(', ')}, which can be broken`,
      fix: 'have the server brought up to date, then remove `legacy`',
    },
  ];
}

/** The weak algorithms that may be offered now. */
export function legacyNow({ legacy }: ConnectOptions, now: Date): ReadonlySet<string> {
  return new Set(legacy && now.toISOString().slice(0, 10) <= legacy.until ? legacy.algorithms : []);
}
