import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parse } from 'yaml';
import { statusText } from '../../cli/commands/status.js';
import { contentText, payloadText } from '../../cli/payload.js';
import { parseQuery } from '../../cli/query.js';
import { cut, table, width } from '../../cli/table.js';
import { age, bytes, clockTime, duration, localTimes, safe, safeJson, safeLines } from '../../cli/text.js';
import { yaml } from '../../cli/yaml.js';
import { fakeService } from '../console/fake-service.js';
import { DANGEROUS } from './harness.js';

const text = fc.string({ unit: 'binary' });

describe('text for a terminal', () => {
  test('is harmless whatever it was', () => {
    fc.assert(
      fc.property(text, (any) => {
        expect(safe(any)).not.toMatch(DANGEROUS);
        expect(safe(any)).not.toContain('\n');
        expect(safeLines(any)).not.toMatch(DANGEROUS);
        expect(payloadText(any)).not.toMatch(DANGEROUS);
        expect(contentText(Buffer.from(any))).not.toMatch(DANGEROUS);
      }),
    );
  });

  test('in JSON is the same JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        const json = JSON.stringify(value);
        expect(safeJson(json)).not.toMatch(DANGEROUS);
        expect(JSON.stringify(JSON.parse(safeJson(json)))).toBe(json);
      }),
    );
  });

  test('in YAML is read back as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        const written = safeJson(yaml(value));
        expect(written).not.toMatch(DANGEROUS);
        expect(JSON.stringify(parse(written))).toBe(JSON.stringify(value));
      }),
    );
  });

  test.each(['yes', 'NO', 'null', '12', '1e3', '0x1F', '.5', '-', '', ' a', 'a: b', '# a', 'true', '~', '2026-03-01'])('YAML keeps the text %j text', (value) => {
    for (const version of ['1.1', '1.2'] as const) expect(parse(yaml({ value }), { version })).toEqual({ value });
  });
});

test('the status of a cluster tells the nodes in use and those that are away', async () => {
  const status = await fakeService().status();
  const node = (address: string, connected: boolean, problem?: string) => ({ address, connected, problem });
  const detail = '1 of 3 nodes cannot be reached: mq3:5672';
  const nodes = [node('mq1:5672', true), node('mq2:5672', true), node('mq3:5672', false, 'connect ECONNREFUSED')];
  expect(statusText({ ...status, bus: { kind: 'rabbitmq', health: { connected: true, detail, nodes } } })).toContain(`bus rabbitmq ok (${detail}) via mq1:5672 and mq2:5672`);
  expect(statusText(status)).not.toContain(' via ');
});

test.each([
  [0, '0ms'],
  [41, '41ms'],
  [1_500, '1.5s'],
  [31_000, '31s'],
  [64_000, '1m04s'],
  [7_800_000, '2h10'],
  [12 * 86_400_000, '12d'],
])('%d ms is %s', (ms, words) => expect(duration(ms)).toBe(words));

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1_234, '1.2 kB'],
  [41_000_000, '41 MB'],
  [5_000_000_000_000_000, '5000 TB'],
])('%d bytes are %s', (count, words) => expect(bytes(count)).toBe(words));

test('ages are relative', () => {
  expect(age(1_000, 65_000)).toBe('1m04s ago');
  expect(age(65_000, 1_000)).toBe('in 1m04s');
  expect(age(undefined)).toBe('-');
});

test('instants in our own texts become local times of day, dates in data stay', () => {
  const at = new Date(2026, 2, 2, 9, 14, 2).getTime();
  const text = `tried; next ${new Date(at).toISOString()}`;
  expect(localTimes(text, at)).toBe(`tried; next ${clockTime(at).slice(0, 8)}`);
  expect(localTimes(text, at + 86_400_000)).toBe('tried; next 2026-03-02 09:14');
  expect(localTimes('due 2026-03-02T08:14:02.000Z', at)).toBe('due 2026-03-02T08:14:02.000Z');
});

describe('tables', () => {
  test('align wide characters and leave empty columns out', () => {
    expect(
      table(
        ['A', 'B', { title: 'N', align: 'right' }, 'C'],
        [
          ['注文', '', '7', 'x'],
          ['a', '', '12', ''],
        ],
      ),
    ).toBe('A      N  C\n注文   7  x\na     12');
  });

  test('are cut by columns', () => {
    expect(cut('abcdefgh', 6)).toBe('abc...');
    expect(width(cut('注文注文注文', 8))).toBeLessThanOrEqual(8);
  });
});

test('no query text is read as something else', () => {
  expect(parseQuery('', 5, 0)).toEqual({ limit: 5 });
  expect(parseQuery(' route=orders-out   code=E311 "a b" ', 5, 0)).toEqual({ route: 'orders-out', code: 'E311', key: 'a b', limit: 5 });
  fc.assert(
    fc.property(text, (any) => {
      try {
        parseQuery(any, 5, 0);
      } catch (error) {
        expect(error).toMatchObject({ exitCode: 2 });
      }
    }),
  );
});
