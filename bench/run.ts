import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';

// `npm run bench -- pipeline`: one benchmark a file, each in a process of its own, each measuring its limit in the same run.
const known = globSync('*.bench.js', { cwd: import.meta.dirname })
  .map((file) => basename(file, '.bench.js'))
  .sort();
/** Those of cli/signalbox.sh. */
const FLAGS = ['--enable-source-maps', '--max-semi-space-size=16', '--initial-old-space-size=64', '--heap-growing-percent=50'];
const [name, ...options] = process.argv.slice(2);
if (name === undefined || !known.includes(name)) {
  process.stderr.write(`usage: npm run bench -- <name> [--messages N] [--runs N]\nbenchmarks: ${known.join(', ')}\n`);
  process.exit(2);
}
const { status } = spawnSync(process.execPath, [...FLAGS, join(import.meta.dirname, `${name}.bench.js`), ...options], { stdio: 'inherit' });
process.exit(status ?? 1);
