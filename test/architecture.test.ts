import { globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from '@jest/globals';

// Which way imports point. A file belongs to the first row whose pattern matches; it may import its own row's folder, what the row lists, and
// packages only where the second table allows them.
const LAYER_0 = [
  'bus/message',
  'bus/value',
  'bus/decimal',
  'bus/json',
  'bus/dates',
  'bus/record',
  'bus/handler',
  'bus/finding',
  'bus/diagnosis',
  'bus/errors',
  'bus/failpoint',
  'bus/codes/',
];
const CONTRACT = [...LAYER_0, 'adapters/contract/'];
const ROWS: readonly { readonly name: string; readonly files: RegExp; readonly may: readonly string[] }[] = [
  { name: '0 message, errors, values', files: /^bus\/(message|value|decimal|json|dates|record|handler|finding|diagnosis|errors|failpoint)\.ts$|^bus\/codes\//, may: LAYER_0 },
  { name: '1 adapter contract', files: /^adapters\/contract\//, may: CONTRACT },
  { name: '2 codecs', files: /^adapters\/codecs\//, may: [...CONTRACT, 'adapters/codecs/'] },
  { name: '2 file pickup and publishing', files: /^adapters\/files\//, may: [...CONTRACT, 'adapters/codecs/', 'adapters/files/'] },
  { name: '3 catalog and loader', files: /^adapters\/[^/]+\.ts$/, may: ['*spec', ...CONTRACT, 'adapters/catalog', 'adapters/load'] },
  { name: '2 adapters', files: /^adapters\/([^/]+)\//, may: [...CONTRACT, 'adapters/codecs/', 'adapters/files/', 'adapters/$1/'] },
  { name: '2 broker contract', files: /^bus\/broker\.ts$/, may: CONTRACT },
  { name: '2 sqlite base', files: /^bus\/sqlite\//, may: [...CONTRACT, 'bus/sqlite/'] },
  { name: '2 store', files: /^bus\/store\//, may: [...CONTRACT, 'bus/store/', 'bus/sqlite/'] },
  { name: '2 embedded broker', files: /^bus\/embedded\//, may: [...CONTRACT, 'bus/broker', 'bus/embedded/', 'bus/sqlite/'] },
  { name: '2 rabbitmq', files: /^bus\/rabbitmq\//, may: [...CONTRACT, 'bus/broker', 'bus/rabbitmq/'] },
  { name: '2 broker module', files: /^bus\/broker\.module\.ts$/, may: [...CONTRACT, 'bus/broker', 'bus/embedded/', 'bus/rabbitmq/'] },
  { name: '2 routes', files: /^routes\//, may: [...CONTRACT, 'routes/'] },
  { name: '3 runtime', files: /^bus\/runtime\//, may: [...CONTRACT, 'bus/broker', 'bus/store/contract', 'bus/runtime/'] },
  { name: '3 import', files: /^config\/import\//, may: [...CONTRACT, 'routes/', 'adapters/catalog', 'adapters/load', 'adapters/codecs/', 'config/'] },
  { name: '3 config', files: /^config\//, may: [...CONTRACT, 'routes/', 'adapters/catalog', 'adapters/load', 'config/'] },
  { name: '4 service interface', files: /^console\/service\.ts$/, may: [...CONTRACT, 'bus/broker', 'bus/store/contract'] },
  { name: '4 wire form', files: /^console\/wire\.ts$/, may: [...CONTRACT, 'bus/broker', 'bus/store/contract', 'console/service'] },
  { name: '4 file custody', files: /^console\/custody\.ts$/, may: [...CONTRACT, 'bus/store/contract', 'bus/runtime/operator', 'console/service'] },
  {
    name: '4 operations',
    files: /^console\/operations\.ts$/,
    may: [...CONTRACT, 'bus/broker', 'bus/store/contract', 'bus/runtime/', 'config/route-summary', 'console/service', 'console/custody'],
  },
  { name: '4 admin API', files: /^console\/server\//, may: [...CONTRACT, 'bus/broker', 'bus/store/contract', 'console/service', 'console/wire', 'console/server/'] },
  {
    name: '4 commands',
    files: /^cli\//,
    may: [
      ...CONTRACT,
      'bus/broker',
      'bus/store/contract',
      'console/service',
      'console/wire',
      'cli/',
      'config/',
      'routes/',
      'adapters/catalog',
      'adapters/load',
      'signalbox',
      'standalone',
    ],
  },
  { name: '5 composition root', files: /^(signalbox|standalone)\.ts$/, may: [''] },
];

/** Who may import a client library, by folder or file. Packages not listed are free. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  amqplib: ['bus/rabbitmq/'],
  'better-sqlite3': ['bus/sqlite/', 'adapters/sql/', 'bus/store/sqlite/', 'bus/embedded/'],
  pg: ['adapters/sql/', 'bus/store/postgres/'],
  mysql2: ['adapters/sql/'],
  'pg-logical-replication': ['adapters/sql/reading/replication.ts'],
  koffi: ['adapters/sql/dialects/odbc/library.ts'],
  tedious: ['adapters/sql/dialects/sqlserver/'],
  oracledb: ['adapters/sql/dialects/oracle/'],
  'basic-ftp': ['adapters/ftp/client.ts'],
  'ssh2-sftp-client': ['adapters/sftp/client.ts', 'adapters/sftp/host-keys.ts'],
  undici: ['adapters/rest/client.ts'],
  fastify: ['bus/runtime/http.ts', 'console/server/'],
  winston: ['bus/runtime/log.ts'],
  'prom-client': ['bus/runtime/telemetry.ts'],
  yaml: ['config/'],
  '@marcbachmann/cel-js': ['routes/expression/'],
  '@bufbuild/re2': ['routes/expression/'],
  saxes: ['adapters/codecs/sax.ts'],
  openpgp: ['adapters/codecs/openpgp.ts'],
  yauzl: ['adapters/codecs/archive.ts'],
  yazl: ['adapters/codecs/archive-writer.ts'],
  'csv-parse': ['adapters/codecs/', 'config/'],
  commander: ['cli/'],
  inversify: ['adapters/contract/injection.ts', 'adapters/adapters.module.ts', 'signalbox.ts', 'standalone.ts'],
};

const root = join(import.meta.dirname, '../..');
const files = globSync('{signalbox.ts,standalone.ts,{bus,adapters,routes,config,console,cli}/**/*.ts}', { cwd: root })
  .map((file) => file.replaceAll('\\', '/'))
  .sort();
const imports = new Map(files.map((file) => [file, importsOf(file)]));

function importsOf(file: string): readonly { readonly to: string; readonly isType: boolean }[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = text.matchAll(/^(?:import|export)\s+(type\s)?[^'"`;]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)|new URL\('([^']+)',\s*import\.meta\.url\)/gm);
  return [...found].map((match) => {
    const name = match[2] ?? match[3] ?? match[4] ?? match[5] ?? '';
    return { to: name.startsWith('.') ? normalize(join(dirname(file), name)).replace(/\.js$/, '.ts') : name, isType: match[1] !== undefined };
  });
}

describe('architecture', () => {
  test('there is something to check', () => {
    expect(files.length).toBeGreaterThan(40);
  });

  test('every file belongs to a row of the table', () => {
    expect(files.filter((file) => !ROWS.some((row) => row.files.test(file)))).toEqual([]);
  });

  test('imports point the way the table says', () => {
    const breaches = files.flatMap((file) => {
      const row = ROWS.find(({ files: pattern }) => pattern.test(file));
      const own = row?.files.exec(file)?.[1] ?? '';
      return (imports.get(file) ?? [])
        .filter(({ to }) => files.includes(to))
        .filter(({ to }) => !row?.may.some((allowed) => (allowed === '*spec' ? /^adapters\/[^/]+\/index\.ts$/.test(to) : to.startsWith(allowed.replace('$1', own)))))
        .map(({ to }) => `${file} (${row?.name}) imports ${to}`);
    });
    expect(breaches).toEqual([]);
  });

  test('client libraries stay in their rooms', () => {
    const breaches = files.flatMap((file) =>
      (imports.get(file) ?? []).flatMap(({ to }) => {
        const name = to
          .split('/')
          .slice(0, to.startsWith('@') ? 2 : 1)
          .join('/');
        const rooms = PACKAGES[name];
        return rooms && !rooms.some((room) => file.startsWith(room)) && !(name === 'inversify' && file.endsWith('.module.ts')) ? [`${file} imports ${to}`] : [];
      }),
    );
    expect(breaches).toEqual([]);
  });

  test('layer 0 imports node only', () => {
    const outside = files
      .filter((file) => ROWS[0]?.files.test(file))
      .flatMap((file) => (imports.get(file) ?? []).map(({ to }) => to).filter((to) => !files.includes(to) && !to.startsWith('node:') && !builtinModules.includes(to)));
    expect(outside).toEqual([]);
  });

  test("an adapter's spec loads no client library", () => {
    const reach = (file: string, seen: Set<string>): Set<string> => {
      for (const { to, isType } of imports.get(file) ?? []) {
        if (isType || seen.has(to) || to.endsWith('/adapter.ts')) continue;
        seen.add(to);
        if (files.includes(to)) reach(to, seen);
      }
      return seen;
    };
    const heavy = [
      'amqplib',
      'basic-ftp',
      'better-sqlite3',
      'pg',
      'pg-logical-replication',
      'mysql2',
      'mysql2/promise',
      'koffi',
      'tedious',
      'oracledb',
      'ssh2-sftp-client',
      'undici',
    ];
    const specs = files.filter((file) => /^adapters\/(?!contract)[^/]+\/index\.ts$/.test(file));
    expect(specs.flatMap((file) => [...reach(file, new Set())].filter((to) => heavy.includes(to)).map((to) => `${file} reaches ${to}`))).toEqual([]);
  });

  test('there is no import cycle', () => {
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
        return;
      }
      state.set(file, 'open');
      for (const { to, isType } of imports.get(file) ?? []) if (!isType && files.includes(to)) visit(to, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });
});
