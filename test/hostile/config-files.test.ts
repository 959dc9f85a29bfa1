import { chmod, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadConfiguration } from '../../config/load.js';
import { directoryWith, load, places } from '../config/support/directory.js';
import { fakes } from '../config/support/fake-adapters.js';

const SYSTEM = (connect: string): string => `systems:\n  a: {adapter: fake-sql, connect: {driver: postgres, host: h, user: u, ${connect}}}\n`;
const SECRET = 'password: "${secret:db}"';

describe('YAML that says less than it seems', () => {
  test.each([
    ['duplicate key', 'types:\n  A: {id: text}\n  A: {id: date}\n', ['E103 a.yaml:3:3']],
    ['tab as indentation', 'types:\n\tA: {id: text}\n', ['E100 a.yaml:2:1']],
    ['two documents', 'types: {}\n---\nroutes: {}\n', ['E105 a.yaml:2:1']],
    ['unknown key', 'sytems: {}\n', ['E104 a.yaml:1:1']],
    ['unknown tag', 'types:\n  A: {id: !secret text}\n', ['E105 a.yaml:2:11']],
    ['standard tag', 'types:\n  A: !!map {id: text}\n', ['E105 a.yaml:2:6']],
    ['anchor and alias', 'types:\n  A: &a {id: text}\n  B: *a\n', ['E105 a.yaml:2:6', 'E105 a.yaml:3:6']],
    ['merge key', 'types:\n  A: {<<: {id: text}, x: text}\n', ['E105 a.yaml:2:7']],
    ['directive', '%YAML 1.1\n---\ntypes: {}\n', ['E105 a.yaml:1:1']],
    ['prototype as key', 'types:\n  __proto__: {id: text}\n', ['E105 a.yaml:2:3']],
    ['a list as key', 'types:\n  ? [a]\n  : {id: text}\n', ['E105 a.yaml:2:5']],
    ['a list as document', '- a\n- b\n', ['E106 a.yaml:1:1']],
  ])('%s', async (_, text, expected) => {
    const result = await load({ 'a.yaml': text });
    expect(result.configuration).toBeUndefined();
    expect(places(result)).toEqual(expected);
  });

  test('did you mean', async () => {
    expect((await load({ 'a.yaml': 'sytems: {}\n' })).text).toContain('help: did you mean `systems`?');
  });
});

