import { z } from 'zod';
import { byteSize, duration } from '../contract/index.js';

export const collectOptions = z.strictObject({
  for: duration({ min: '100ms', max: '7d' }).prefault('5m').meta({ title: 'For', description: 'A file is written so long after its first message came.' }),
  messages: z.int().min(1).max(100_000).default(10_000).meta({ title: 'Messages', description: 'Most messages in a file; it is written when it has them.' }),
  bytes: byteSize({ max: 256 * 1024 ** 2 })
    .prefault('32MiB')
    .meta({ title: 'Bytes', description: 'Most data of the messages in a file, about.', advanced: true }),
  zone: z
    .string()
    .refine((zone) => Intl.supportedValuesOf('timeZone').includes(zone) || zone === 'UTC', 'expected a zone such as Europe/Vienna')
    .default('UTC')
    .meta({ title: 'Zone', description: 'Of {batch.date} and {batch.time}.', examples: ['Europe/Vienna'] }),
});

export type CollectOptions = z.output<typeof collectOptions>;
