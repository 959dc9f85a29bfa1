import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Secret } from '../../adapters/contract/secret.js';
import { renderDiagnostics } from '../../config/diagnostics.js';
import { storedFiles } from '../../config/files.js';
import { loadConfiguration } from '../../config/load.js';
import { previewOf } from '../../config/preview.js';
import { directoryWith, load, places } from './support/directory.js';
import { fakeHook, fakeSql, fakes } from './support/fake-adapters.js';

const SYSTEM = 'systems:\n  erp:\n    adapter: fake-sql\n    connect: {driver: sqlite, file: erp.db}\n';
const READ = `${SYSTEM}    read:\n      orders: {table: ORD_HEAD, key: ORD_NO}\n`;
const POSTGRES = (rest: string): string => `systems:\n  erp:\n    adapter: fake-sql\n    connect: {driver: postgres, host: db, user: me, ${rest}}\n`;

describe('one mistake is reported once', () => {
  const ORDERS = 'types: {Order: {id: required text}}\nroutes:\n  in: {from: erp.orders, publish: Order, map: {id: record.ORD_NO}}\n';

  test.each([
    [
      'a mistyped required key is not missing too',
      { 's.yaml': SYSTEM, 't.yaml': 'types: {Order: {id: required text}}\ntests:\n  - name: a\n    given: {Order: {id: "1"}}\n    expct: {filtered: 1}\n' },
      ['E104 t.yaml:5:5'],
    ],
  ])('%s', async (_, files, expected) => {
    const found = places(await load(files)).filter((place) => !/W101|E107 r/.test(place));
    expect(found.map((place, at) => place.slice(0, expected[at]?.length))).toEqual(expected);
  });

  test('a wrong option of a long form is named, not the form', async () => {
    const { text } = await load({ 's.yaml': READ, 'r.yaml': ORDERS.replace('id: record.ORD_NO', 'id: {from: record.ORD_NO, decimal: coma}') });
    expect(text).toContain('`decimal`: expected one of comma, point, got the text "coma"');
    expect(text).toContain('did you mean `comma`?');
    expect(text).not.toContain('got a mapping');
  });

  test('a mistyped bus is told both forms', async () => {
    expect((await load({ 's.yaml': 'bus: embeded\n' })).text).toContain('expected embedded or a URL such as');
  });
});

