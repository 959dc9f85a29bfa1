import { describe, expect, test } from '@jest/globals';
import type { Described, DescribedField } from '../../../adapters/contract/index.js';
import { type Strategy, tableDraft } from '../../../config/import/table.js';

const field = (name: string, type: DescribedField['type'] = 'text', more: Partial<DescribedField> = {}): DescribedField => ({
  name,
  type,
  nativeType: type,
  nullable: false,
  ...more,
});
const described = (more: Partial<Described> = {}): Described => ({
  name: 'ORD_HEAD',
  kind: 'table',
  fields: [field('ORD_NO', 'integer'), field('CUST', 'text', { length: 8, nullable: true })],
  key: ['ORD_NO'],
  indexes: [],
  parents: [],
  children: [],
  cursors: [],
  ...more,
});
const draftOf = (table: Described, strategy?: Strategy) =>
  tableDraft({ system: 'legacy', table, samples: [], children: [] }, { ...(strategy === undefined ? {} : { strategy }) }, { types: new Set(), routes: new Set() });
const strategyOf = (table: Described): readonly string[] => Object.keys(draftOf(table).read).filter((name) => ['cursor', 'triggers', 'snapshot'].includes(name));

describe('the safest way to read a table that asks least', () => {
  const number = { field: 'ORD_NO', by: 'number', indexed: true } as const;
  const time = { field: 'CHG_TS', by: 'time', indexed: true } as const;

  test('PostgreSQL: by transaction, with nothing to configure', () => {
    expect(strategyOf(described({ watermark: 'transaction', cursors: [number] }))).toEqual([]);
    expect(draftOf(described({ watermark: 'transaction' })).notes[0]).toContain('none that is committed late is missed');
  });

  test('a version the database keeps', () => {
    expect(draftOf(described({ cursors: [{ field: 'RV', by: 'version', indexed: true }, time] })).read).toMatchObject({ cursor: { column: 'RV' } });
  });

  test('a time of change with an index is read with an overlap', () => {
    expect(draftOf(described({ cursors: [time, number] })).read).toMatchObject({ cursor: { column: 'CHG_TS', overlap: '15m' } });
  });

  test('nothing but a key: compared with what was there', () => {
    expect(strategyOf(described({ cursors: [number], triggers: true }))).toEqual(['snapshot']);
    expect(draftOf(described({ cursors: [number], triggers: true })).notes.join('\n')).toContain('--strategy triggers');
  });

  test('nothing but a key, and very large: triggers where they are allowed', () => {
    expect(strategyOf(described({ rows: 50_000_000, triggers: true }))).toEqual(['triggers']);
    expect(strategyOf(described({ rows: 50_000_000, triggers: false }))).toEqual(['snapshot']);
  });

  test('no key at all', () => {
    const draft = draftOf(described({ key: [], watermark: 'transaction' }));
    expect(draft.read).toMatchObject({ snapshot: {} });
    expect(draft.read).not.toHaveProperty('key');
    expect(draft.notes.join('\n')).toContain('There is no key');
  });

  test('what sees deletes says so in the record, and needs no field but the key', () => {
    const { fields } = draftOf(described(), 'snapshot');
    expect(fields.map(({ as, words, mayBeAbsent = false }) => [as, words, mayBeAbsent])).toEqual([
      ['operation', 'required text 6', false],
      ['ordNo', 'required integer', false],
      ['cust', 'text 8', true],
    ]);
  });

  test('a wish that does not fit says why', () => {
    expect(() => draftOf(described({ key: [] }), 'triggers')).toThrow('it needs a key, and the right to create triggers');
    expect(draftOf(described({ cursors: [number] }), 'cursor').read).toMatchObject({ cursor: { column: 'ORD_NO' } });
  });
});

test('bytes are left out and said, columns that cannot be named leave `columns` out, lengths and digits become words', () => {
  const fields = [field('A', 'decimal', { precision: 12, scale: 2 }), field('B C', 'text', { nullable: true, length: 20 }), field('IMG', 'bytes')];
  const draft = draftOf(described({ fields, key: ['A'], watermark: 'transaction' }));
  expect(draft.fields).toEqual([
    { path: ['A'], as: 'a', words: 'required decimal 12.2' },
    { path: ['B C'], as: 'bC', words: 'text 20' },
  ]);
  expect(draft.read).not.toHaveProperty('columns');
  expect(draft.notes.join('\n')).toContain('IMG holds bytes');
});
