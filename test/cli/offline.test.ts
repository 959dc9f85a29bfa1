import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { starterFiles } from '../../cli/starter.js';
import { createAdminServer } from '../../console/server/server.js';
import { fakeService } from '../console/fake-service.js';
import { silentLog } from '../console/silent-log.js';
import { DANGEROUS, type Ran, signalbox } from './harness.js';

let directory: string;
let run: (...args: readonly string[]) => Promise<Ran>;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-offline-'));
  run = (...args) => signalbox(args, { cwd: directory });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('init', () => {
  test('writes a configuration that passes check and test as it is', async () => {
    const init = await run('init', 'hub');
    expect(init.code).toBe(0);
    expect(init.out.split('\n')).toContain('orders.yaml');
    expect(init.err).toContain('signalbox check -c hub');
    expect(await run('check', '-c', 'hub')).toEqual({ code: 0, out: 'no problems in 4 files.\n', err: '' });
    const tested = await run('test', '-c', 'hub');
    expect(tested).toMatchObject({ code: 0, err: '' });
    expect(tested.out).toMatch(/^PASS {2}an order reaches the ERP with every digit$/m);
    expect(tested.out).toMatch(/^3 passed; rules that fired 1 of 2, never: /m);
  });

  test('makes the folders its endpoints read and write', async () => {
    await run('init');
    expect(statSync(join(directory, 'data', 'webshop', 'inbox')).isDirectory()).toBe(true);
    expect(statSync(join(directory, 'data', 'erp', 'inbox')).isDirectory()).toBe(true);
    expect(statSync(join(directory, '.signalbox')).mode & 0o777).toBe(0o700);
  });

  test('never overwrites, and then writes nothing', async () => {
    writeFileSync(join(directory, 'orders.yaml'), 'precious');
    const { code, err } = await run('init');
    expect(code).toBe(1);
    expect(err).toContain('error[E557]');
    expect(readFileSync(join(directory, 'orders.yaml'), 'utf8')).toBe('precious');
    expect(existsSync(join(directory, 'systems.yaml'))).toBe(false);
  });
});

describe('check', () => {
  beforeEach(start);

  test('says what is wrong, where, and what helps', async () => {
    edit('orders.yaml', 'table: country}', 'tabel: country}');
    const { code, out, err } = await run('check');
    expect({ code, err }).toEqual({ code: 1, err: '' });
    expect(out).toContain('error[E104] unknown key `tabel`\n  --> orders.yaml:');
    expect(out).toContain('did you mean `table`?');
    expect(out).toContain('1 error in 4 files. Nothing was applied.');
  });

  test('writes json and the annotations of github', async () => {
    edit('orders.yaml', 'table: country}', 'tabel: country}');
    const json: unknown = JSON.parse((await run('check', '--format', 'json')).out);
    expect(json).toEqual([expect.objectContaining({ severity: 'error', code: 'E104', file: 'orders.yaml' })]);
    expect(JSON.parse((await run('check', '-o', 'json')).out)).toEqual(json);
    expect((await run('check', '--format', 'github')).out).toMatch(/^::error file=orders\.yaml,line=\d+,col=\d+,endColumn=\d+,title=E104::/);
  });

  test('--fix makes the safe changes and keeps the rest of the file', async () => {
    edit('orders.yaml', '"040": AT', '040: AT');
    const before = readFileSync(join(directory, 'orders.yaml'), 'utf8');
    expect((await run('check')).out).toContain('W021');
    const { code, err } = await run('check', '--fix');
    expect(code).toBe(0);
    expect(err).toBe('orders.yaml: 1 fix\n');
    expect(readFileSync(join(directory, 'orders.yaml'), 'utf8')).toBe(before.replace('040: AT', '"040": AT'));
    expect((await run('check')).out).toBe('no problems in 4 files.\n');
  });

  test('without a configuration is a problem with a next step', async () => {
    mkdirSync(join(directory, 'empty'));
    const { code, out } = await run('check', '-c', 'empty');
    expect(code).toBe(1);
    expect(out).toContain('signalbox init');
  });

  test('writes nothing a terminal would act on', async () => {
    writeFileSync(join(directory, 'bad.yaml'), 'routes: {"a\\e]0;owned\\a\u202eb": {from: "\\e[31m"}}\n');
    for (const format of ['text', 'json', 'github']) {
      const { out } = await run('check', '--format', format);
      expect(out).not.toBe('');
      expect(out).not.toMatch(DANGEROUS);
    }
  });
});

describe('test', () => {
  beforeEach(start);

  test('fails with what was expected and what came', async () => {
    edit('orders.yaml', 'country: AT, total: 1234.50', 'country: DE, total: 1234.50');
    const { code, out } = await run('test');
    expect(code).toBe(1);
    expect(out).toMatch(/^FAIL {2}an order reaches the ERP with every digit {4}orders\.yaml:\d+$/m);
    expect(out).toMatch(/^ {6}Order\.country {2}expected "?DE"?, got "?AT"?$/m);
    expect(out).toMatch(/^1 failed, 2 passed/m);
  });

  test('-t picks tests by a part of their name', async () => {
    expect((await run('test', '-t', 'draft')).out).toMatch(/^1 passed/m);
    expect(await run('test', '-t', 'nothing like it')).toMatchObject({ code: 2, out: '' });
  });

  test('-o json parses', async () => {
    expect(JSON.parse((await run('test', '-o', 'json')).out)).toMatchObject({ results: [{ passed: true }, { passed: true }, { passed: true }] });
  });

  test('of a configuration with errors says so', async () => {
    edit('orders.yaml', 'publish: Order', 'publish: Ordre');
    const { code, out, err } = await run('test');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^error\[E\d{3}\]/);
  });
});

test('schema prints or writes the JSON Schema', async () => {
  const { out } = await run('schema');
  expect(JSON.parse(out)).toEqual(expect.any(Object));
  expect((await run('schema', '--write')).code).toBe(0);
  expect(readFileSync(join(directory, '.signalbox', 'schema.json'), 'utf8')).toBe(out);
});

describe('the socket is found', () => {
  test('in the state directory the configuration names, also when that is not the usual one', async () => {
    start();
    writeFileSync(join(directory, 'store.yaml'), 'store: {directory: elsewhere}\n');
    const server = createAdminServer(fakeService(), { socketPath: join(directory, 'elsewhere', 'signalbox.sock'), log: silentLog() });
    await server.listen();
    try {
      expect(await run('status', '-q')).toMatchObject({ code: 0 });
    } finally {
      await server.close();
    }
    expect(await run('status', '-q')).toMatchObject({ code: 3, err: expect.stringContaining('elsewhere/signalbox.sock') });
  });

  test('in the usual place when the configuration has errors', async () => {
    writeFileSync(join(directory, 'bad.yaml'), 'routes: [');
    expect(await run('status', '-q')).toMatchObject({ code: 3, err: expect.stringContaining('.signalbox/signalbox.sock') });
  });
});

/** What `init` writes, without a process. */
function start(): void {
  mkdirSync(join(directory, 'samples'));
  for (const [path, text] of starterFiles(directory)) writeFileSync(join(directory, path), text);
}

function edit(file: string, from: string, to: string): void {
  const path = join(directory, file);
  const text = readFileSync(path, 'utf8');
  if (!text.includes(from)) throw new Error(`${file} has no ${from}`);
  writeFileSync(path, text.replace(from, to));
}
