import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { Command } from 'commander';
import { exists } from '../exists.js';
import { coded } from '../failure.js';
import { configSchema } from '../offline.js';
import { print, talk } from '../output.js';
import { globals } from '../session.js';
import { starterFiles, starterFolders } from '../starter.js';
import { safe } from '../text.js';
import { SCHEMA_FILE } from './schema.js';

export function initCommand(): Command {
  return new Command('init')
    .description('Write a small configuration to start from; it passes check and test as it is')
    .argument('[dir]', 'where; the configuration directory when absent')
    .action(async (dir: string | undefined, _: unknown, command: Command) => {
      const directory = dir === undefined ? globals(command).config : resolve(dir);
      const files = new Map([...starterFiles(directory), [SCHEMA_FILE, await configSchema()]]);
      for (const path of files.keys()) {
        if (await exists(join(directory, path))) throw coded('E557', `${join(directory, path)} is there already`);
      }
      for (const folder of starterFolders) await mkdir(join(directory, folder), { recursive: true });
      for (const [path, text] of files) {
        await mkdir(dirname(join(directory, path)), { recursive: true, ...(path === SCHEMA_FILE ? { mode: 0o700 } : {}) });
        await writeFile(join(directory, path), text, { flag: 'wx' });
        print(safe(path));
      }
      const near = relative(process.cwd(), directory) || '.';
      talk(nextSteps(near.startsWith('..') ? directory : near));
    });
}

function nextSteps(directory: string): string {
  const option = directory === '.' ? '' : ` -c ${directory}`;
  const place = directory === '.' ? '' : `${directory}/`;
  return [
    'next:',
    `  signalbox check${option}`,
    `  signalbox test${option}`,
    `  signalbox run${option}     then, elsewhere:  cp ${place}samples/orders.csv ${place}data/webshop/inbox/   and   signalbox trace 4711${option}`,
  ].join('\n');
}
