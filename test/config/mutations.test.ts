import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { renderDiagnostics } from '../../config/diagnostics.js';
import { storedFiles } from '../../config/files.js';
import { loadConfiguration } from '../../config/load.js';
import { fakes } from './support/fake-adapters.js';

const TEXT = `version: 1
systems:
  erp:
    adapter: fake-sql
    connect: {driver: postgres, host: "db", user: me, password: "\${secret:db}", timeout: 30s}
    read:
      orders: {table: ORD, key: ORD_NO, fields: {ORD_NO: text, CTRY: text, AMT: decimal}, schedule: {every: 30s}}
    write:
      stock: {table: STOCK}
types:
  Order: {id: required text, country: text 2, total: decimal 12.2}
tables:
  country: {rows: {"040": AT, '756': CH}, missing: fail}
routes:
  in:
    from: erp.orders
    publish: Order
    map: {id: record.ORD_NO, country: {from: record.CTRY, table: country}, total: record.AMT}
  out:
    subscribe: Order
    deliver:
      - name: stock
        when: >-
          order.total > 10.0
          && order.country == "CH"
        to: erp.stock
        map: {SKU: order.id}
    otherwise: {to: drop}
tests:
  - name: one
    given: {erp.orders: [{ORD_NO: "1", CTRY: "756", AMT: 12.50}]}
    expect: {Order: {id: "1"}}
`;
const PIECES = [
  '"',
  "'",
  '{',
  '}',
  '[',
  ']',
  ': ',
  '\n',
  '  ',
  '- ',
  '#',
  '|',
  '>',
  '&a ',
  '*a',
  '!x ',
  '${',
  '${X}',
  '${secret:x}',
  '040',
  '~',
  '\t',
  '-',
  '1e9',
  'true',
  '?',
  '%',
  '@',
  '\u{1f600}',
  '\r',
  '__proto__',
  'constructor',
  'NO',
];

const mutation = fc.record({ at: fc.nat(TEXT.length), cut: fc.nat(8), piece: fc.constantFrom('', ...PIECES) });

test('a mangled file gives a configuration or an error with a place in the file, and never a crash', async () => {
  const options = { specs: fakes, env: {}, allowMissingSecrets: true };
  expect((await loadConfiguration('/x', { ...options, files: storedFiles([{ path: 'a.yaml', text: TEXT }]) })).diagnostics).toEqual([]);
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
      const text = mutations.reduce((before, { at, cut, piece }) => before.slice(0, at) + piece + before.slice(at + cut), TEXT);
      const { configuration, diagnostics, sources } = await loadConfiguration('/x', { ...options, files: storedFiles([{ path: 'a.yaml', text }]) });
      expect(configuration !== undefined).toBe(!diagnostics.some(({ severity }) => severity === 'error'));
      configuration?.compile(1);
      const lines = text.split('\n');
      for (const { line, column, length } of diagnostics) if (line > 0) expect(column - 1 + length).toBeLessThanOrEqual(lines[line - 1]?.length ?? -1);
      expect(renderDiagnostics(diagnostics, sources, { colour: false, applied: undefined })).toContain('in 1 file');
    }),
    { numRuns: 400, seed: 20_261_121 },
  );
});
