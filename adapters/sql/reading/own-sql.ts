// Rows of a SELECT somebody wrote: it becomes a subselect, so that order, pages and conditions stand around it and never inside.
import { Decimal, Misconfigured, type Value } from '../../contract/index.js';
import type { Connect, Read } from '../config.js';
import type { Bind, Column, Dialect, Session } from '../dialects/dialect.js';
import { zonedColumn } from '../dialects/zoned.js';
import { type Row, readRow, type Shape, shapeOf } from '../rows.js';
import { type NamedStatement, parseStatement } from '../statement.js';
import type { Kind } from '../values.js';
import { PAGE_BYTES } from './page.js';

/** A value of the database with its kind, so that it can be compared again without loss. */
export interface Known {
  readonly value: Value;
  readonly kind: Kind;
}

export interface OwnPage {
  readonly shape: Shape;
  readonly rows: readonly Row[];
  /** There are more rows than were asked for. */
  readonly more: boolean;
}

export interface OwnQuery {
  readonly parameters?: Readonly<Record<string, Known>>;
  readonly where?: (parameters: Parameters) => readonly string[];
  /** Column names as the configuration writes them. */
  readonly order: readonly string[];
  readonly limit: number;
}

const ALIAS = 'signalbox_q';

export class OwnSql {
  readonly #statement: NamedStatement;

  /** @throws Misconfigured when it is not one SELECT */
  constructor(
    sql: string,
    private readonly connect: Connect,
  ) {
    const statement = parseStatement(sql);
    if (typeof statement === 'string') throw new Misconfigured('E427', statement);
    this.#statement = statement;
  }

  async page(dialect: Dialect, session: Session, read: Pick<Read, 'columns'>, needed: readonly string[], asked: OwnQuery): Promise<OwnPage> {
    const parameters = new Parameters(dialect);
    const text = this.#statement.parts.map((part) => {
      if (typeof part === 'string') return part;
      const known = asked.parameters?.[part.name];
      if (!known) throw new Misconfigured('E427', `the SQL has the parameter :${part.name}, which has no value here`);
      return parameters.place(known);
    });
    const where = asked.where?.(parameters) ?? [];
    const order = asked.order.map(named).join(', ');
    // The SQL may end in a comment.
    const sql = dialect.page({ columns: '*', from: `(${text.join('')}\n) ${ALIAS}`, where, ...(order === '' ? {} : { order }), limit: asked.limit + 1 });
    const { fields, rows, cut = false } = await session.query(sql, parameters.binds, { bytes: PAGE_BYTES });
    const columns = fields.map(({ name, kind }): Column => zonedColumn({ name, kind, type: '', nullable: true }, this.connect));
    const shape = shapeOf({ sql: ALIAS, name: 'the query', view: true, columns }, read.columns, needed);
    const at = shape.selected.map(({ column }) => columns.findIndex(({ name }) => name === column.name));
    const taken = rows.slice(0, asked.limit);
    return {
      shape,
      rows: taken.map((cells) =>
        readRow(
          shape,
          at.map((index) => cells[index] ?? null),
        ),
      ),
      more: cut || rows.length > asked.limit,
    };
  }
}

/** Binds of values the database gave before. */
export class Parameters {
  readonly binds: Bind[] = [];

  constructor(private readonly dialect: Dialect) {}

  place({ value, kind }: Known): string {
    this.binds.push(this.dialect.known?.bind(value, kind) ?? this.dialect.bindFree(value));
    const place = this.dialect.place(this.binds.length);
    return this.dialect.known?.place(place, kind) ?? place;
  }
}

/** Unquoted: the database folds the case as it does for the SQL itself. */
export function named(column: string): string {
  return `${ALIAS}.${column}`;
}

/**
 * The same place in the order of the database, as far as can be told from outside: it may compare without case, accents and trailing blanks,
 * and 1.0 with 1.00. Taking two values for the same that are not does no harm.
 */
export function isSamePlace(one: Value, other: Value): boolean {
  if (one instanceof Decimal && other instanceof Decimal) return one.equals(other);
  return folded(one) === folded(other);
}

function folded(value: Value): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return String(value).normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().trimEnd();
}
