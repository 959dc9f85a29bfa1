import { z } from 'zod';

export const connectOptions = z.strictObject({
  root: z
    .string()
    .regex(/^\/[^\0]*$/, 'expected an absolute path')
    .meta({
      title: 'Root',
      description: 'Absolute path of the folder this system is confined to. Nothing outside it is touched, also not through links.',
      examples: ['/data/exchange'],
    }),
});

export type ConnectOptions = z.output<typeof connectOptions>;
