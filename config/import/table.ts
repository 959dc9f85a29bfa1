import { type Described, type DescribedField, identifier, type Reference } from '../../adapters/contract/index.js';
import { Misconfigured } from '../../bus/errors.js';
import type { Value, ValueRecord } from '../../bus/value.js';
import { type Draft, type DraftField, type PlainMap, routeName, type Taken } from './draft.js';
import { endpointName, fieldName, typeName, unique } from './names.js';
import { withoutBytes } from './render.js';

/** A table with the tables whose rows go into its records. */
export interface TableSource {
  readonly system: string;
  readonly table: Described;
  readonly samples: readonly ValueRecord[];
  readonly children: readonly { readonly table: Described; readonly by: Reference; readonly samples: readonly ValueRecord[] }[];
}

export type Strategy = 'plain' | 'cursor' | 'triggers' | 'snapshot';

export interface TableWishes {
  readonly endpoint?: string;
  readonly type?: string;
  readonly strategy?: Strategy;
}

/** More rows than this are not compared one by one at every poll without being asked to. */
const MANY_ROWS = 2_000_000;

/** @throws Misconfigured E126 when the wish does not fit the table */
export function tableDraft({ system, table, samples, children }: TableSource, wishes: TableWishes, taken: Taken): Draft {
  const short = table.name.slice(table.name.lastIndexOf('.') + 1);
  const endpoint = wishes.endpoint ?? endpointName(short);
  const type = unique(wishes.type ?? typeName(short), taken.types);
  const chosen = choose(table, wishes.strategy);
  const skipped = table.fields.filter(({ type: kind }) => kind === 'bytes').map(({ name }) => name);
  const types = new Set([...taken.types, type]);
  const lists = children.map(({ table: child, by, samples: rows }) => {
    const name = child.name.slice(child.name.lastIndexOf('.') + 1);
    const own = unique(typeName(name), types);
    types.add(own);
    const linked = new Set(by.fields);
    return { field: fieldName(name), child, by, rows, type: own, fields: fieldsOf(child.fields.filter((each) => each.type !== 'bytes' && !linked.has(each.name))) };
  });
  const key = table.key.length > 0 ? table.key : (table.indexes.find(({ unique: isUnique }) => isUnique)?.fields ?? []);
  const columns = fieldsOf(table.fields.filter(({ type: kind }) => kind !== 'bytes'));
  const seesDeletes = 'snapshot' in chosen.options || 'triggers' in chosen.options;
  const fields = seesDeletes ? [OPERATION, ...columns.map((field) => (key.includes(field.path[0] ?? '') ? field : mayBeAbsent(field)))] : columns;
  const names = new Set(fields.map(({ as }) => as));
  const nested = lists.map(
    ({ field, type: own, fields: each }): DraftField => ({
      path: [field],
      as: unique(field, names),
      words: seesDeletes ? '' : 'required',
      ...(seesDeletes ? { mayBeAbsent: true } : {}),
      each: { type: own, fields: each },
    }),
  );
  return {
    system,
    endpoint,
    route: routeName(system, endpoint, taken),
    read: {
      table: table.name,
      ...(key.length === 0 ? {} : { key: key.length === 1 ? key[0] : key }),
      ...chosen.options,
      ...columnsOf(table.fields),
      ...(lists.length === 0 ? {} : { include: Object.fromEntries(lists.map(({ field, child, by }) => [field, includeOf(child, by)])) }),
    },
    type,
    fields: [...fields, ...nested],
    key,
    samples: samples.map((row) => withChildren({ ...(seesDeletes ? { operation: 'insert' } : {}), ...withoutBytes(row) }, lists)),
    notes: [
      ...(table.comment === undefined ? [] : [`${table.name}: ${table.comment.split('\n')[0]}`]),
      ...chosen.notes,
      ...(seesDeletes ? ['`operation` says insert, update or delete; of a deleted row perhaps only the key is known, so every other field may be absent.'] : []),
      ...(key.length === 0 ? ['There is no key: two rows with the same content are told apart by their number only.'] : []),
      ...table.children
        .filter(({ table: other }) => !lists.some(({ child }) => child.name === other))
        .map(({ table: other, fields: theirs }) => `${other} refers to it (${theirs.join(', ')}): \`--include ${other}\` puts its rows into the record.`),
      ...skipped.map((name) => `${name} holds bytes and was left out: a canonical type has none.`),
    ],
  };
}

/** What the ways of reading that see deletes add to the row. */
const OPERATION: DraftField = { path: ['operation'], as: 'operation', words: 'required text 6' };

function mayBeAbsent(field: DraftField): DraftField {
  return { ...field, words: field.words.replace(/^required /, ''), mayBeAbsent: true };
}

interface Choice {
  readonly options: PlainMap;
  readonly notes: readonly string[];
}