describe('a configuration', () => {
  test('is made of all YAML files of the directory and those below it', async () => {
    const { configuration, diagnostics } = await load({
      'signalbox.yaml': 'version: 1\nbus: embedded\nlisten: "127.0.0.1:8080"\nretention: {history: 7d}\ndrain: 5s\nstore: {directory: state}\n',
      'systems/erp.yml': READ.replace('ORD_NO}', 'ORD_NO, expect: {every: 2h}, max_records: 10, schedule: {cron: "0 6 * * MON-FRI", between: "06:00-22:00", zone: Europe/Berlin}}'),
      'systems/hook.yaml':
        'version: 1\nsystems:\n  shop: {adapter: fake-hook, read: {order: {path: /order}}}\n  out: {adapter: fake-sql, connect: {driver: sqlite, file: b}, write: {orders: {table: T, parallel: 4}}}\n',
      '.hidden/x.yaml': 'a: [',
      'samples/x.yaml': 'a: [',
      'node_modules/x.yaml': 'a: [',
      'secrets/x.yaml': 'a: [',
      'api/shop.yaml': 'openapi: 3.1.0\ninfo: {title: Shop}\npaths: {}\n',
    });
    expect(diagnostics).toEqual([]);
    expect(configuration?.settings).toMatchObject({
      bus: { kind: 'embedded' },
      listen: { host: '127.0.0.1', port: 8080 },
      retention: { historyMs: 7 * 86_400_000, dedupeMs: 30 * 86_400_000 },
      drainMs: 5000,
      stateDirectory: expect.stringMatching(/signalbox-config-.*\/state$/),
    });
    expect([...(configuration?.systems.keys() ?? [])]).toEqual(['erp', 'shop', 'out']);
    expect(configuration?.systems.get('erp')?.inbound.get('erp.orders')).toEqual({
      name: 'erp.orders',
      config: { table: 'ORD_HEAD', key: 'ORD_NO' },
      schedule: { everyMs: undefined, cron: '0 6 * * MON-FRI', between: { from: '06:00', to: '22:00' }, zone: 'Europe/Berlin' },
      maxRecords: 10,
      expect: { atLeast: 1, everyMs: 7_200_000 },
    });
    expect(configuration?.systems.get('out')?.outbound.get('out.orders')).toMatchObject({ name: 'out.orders', config: { table: 'T' }, parallel: 4 });
    expect(configuration?.systems.get('shop')?.adapter).toBe(fakeHook);
    expect(configuration?.files.map(({ path }) => path)).toEqual(['api/shop.yaml', 'signalbox.yaml', 'systems/erp.yml', 'systems/hook.yaml']);
  });

  test('loads again from the files of a stored revision, with the same digest', async () => {
    const files = { 'a.yaml': `${READ}tables:\n  t: {csv: t.csv, key: k, value: v}\n`, 't.csv': 'k,v\n001,"a,b"\n' };
    const { configuration } = await load(files);
    expect(configuration?.routing.tables['t']?.rows).toEqual(new Map([['001', 'a,b']]));
    const again = await loadConfiguration('/nowhere', { specs: fakes, env: {}, files: storedFiles(configuration?.files ?? []) });
    expect(again.diagnostics).toMatchObject([{ code: 'W202' }]);
    expect(again.configuration?.digest).toBe(configuration?.digest);
    const changed = await load({ ...files, 't.csv': 'k,v\n001,c\n' });
    expect(changed.configuration?.digest).not.toBe(configuration?.digest);
    expect(changed.configuration?.systems.get('erp')?.digest).toBe(configuration?.systems.get('erp')?.digest);
  });

  test('previews what a target would get', async () => {
    const spec = { ...fakeSql, write: { ...fakeSql.write, preview: (config: unknown, payload: object) => JSON.stringify([config, payload]) } };
    const { configuration } = await load({ 'a.yaml': `${SYSTEM}    write: {t: {table: T}}\n` }, { specs: [spec] });
    if (!configuration) throw new Error('not loaded');
    expect(previewOf(configuration)('erp.t', { A: '1' })).toBe('[{"table":"T"},{"A":"1"}]');
    expect(previewOf(configuration)('erp.none', {})).toBeUndefined();
  });

  test('takes adapters of packages', async () => {
    const files = { 'a.yaml': `adapters: ["@acme/hook", "broken"]\n${READ}  hook: {adapter: fake-hook, read: {a: {path: /a}}}\n` };
    const loadPackage = (name: string) => (name === 'broken' ? Promise.reject(new Error('not installed')) : Promise.resolve(fakeHook));
    const result = await load(files, { specs: [fakeSql], loadPackage });
    expect(places(result)).toEqual(['E125 a.yaml:1:26']);
    expect(result.text).toContain('cannot load `broken`: not installed');
  });
});

describe('secrets and environment', () => {
  test('are filled in; secrets only where the schema wants one', async () => {
    const file = `bus: "amqp://me:\${secret:mq}@\${MQ_HOST}/"\n${POSTGRES('password: "${secret:db}", port: "${DB_PORT}", tls: "${TLS}"')}`;
    const { configuration, diagnostics } = await load(
      { 'a.yaml': file, 'secrets/mq': 'p@ss/word\n', 'secrets/db': 'hunter22' },
      { env: { MQ_HOST: 'mq1', DB_PORT: '6432', TLS: 'false' } },
    );
    expect(diagnostics).toEqual([]);
    expect(configuration?.settings.bus).toEqual({ kind: 'rabbitmq', urls: ['amqp://me:p%40ss%2Fword@mq1/'], prefix: 'signalbox' });
    const connect = configuration?.systems.get('erp')?.connect as { password: Secret; port: number; tls: boolean };
    expect(connect.password).toBeInstanceOf(Secret);
    expect([connect.password.reveal(), connect.port, connect.tls]).toEqual(['hunter22', 6432, false]);
    expect(configuration?.secrets.map(({ name }) => name)).toEqual(['db', 'mq']);
    expect(JSON.stringify([configuration?.systems.get('erp')?.connect, configuration?.files])).not.toContain('hunter22');
  });

  test('a changed secret changes the digest of its system only', async () => {
    const digests = async (password: string): Promise<unknown[]> => {
      const { configuration } = await load({
        'a.yaml': `${POSTGRES('password: "${secret:db}"')}  other: {adapter: fake-sql, connect: {driver: sqlite, file: x}}\n`,
        'secrets/db': password,
      });
      return ['erp', 'other'].map((name) => configuration?.systems.get(name)?.digest);
    };
    const [a, b] = await digests('hunter22');
    expect(await digests('hunter22')).toEqual([a, b]);
    const [c, d] = await digests('hunter23');
    expect(c).not.toBe(a);
    expect(d).toBe(b);
  });

  test('wrong references are reported once each, at the reference', async () => {
    const result = await load({
      'a.yaml': `${POSTGRES('password: "${secret:none}", port: "${NO_PORT}"')}  b: {adapter: fake-sql, connect: {driver: sqlite, file: "x-\${bad ref}"}}\n  c: {adapter: fake-sql, connect: {driver: sqlite, file: "\${secret:none}"}}\ntypes: {A: {id: "\${secret:none}"}}\n`,
    });
    expect(places(result)).toEqual(['E115 a.yaml:4:63', 'E111 a.yaml:4:88', 'E112 a.yaml:5:61', 'E114 a.yaml:6:58', 'E114 a.yaml:7:18']);
    expect((await load({ 'a.yaml': POSTGRES('password: "${secret:none}"') }, { allowMissingSecrets: true })).diagnostics).toEqual([]);
  });

  test('$${ writes a plain ${', async () => {
    const { configuration } = await load({ 'a.yaml': SYSTEM.replace('erp.db', () => '"$${A}"') });
    expect(configuration?.systems.get('erp')?.connect).toMatchObject({ file: '${A}' });
  });

  test('a secret from the environment is a warning', async () => {
    const result = await load({ 'a.yaml': POSTGRES('password: "${secret:db}"') }, { env: { SIGNALBOX_SECRET_DB: 'hunter22' } });
    expect([places(result), result.configuration !== undefined]).toEqual([['W100 a.yaml:4:63'], true]);
  });
});

