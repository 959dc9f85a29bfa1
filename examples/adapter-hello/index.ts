import { CONTRACT, defineAdapter } from '../../adapters/contract/index.js';
import { connectSchema, readSchema, type Write, writeSchema } from './config.js';
import { answer } from './outbound.js';

export default defineAdapter({
  name: 'hello',
  title: 'Hello',
  summary: 'Reads greetings from a world and answers them; the example of an adapter package',
  contract: CONTRACT,
  stability: 'experimental',
  connect: connectSchema,
  read: { pattern: 'polling', config: readSchema },
  write: { idempotent: true, config: writeSchema, preview: (config, payload) => answer(config as Write, payload) },
  load: async () => (await import('./adapter.js')).HelloAdapter,
});
