import { z } from 'zod';
import { byteSize, CONTRACT, defineAdapter, duration, identifier, secret } from '../../../adapters/contract/index.js';
import type { AdapterSpec } from '../../../adapters/contract/spec.js';

/** A database as far as its declaration goes. */
export const fakeSql = defineAdapter({
  name: 'fake-sql',
  title: 'Fake database',
  summary: 'Reads and writes tables.',
  contract: CONTRACT,
  stability: 'stable',
  connect: z.discriminatedUnion('driver', [
    z.strictObject({
      driver: z.literal('postgres').meta({ title: 'Driver' }),
      host: z.string().meta({ title: 'Host', description: 'Name or address.', examples: ['db.corp.local'] }),
      port: z.number().int().min(1).max(65_535).default(5432).meta({ title: 'Port' }),
      tls: z.boolean().default(true).meta({ title: 'TLS' }),
      user: z.string().meta({ title: 'User' }),
      password: secret().meta({ title: 'Password', description: 'Of the user.' }),
      timeout: duration({ max: '5m' }).default(10_000).meta({ title: 'Timeout', advanced: true }),
    }),
    z.strictObject({ driver: z.literal('sqlite').meta({ title: 'Driver' }), file: z.string().meta({ title: 'File' }) }),
  ]),
  read: {
    pattern: 'polling',
    config: z.strictObject({
      table: identifier().meta({ title: 'Table', examples: ['ORD_HEAD'] }),
      key: z.string().meta({ title: 'Key' }),
      fields: z
        .record(z.string(), z.enum(['text', 'integer', 'decimal', 'date']))
        .optional()
        .meta({ title: 'Fields' }),
      cursor: z
        .union([z.string(), z.strictObject({ column: z.string(), overlap: duration().default(0) })])
        .optional()
        .meta({ title: 'Cursor' }),
    }),
    lint: (config) => {
      const { key, cursor } = config as { key: string; cursor?: unknown };
      return cursor === key ? [{ severity: 'error' as const, path: ['cursor'], message: 'the cursor is the key', fix: 'take a column that changes' }] : [];
    },
    fields: (config) => (config as { fields?: Record<string, 'text' | 'integer' | 'decimal' | 'date'> }).fields,
  },
  write: {
    idempotent: true,
    config: z.strictObject({ table: identifier().meta({ title: 'Table' }), batch: byteSize().optional().meta({ title: 'Batch' }) }),
    lint: (config) => ((config as { table: string }).table === 'DUAL' ? [{ severity: 'warning' as const, path: ['table'], message: 'DUAL is seldom meant' }] : []),
  },
  load: () => Promise.reject(new Error('pure data')),
}) satisfies AdapterSpec;

export const fakeHook = defineAdapter({
  name: 'fake-hook',
  title: 'Fake webhook',
  summary: 'Is called.',
  contract: CONTRACT,
  stability: 'experimental',
  connect: z.strictObject({}),
  read: { pattern: 'listening', config: z.strictObject({ path: z.string() }) },
  load: () => Promise.reject(new Error('pure data')),
}) satisfies AdapterSpec;

export const fakes: readonly AdapterSpec[] = [fakeSql, fakeHook];