describe('problems', () => {
  test('of the adapter are warnings or errors at their option', async () => {
    const result = await load({ 'a.yaml': `${READ.replace('ORD_NO}', 'ORD_NO, cursor: ORD_NO}')}    write: {t: {table: DUAL}}\n` });
    expect(places(result)).toEqual(['E118 a.yaml:6:54', 'W101 a.yaml:7:24']);
    expect(result.text).toContain('= help: take a column that changes');
  });

  test('of several kinds have a place and a helpful text', async () => {
    const result = await load({
      'a.yaml': `sytems: {}\n${READ.replace('ORD_HEAD', '"ORD HEAD"')}    call: {x: {}}\n  1x: {adapter: fake-hook, connect: {}, reed: {}}\n  shop: {adapter: fake-hook, read: {order: {path: /o, schedule: {every: 1h}}}}\n  none: {}\n`,
      'b.yaml': 'listen: 8080\nretention: {history: 5}\ndrain: soon\nversion: 2\n',
    });
    expect(places(result)).toEqual([
      'E104 a.yaml:1:1',
      'E106 a.yaml:7:23',
      'E119 a.yaml:8:5',
      'E110 a.yaml:9:3',
      'E104 a.yaml:9:41',
      'E118 a.yaml:10:55',
      'E107 a.yaml:11:3',
      'E106 b.yaml:1:9',
      'E106 b.yaml:2:22',
      'E106 b.yaml:3:8',
      'E106 b.yaml:4:10',
    ]);
    expect(result.diagnostics.map(({ message }) => message)).toEqual([
      'unknown key `sytems`',
      '`table`: expected a plain name such as ORD_HEAD or sales.ord_head, got the text "ORD HEAD"',
      'the adapter `fake-sql` has no `call`',
      '`1x` cannot be a name',
      'unknown key `reed`',
      '`schedule` has no effect: `fake-hook` listens, it is not polled',
      '`adapter` is missing',
      expect.stringMatching(/^`listen`: expected .*127\.0\.0\.1:8080.*, got the number 8080$/),
      '`history`: expected a duration such as 30s, got the number 5',
      '`drain`: expected a duration such as 250ms, 30s, 5m, 2h or 7d, got the text "soon"',
      '`version`: expected 1, got the number 2',
    ]);
  });

  test('of unions are about the alternative that was meant', async () => {
    const cursor = (text: string): string => READ.replace('ORD_NO}', `ORD_NO, cursor: ${text}}`);
    const results = await Promise.all(['{colum: A}', '5', '{column: A, overlap: 5}'].map((text) => load({ 'a.yaml': cursor(text) })));
    expect(results.map(({ diagnostics }) => diagnostics.map(({ message }) => message).join('; '))).toEqual([
      'unknown key `colum`',
      '`cursor`: expected text or a mapping (key: value), got the number 5',
      '`overlap`: expected a duration such as 30s, got the number 5',
    ]);
    const driver = await load({ 'a.yaml': SYSTEM.replace('sqlite', 'sqlit') });
    expect(driver.diagnostics).toMatchObject([
      { code: 'E106', message: '`driver`: expected one of postgres, sqlite, got the text "sqlit"', help: 'did you mean `sqlite`?', line: 4, column: 23 },
    ]);
  });

  test('a lost leading zero where text is wanted is one problem, with the fix', async () => {
    const result = await load({ 'a.yaml': READ.replace('ORD_NO', '040') });
    expect(result.diagnostics).toMatchObject([{ code: 'E106', message: '`key`: expected text, got the number 40', fix: '"040"' }]);
  });

  test('in code lists and samples are placed in their files', async () => {
    const result = await load({
      'a.yaml': `${READ}tables:\n  twice: {csv: t/twice.csv, key: k, value: v}\n  ragged: {csv: t/ragged.csv, key: k, value: v}\n  away: {csv: ../x.csv, key: k, value: v}\n  none: {csv: t/none.csv, key: k, value: v}\n  empty: {csv: t/empty.csv, key: k, value: v}\ntests:\n  - {name: a, given: {erp.orders: s/bad.json}, expect: {}}\n  - {name: b, given: {erp.order: [{A: 1}]}, expect: {}}\n`,
      't/twice.csv': 'k;v\n1;a\n2;b\n1;c\n',
      't/ragged.csv': 'k,v\n1,a,x\n',
      't/empty.csv': '',
      's/bad.json': '{"a": 1,\n "b": 01}',
    });
    expect(places(result).filter((place) => !place.startsWith('W202'))).toEqual([
      'E123 a.yaml:10:15',
      'E120 a.yaml:11:15',
      'E120 a.yaml:12:16',
      'E104 a.yaml:15:23',
      'E121 s/bad.json:2:8',
      'E120 t/ragged.csv:2:1',
      'E120 t/twice.csv:4:1',
    ]);
    expect(result.text).toContain('::: t/twice.csv:2:1');
  });

  test('the records of a test are exact and changed by `set`', async () => {
    const { configuration, text } = await load({
      'a.yaml': `${READ}tests:\n  - {name: a, given: {erp.orders: s.json, set: {CTRY: "999"}}, expect: {}}\n`,
      'b.yaml': 'tests:\n  - {name: b, given: {erp.orders: [{A: 1.10, B: 9007199254740993}, {}]}, expect: {}}\n',
      's.json': '[{"NO": 4711, "AMT": 1234.50}]',
    });
    expect(text).toBe('no problems in 3 files.\n');
    const given = configuration?.tests.map((each) => JSON.stringify([...each.given], (_, value: unknown) => (typeof value === 'bigint' ? `int ${value}` : value)));
    expect(given).toEqual(['[["erp.orders",[{"NO":"int 4711","AMT":"1234.50","CTRY":"999"}]]]', '[["erp.orders",[{"A":"1.10","B":"int 9007199254740993"},{}]]]']);
  });

  test('the plain value of a secret is never shown, whatever else is wrong in its line', async () => {
    const result = await load({
      'a.yaml': POSTGRES('password: hunter22, prot: 1'),
      'b.yaml': `bus: amqp://me:hunter22@mq\n${POSTGRES('pasword: \'hunter22\', password: "${secret:x}"').replace('erp:', 'b:')}`,
    });
    expect(places(result)).toEqual(['E113 a.yaml:4:63', 'E104 a.yaml:4:73', 'E113 b.yaml:1:6', 'E104 b.yaml:5:53', 'E115 b.yaml:5:84']);
    expect(result.text).not.toContain('hunter22');
    expect(JSON.stringify(result.diagnostics)).not.toContain('hunter22');
    expect(renderDiagnostics(result.diagnostics, result.sources, { colour: true, applied: undefined })).not.toContain('hunter22');
  });
});

test('two tests of the same directory do not share anything', async () => {
  const directory = await directoryWith({ 'a.yaml': READ });
  const [a, b] = await Promise.all([loadConfiguration(directory, { specs: fakes, env: {} }), loadConfiguration(directory, { specs: fakes, env: {} })]);
  expect(a.configuration?.digest).toBe(b.configuration?.digest);
  expect(await readFile(join(directory, 'a.yaml'), 'utf8')).toBe(READ);
});
