import { CONTRACT, defineAdapter } from '../contract/index.js';
import { formatFields, formatPreview, lintWrite, readOptions, writeOptions } from '../files/options.js';
import { connectOptions } from './config.js';

export default defineAdapter({
  name: 'file',
  title: 'Files in a folder',
  summary: 'Reads files that arrive in a local folder or a mounted share, each exactly once, and writes files that appear complete.',
  contract: CONTRACT,
  stability: 'experimental',
  connect: connectOptions,
  read: { pattern: 'polling', config: readOptions, fields: formatFields },
  write: { idempotent: true, config: writeOptions, fields: formatFields, preview: formatPreview, lint: lintWrite },
  load: async () => (await import('./adapter.js')).FileAdapter,
});
