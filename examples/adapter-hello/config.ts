import { z } from 'zod';
import { secret } from '../../adapters/contract/index.js';

export const connectSchema = z.strictObject({
  world: z
    .string()
    .min(1)
    .meta({ title: 'World', description: 'Name of the world to talk to.', examples: ['earth'] }),
  password: secret().meta({ title: 'Password', description: 'The word that opens the world.' }),
});
export type Connect = z.infer<typeof connectSchema>;

export const readSchema = z.strictObject({
  from: z
    .int()
    .min(1)
    .default(1)
    .meta({ title: 'First greeting', description: 'Number of the greeting to begin with.', examples: [1] }),
});
export type Read = z.infer<typeof readSchema>;

export const writeSchema = z.strictObject({
  sign: z
    .string()
    .optional()
    .meta({ title: 'Signature', description: 'Added to each answer as `signed`.', examples: ['Signalbox'] }),
});
export type Write = z.infer<typeof writeSchema>;
