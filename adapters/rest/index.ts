import { CONTRACT, defineAdapter, type SpecFinding, writeJson } from '../contract/index.js';
import { type Connect, callSchema, connectSchema, isRepeatable, type Read, readSchema, type Write, writeSchema } from './config.js';

export default defineAdapter({
  name: 'rest',
  title: 'REST',
  summary: 'Receives webhooks and calls HTTP APIs with JSON',
  contract: CONTRACT,
  stability: 'stable',
  connect: connectSchema,
  read: {
    pattern: 'listening',
    config: readSchema,
    lint: (config) => {
      const { auth, id } = config as Read;
      if (id === undefined || id.startsWith('/') || !('hmac' in auth || 'stripe' in auth)) return [];
      return [
        {
          severity: 'warning',
          path: ['id'],
          message: `the signature does not cover the header ${id}: a captured request could be sent again under a new id`,
          fix: 'take the id from the body with a JSON pointer, or leave `id` out',
        },
      ];
    },
  },
  write: {
    idempotent: (config) => isRepeatable(config as Write),
    verifies: (config) => (config as Write).verify !== undefined,
    longestCall: (_config, connect) => (connect as Connect).timeout,
    config: writeSchema,
    lint: (_config, connect) => needsBase(connect),
    preview: (config, payload) => writeJson(payload, (config as Write).numbers),
  },
  call: { config: callSchema, lint: (_config, connect) => needsBase(connect) },
  load: async () => (await import('./adapter.js')).RestAdapter,
});

function needsBase(connect: unknown): readonly SpecFinding[] {
  if ((connect as Connect).base !== undefined) return [];
  return [{ severity: 'error', path: [], message: 'this system has no `base` in `connect:`, so there is nowhere to send to', fix: 'add the base address of the system' }];
}
