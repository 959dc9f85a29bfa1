// Writes what is generated from declarations: `npm run generate`. A test proves the committed files fresh.
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { catalog } from '../adapters/catalog.js';
import type { AdapterSpec } from '../adapters/contract/spec.js';
import { codes } from '../bus/codes/index.js';
import { adapterPages, configurationPage, errorsPage } from './reference.js';
import { buildJsonSchema } from './schema.js';

/** All generated files by their path in the repository. */
export function generatedFiles(specs: readonly AdapterSpec[]): ReadonlyMap<string, string> {
  return new Map([
    ['config/signalbox.schema.json', `${JSON.stringify(buildJsonSchema(specs), undefined, 1)}\n`],
    ['docs/reference/errors.md', errorsPage(codes)],
    ['docs/reference/configuration.md', configurationPage(specs)],
    ...[...adapterPages(specs)].map(([name, text]) => [`docs/reference/adapters/${name}.md`, text] as const),
  ]);
}

if (import.meta.main) {
  // dist/config/ -> repository
  const root = join(import.meta.dirname, '../..');
  for (const [path, text] of generatedFiles(catalog)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
    process.stderr.write(`${path}\n`);
  }
}
