import { CONTRACT, defineAdapter } from '../contract/index.js';
import { formatFields, formatPreview, lintWrite, readOptions, writeOptions } from '../files/options.js';
import { connectOptions, lintConnect } from './config.js';

export default defineAdapter({
  name: 'sftp',
  title: 'Files on an SFTP server',
  summary: 'Reads files that arrive on an SFTP server, each exactly once, and writes files that appear complete. The host key is always pinned.',
  contract: CONTRACT,
  stability: 'experimental',
  connect: connectOptions,
  lint: lintConnect,
  identify: async (connect, signal) => (await import('./adapter.js')).identify(connect, signal),
  read: { pattern: 'polling', config: readOptions, fields: formatFields },
  write: { idempotent: true, config: writeOptions, fields: formatFields, preview: formatPreview, lint: lintWrite },
  load: async () => (await import('./adapter.js')).SftpAdapter,
});
