import { z } from 'zod';
import { duration } from '../contract/index.js';

export const connectOptions = z.strictObject({
  root: z
    .string()
    .regex(/^\/[^\0]*$/, 'expected an absolute path')
    .meta({
      title: 'Root',
      description: 'Absolute path of the folder this system is confined to. Nothing outside it is touched, also not through links.',
      examples: ['/data/exchange'],
    }),
  timeout: duration({ min: '1s', max: '10m' })
    .prefault('60s')
    .meta({ title: 'Timeout', description: 'Longest wait for one answer of the file system: a network share that is gone does not answer at all.', advanced: true }),
});

export type ConnectOptions = z.output<typeof connectOptions>;
