import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { catalog } from '../../adapters/catalog.js';
import { generatedFiles } from '../../config/generate.js';
import { adapterPages, errorsPage } from '../../config/reference.js';
import { buildJsonSchema } from '../../config/schema.js';
import { fakeHook, fakeSql, fakes } from './support/fake-adapters.js';

// dist/test/config/ -> repository
const root = join(import.meta.dirname, '../../..');

describe('committed files are what `npm run generate` writes', () => {
  test.each([...generatedFiles(catalog)])('%s', async (path, text) => {
    expect(await readFile(join(root, path), 'utf8')).toBe(text);
  });

  test('and there is no page of an adapter that is gone', async () => {
    const pages = await readdir(join(root, 'docs/reference/adapters'));
    expect(pages.toSorted()).toEqual(catalog.map(({ name }) => `${name}.md`).toSorted());
  });
});

describe('JSON Schema', () => {
  interface Part {
    readonly [key: string]: unknown;
    readonly properties?: Readonly<Record<string, Part>>;
    readonly additionalProperties?: Part | false;
    readonly anyOf?: readonly Part[];
    readonly allOf?: readonly { readonly if: Part; readonly then: Part }[];
    readonly oneOf?: readonly Part[];
    readonly required?: readonly string[];
  }
  const schema = buildJsonSchema(fakes) as Part;
  const system = schema.properties?.['systems']?.additionalProperties || undefined;
  const sql = system?.allOf?.find((each) => each.if.properties?.['adapter']?.['const'] === 'fake-sql')?.then;

  test('has one form of system for each adapter, told apart by `adapter`', () => {
    expect(system).toMatchObject({ required: ['adapter'], properties: { adapter: { enum: ['fake-hook', 'fake-sql'] } } });
    expect(sql).toMatchObject({ title: fakeSql.title, required: ['adapter', 'connect'], additionalProperties: false });
  });

  test('writes secrets as references and takes numbers from the environment', () => {
    const postgres = (sql?.properties?.['connect']?.oneOf ?? sql?.properties?.['connect']?.anyOf)?.[0];
    expect(postgres?.properties?.['password']).toMatchObject({ type: 'string', title: 'Password', pattern: expect.stringContaining('secret:') });
    expect(postgres?.properties?.['port']).toMatchObject({ title: 'Port', anyOf: [{ type: 'integer', minimum: 1 }, { type: 'string' }] });
    expect(sql?.properties?.['read']).toMatchObject({ additionalProperties: { properties: { table: { title: 'Table', anyOf: [{ type: 'string' }, { type: 'string' }] } } } });
    expect(postgres?.required).toEqual(['driver', 'host', 'user', 'password']);
    expect(JSON.stringify(schema)).not.toMatch(/"(secret|unit|advanced)":/);
  });

  test('merges the options all endpoints share', () => {
    const read = sql?.properties?.['read']?.additionalProperties || undefined;
    expect(Object.keys(read?.properties ?? {})).toEqual(['table', 'key', 'fields', 'cursor', 'schedule', 'poll_timeout', 'max_records', 'expect']);
    expect(read).toMatchObject({ required: ['table', 'key'], additionalProperties: false });
  });

  test('every reference inside leads somewhere', () => {
    const text = JSON.stringify(schema);
    const definitions = Object.keys((schema['$defs'] as object | undefined) ?? {});
    for (const [, name] of text.matchAll(/"\$ref":"#\/\$defs\/([^"]+)"/g)) expect(definitions).toContain(name);
  });
});

describe('pages', () => {
  test('of an adapter have its options with type, default and meaning', () => {
    const page = adapterPages(fakes).get('fake-sql') ?? '';
    expect(page).toContain('# Fake database\n');
    expect(page).toContain('With `driver: postgres`:');
    expect(page).toContain('| `host` | text such as db.corp.local | required | Name or address. For example `db.corp.local`. |');
    expect(page).toContain('| `timeout` | a duration such as 30s | `10s` | Timeout. Seldom needed. |');
    expect(page).toContain('| `cursor.overlap` | a duration such as 30s |');
    expect(page).toContain('the same delivery twice has one effect');
    expect(adapterPages([fakeHook]).get('fake-hook')).toContain('experimental');
  });

  test('of the errors have every code once, in order', () => {
    const page = errorsPage({ W100: { title: 'b', meaning: 'B.', fix: 'b!' }, E100: { title: 'a', meaning: 'A.', fix: 'a!' } });
    expect([...page.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual(['E100: a', 'W100: b']);
    expect(page).toContain('A.\n\n**What to do:** a!');
  });
});