/** The safest way of reading that asks least of the system, and why. */
function choose(table: Described, wish: Strategy | undefined): Choice {
  const hasKey = table.key.length > 0 || table.indexes.some(({ unique: isUnique }) => isUnique);
  const version = table.cursors.find(({ by }) => by === 'version');
  const time = table.cursors.find(({ by, indexed }) => by === 'time' && indexed) ?? table.cursors.find(({ by }) => by === 'time');
  const number = table.cursors.find(({ by }) => by === 'number');
  const many = (table.rows ?? 0) > MANY_ROWS;
  const column = version ?? time ?? number;
  const ways: Readonly<Record<Strategy, () => Choice | undefined>> = {
    plain: () =>
      hasKey && table.watermark === 'transaction' && table.kind === 'table'
        ? {
            options: {},
            notes: [
              'Read by the number of the transaction that wrote each row: new and changed rows are seen, and none that is committed late is missed. Deleted rows are not seen.',
              ...(many ? ['It reads the whole table at each poll, and it is large: an indexed xid8 column (`cursor: {transaction: ...}`) reads only what is new.'] : []),
            ],
          }
        : undefined,
    cursor: () =>
      hasKey && column
        ? {
            options: { cursor: { column: column.field, ...(column.by === 'time' ? { overlap: '15m' } : {}) } },
            notes: [
              column.by === 'version'
                ? `${column.field} changes with every write: new and changed rows are seen. Deleted rows are not.`
                : column.by === 'time'
                  ? `${column.field} looks like the time of the last change: whoever writes the table has to set it each time. Rows are read again for 15 minutes, which must be longer than the longest transaction. Deleted rows are not seen.`
                  : `${column.field} grows with new rows: changes and deletes of rows that were read are not seen.`,
              ...(column.indexed ? [] : [`${column.field} has no index: each poll reads the whole table.`]),
            ],
          }
        : undefined,
    triggers: () =>
      hasKey && table.triggers !== false && table.kind === 'table'
        ? {
            options: { triggers: {} },
            notes: [
              'Triggers write each insert, change and delete into an outbox: nothing is missed. `signalbox systems install-triggers` prints them for review, and installs them with --apply.',
            ],
          }
        : undefined,
    snapshot: () => ({
      options: { snapshot: {} },
      notes: [
        `The whole table is read and compared with what was seen before: it sees new, changed and deleted rows and needs no column and no right but reading. What changes and changes back between two polls is not seen.${many ? ' It is large: give it a schedule.' : ''}`,
      ],
    }),
  };
  if (wish !== undefined) {
    const made = ways[wish]();
    if (!made) throw new Misconfigured('E126', `${table.name} cannot be read by ${wish}: ${WANTS[wish]}`);
    return made;
  }
  const order: readonly Strategy[] = version ? ['cursor'] : time?.indexed ? ['plain', 'cursor'] : many && table.triggers === true ? ['plain', 'triggers'] : ['plain'];
  const made = [...order, 'snapshot' as const].map((way) => ({ way, choice: ways[way]() })).find(({ choice }) => choice !== undefined);
  const others = (Object.keys(ways) as Strategy[]).filter((way) => way !== made?.way && ways[way]() !== undefined);
  return {
    options: made?.choice?.options ?? {},
    notes: [...(made?.choice?.notes ?? []), ...(others.length === 0 ? [] : [`Other ways: ${others.map((way) => `\`--strategy ${way}\``).join(', ')}.`])],
  };
}

const WANTS: Readonly<Record<Strategy, string>> = {
  plain: 'it needs a PostgreSQL table with a key',
  cursor: 'it needs a key, and a column that grows',
  triggers: 'it needs a key, and the right to create triggers',
  snapshot: '',
};

function includeOf(child: Described, { fields, theirs }: Reference): PlainMap {
  const one = (names: readonly string[]) => (names.length === 1 ? names[0] : names);
  const order = child.key.filter((name) => !fields.includes(name));
  return {
    table: child.name,
    by: one(fields),
    ...(fields.every((name, at) => name === theirs[at]) ? {} : { parent: one(theirs) }),
    ...(order.length === 0 ? {} : { order: one(order) }),
    ...columnsOf(child.fields.filter(({ name }) => !fields.includes(name))),
  };
}

/** Only the columns that are used; all of them where the configuration cannot name one. */
function columnsOf(fields: readonly DescribedField[]): { readonly columns?: PlainMap } {
  const used = fields.filter(({ type }) => type !== 'bytes');
  return used.every(({ name }) => identifier().safeParse(name).success) ? { columns: Object.fromEntries(used.map(({ name, type }) => [name, type])) } : {};
}

function fieldsOf(fields: readonly DescribedField[]): readonly DraftField[] {
  const taken = new Set<string>();
  return fields.map((field) => {
    const as = unique(fieldName(field.name), taken);
    taken.add(as);
    return { path: [field.name], as, words: `${field.nullable ? '' : 'required '}${wordsOf(field)}` };
  });
}

function wordsOf({ type, length, precision, scale }: DescribedField): string {
  if (type === 'text') return length === undefined || length > 10_000 ? 'text' : `text ${length}`;
  if (type === 'decimal' || type === 'number') return precision === undefined ? 'decimal' : `decimal ${precision}.${scale ?? 0}`;
  return type === 'any' || type === 'bytes' ? 'text' : type;
}

function withChildren(row: ValueRecord, lists: readonly { readonly field: string; readonly by: Reference; readonly rows: readonly ValueRecord[] }[]): ValueRecord {
  const same = (a: Value | undefined, b: Value | undefined): boolean => String(a) === String(b);
  const found = lists.map(({ field, by, rows }) => {
    const own = rows.filter((child) => by.fields.every((name, at) => same(child[name], row[by.theirs[at] ?? ''])));
    return [field, own.map(withoutBytes)] as const;
  });
  return { ...row, ...Object.fromEntries(found) };
}
