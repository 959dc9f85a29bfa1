import { CONTRACT, defineAdapter, writeJson } from '../contract/index.js';
import { call, connect, read, write } from './config.js';
import { lintCall, lintRead, lintWrite, readFields, writeFields } from './lint.js';

export default defineAdapter({
  name: 'sql',
  title: 'SQL database',
  summary: 'Reads new and changed rows, writes rows exactly once, and asks questions: SQLite, PostgreSQL, MariaDB and MySQL, SQL Server, Oracle, and others through ODBC.',
  contract: CONTRACT,
  stability: 'stable',
  connect,
  read: { pattern: 'polling', config: read, lint: lintRead, fields: readFields },
  write: { config: write, idempotent: true, remembersDeliveries: true, lint: lintWrite, fields: writeFields, preview: (_, payload) => writeJson(payload) },
  call: { config: call, lint: lintCall },
  load: async () => (await import('./adapter.js')).SqlAdapter,
});
