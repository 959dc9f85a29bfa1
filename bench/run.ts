import { spawnSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

// `npm run bench -- pipeline`: one benchmark a file, each in a process of its own, each measuring its limit in the same run.
const known = globSync('*.bench.js', { cwd: import.meta.dirname })
  .map((file) => basename(file, '.bench.js'))
  .sort();
/** As users start it. */
const flags = /^flags="(.*)"$/m.exec(readFileSync(join(import.meta.dirname, '../../cli/signalbox.sh'), 'utf8'))?.[1]?.split(' ') ?? [];
const [name, ...options] = process.argv.slice(2);
if (name === undefined || !known.includes(name)) {
  process.stderr.write(`usage: npm run bench -- <name> [--messages N] [--runs N]\nbenchmarks: ${known.join(', ')}\n`);
  process.exit(2);
}
const { status } = spawnSync(process.execPath, [...flags, join(import.meta.dirname, `${name}.bench.js`), ...options], { stdio: 'inherit' });
process.exit(status ?? 1);