describe('files that are too much', () => {
  const lines = (count: number, line: (i: number) => string): string => Array.from({ length: count }, (_, i) => line(i)).join('\n');

  test.each([
    ['5,000 levels of flow', `types: ${'['.repeat(5000)}${']'.repeat(5000)}`, 'E102'],
    ['200,000 compact lists', `types:\n  ${'- '.repeat(200_000)}x`, 'E102'],
    ['2,000 levels of indentation', lines(2000, (i) => `${' '.repeat(i)}types:`), 'E100'],
    ['65 levels', lines(66, (i) => `${' '.repeat(i)}types:`), 'E102'],
    ['20 MB', new Uint8Array(20_000_000).fill(0x61), 'E102'],
    ['millions of lines', '\n'.repeat(4_900_000), 'E102'],
    ['millions of comments', '#\n'.repeat(2_400_000), 'E102'],
    ['NUL', 'types: "a\u0000b"', 'E101'],
    ['UTF-16', Buffer.from('\ufefftypes: {}', 'utf16le'), 'E101'],
    ['UTF-16 without mark', Buffer.from('types: {}', 'utf16le'), 'E101'],
    ['byte order mark', '\ufefftypes: {}', 'E101'],
    ['Latin-1', Buffer.from('types: {A: {id: "M\u00fcller"}}', 'latin1'), 'E101'],
    ['unclosed quotes', `types: "${'x'.repeat(4_000_000)}`, 'E100'],
    ['10,000 anchors', lines(10_000, (i) => `k${i}: &a${i} v`), 'E105'],
  ])('%s', async (_, content, code) => {
    const started = performance.now();
    const { diagnostics, configuration } = await load({ 'a.yaml': content });
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(configuration).toBeUndefined();
    expect(diagnostics.map((diagnostic) => diagnostic.code)).toContain(code);
  });

  test('a mapping of 40,000 keys is read, and in time', async () => {
    const started = performance.now();
    const { configuration, diagnostics } = await load({ 'a.yaml': `tables:\n  t:\n    rows:\n${lines(40_000, (i) => `      k${i}: v${i}`)}\n` });
    expect(diagnostics.map(({ code }) => code)).toEqual(['W202']);
    expect(configuration?.routing.tables['t']?.rows.size).toBe(40_000);
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test('an empty file is fine beside others, an empty directory is not', async () => {
    expect((await load({ 'a.yaml': '', 'b.yaml': 'version: 1\n' })).diagnostics).toEqual([]);
    expect(places(await load({ 'readme.txt': '' }))).toEqual(['E124 :0:0']);
    expect((await loadConfiguration('/nowhere/at/all', { specs: fakes, env: {} })).diagnostics).toMatchObject([{ code: 'E124' }]);
  });

  test('a directory named like a file, a broken link, and a file in place of the directory', async () => {
    const directory = await directoryWith({ 'b.yaml': 'version: 1\n' });
    await mkdir(join(directory, 'a.yaml'));
    await symlink('/nowhere/at/all', join(directory, 'c.yaml'));
    expect((await loadConfiguration(directory, { specs: fakes, env: {} })).diagnostics).toMatchObject([
      { code: 'E101', file: 'c.yaml', message: 'the file cannot be read: there is no such file' },
    ]);
    expect((await loadConfiguration(join(directory, 'b.yaml'), { specs: fakes, env: {} })).diagnostics).toMatchObject([{ code: 'E124' }]);
  });

  test('one broken file does not hide the problems of another', async () => {
    expect(places(await load({ 'a.yaml': 'types: [', 'b.yaml': 'a: \u0000', 'c.yaml': 'nonsense: 1\n' }))).toEqual(['E100 a.yaml:1:8', 'E101 b.yaml:0:0', 'E104 c.yaml:1:1']);
  });
});

describe('values YAML reads differently than they look', () => {
  test.each([
    ['port: 08', 0],
    ['port: no', 'expected a whole number, got the text "no"'],
    ['port: 12:30:00', 'expected a whole number, got the text "12:30:00"'],
    ['port: 12345678901234567890', 'expected a whole number, got the number 12345678901234567890, which is too large'],
    ['port: ~', 'expected a whole number, got nothing'],
    ['port: 5432.5', 'expected a whole number, got the number 5432.5'],
    ['port: 1e30', 'expected at most 65535, got the number 1e+30'],
    ['tls: on', 'expected true or false, got the text "on"'],
    ['tls: 1', 'expected true or false, got the number 1'],
    ['timeout: 1e3', 'expected a duration such as 30s, got the number 1000'],
    ['host2: x', 'unknown key `host2`'],
  ])('%s', async (option, message) => {
    const { diagnostics } = await load({ 'a.yaml': SYSTEM(`${option}, ${SECRET}`), 'secrets/db': 'hunter22' });
    if (message === 0) expect(diagnostics).toMatchObject([{ code: 'W021', severity: 'warning', message: 'leading zero lost: YAML reads 08 as the number 8' }]);
    else expect(diagnostics.map((diagnostic) => diagnostic.message.replace(/^`\w+`: /, ''))).toEqual([message]);
  });
});

describe('secrets', () => {
  const VALUE = 'S3cr3t-value-of-the-database';

  test('plain, open to others, linked, missing: an error that does not hold the value', async () => {
    const plain = await load({ 'a.yaml': SYSTEM(`password: ${VALUE}`) });
    expect([places(plain), plain.text.includes(VALUE), JSON.stringify(plain).includes('S3cr3t-value')]).toEqual([['E113 a.yaml:2:82'], false, false]);
    const directory = await directoryWith({ 'a.yaml': SYSTEM(SECRET), 'secrets/db': VALUE, 'secrets/real': VALUE });
    const check = async (): Promise<unknown> => {
      const { diagnostics, configuration } = await loadConfiguration(directory, { specs: fakes, env: {} });
      expect(JSON.stringify(diagnostics)).not.toContain(VALUE);
      return [configuration !== undefined, diagnostics.map(({ code }) => code)];
    };
    expect(await check()).toEqual([true, []]);
    await chmod(join(directory, 'secrets/db'), 0o644);
    expect(await check()).toEqual([false, ['E116']]);
    const linked = await directoryWith({ 'a.yaml': SYSTEM(SECRET), 'secrets/real': VALUE });
    await symlink(join(linked, 'secrets/real'), join(linked, 'secrets/db'));
    expect((await loadConfiguration(linked, { specs: fakes, env: {} })).diagnostics).toMatchObject([{ code: 'E116' }]);
    expect(places(await load({ 'a.yaml': SYSTEM(SECRET) }))).toEqual(['E115 a.yaml:2:82']);
  });

  test('a name never leads out of the secrets directory', async () => {
    const result = await load({ 'a.yaml': SYSTEM('password: "${secret:../../etc/passwd}"') });
    expect(places(result)).toEqual(['E112 a.yaml:2:83']);
  });

  test('a secret where it would be shown', async () => {
    const result = await load({ 'a.yaml': SYSTEM(`${SECRET}, port: "\${secret:db}"`).replace('host: h', 'host: "x${secret:db}"'), 'secrets/db': VALUE });
    expect(result.diagnostics.map(({ code }) => code)).toEqual(['E114', 'E114']);
    expect(result.text).not.toContain(VALUE);
  });
});

describe('names and listeners', () => {
  test('a missing adapter and a route given twice', async () => {
    const route = 'routes:\n  r: {from: a.b, publish: T, map: {id: record.x}}\n';
    const result = await load({ 'a.yaml': `systems: {x: {adapter: nope}}\n`, 'b.yaml': route, 'c.yaml': route });
    expect(places(result)).toEqual(expect.arrayContaining(['E109 a.yaml:1:24', 'E108 c.yaml:2:3']));
    expect(result.text).toContain('::: b.yaml:2:3');
  });

  test.each([
    ['0.0.0.0:8080', ['E122']],
    ['"[::]:8080"', ['E122']],
    ['192.168.1.5:80', ['E122']],
    ['bus.corp.local:8080', ['E122']],
    ['127.0.0.1.corp.local:80', ['E122']],
    ['{address: "0.0.0.0:8080"}', ['E122']],
    ['{address: "0.0.0.0:8080", tls: {cert: c.pem, key: k.pem}}', []],
    ['127.0.0.1:8080', []],
    ['"[::1]:8080"', []],
    ['localhost:8080', []],
    ['127.0.0.1:99999', ['E106']],
    ['8080', ['E106']],
  ])('listen: %s', async (listen, expected) => {
    expect((await load({ 'a.yaml': `listen: ${listen}\n` })).diagnostics.map(({ code }) => code)).toEqual(expected);
  });
});
