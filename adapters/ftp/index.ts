import { CONTRACT, defineAdapter } from '../contract/index.js';
import { formatFields, formatPreview, lintWrite, readOptions, writeOptions } from '../files/options.js';
import { connectOptions, lintConnect } from './config.js';

export default defineAdapter({
  name: 'ftp',
  title: 'Files on an FTP or FTPS server',
  summary: 'Reads files that arrive on an FTP server, each exactly once, and writes files that appear complete. With TLS and a verified certificate unless it is turned off.',
  contract: CONTRACT,
  stability: 'experimental',
  connect: connectOptions,
  lint: lintConnect,
  read: { pattern: 'polling', config: readOptions, fields: formatFields },
  write: { idempotent: true, config: writeOptions, fields: formatFields, preview: formatPreview, lint: lintWrite },
  load: async () => (await import('./adapter.js')).FtpAdapter,
});
