import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { configSchema } from '../offline.js';
import { print, talk } from '../output.js';
import { globals } from '../session.js';

/** Where the first line of a configuration file (`# yaml-language-server: $schema=`) finds it. */
export const SCHEMA_FILE = join('.signalbox', 'schema.json');

export function schemaCommand(): Command {
  return new Command('schema')
    .description('Print the JSON Schema of the configuration, for completion in editors')
    .option('--write', `write it to ${SCHEMA_FILE} in the configuration directory instead`)
    .action(async (options: { readonly write?: true }, command: Command) => {
      const text = (await configSchema()).trimEnd();
      if (options.write === undefined) print(text);
      else talk(`${await writeSchema(globals(command).config, text)} written`);
    });
}

async function writeSchema(directory: string, text: string): Promise<string> {
  const path = join(directory, SCHEMA_FILE);
  await mkdir(join(directory, '.signalbox'), { recursive: true, mode: 0o700 });
  await writeFile(path, `${text}\n`);
  return path;
}
