import type { Value } from '../../contract/index.js';
import type { Column, Dialect, Session } from '../dialects/dialect.js';
import { Binds } from '../statement.js';
import type { Overlap } from './cursor-options.js';
import type { TablePlan } from './page.js';
import type { Warnings } from './source.js';

/** More rows than this in the band: too many to count at every poll. */
const MOST = 1_000;

/**
 * Looks whether rows arrive behind the overlap, where reading does not see them: a band as long as the overlap itself, just behind it, must not
 * get more rows. An early sign only: what arrives further back, or while rows leave the band, is not noticed.
 */
export class BehindOverlap {
  #band: { readonly high: Value; readonly rows: number } | undefined;

  constructor(private readonly warnings: Warnings) {}

  async look(dialect: Dialect, session: Session, plan: TablePlan, lead: Column, overlap: Overlap, high: Value): Promise<void> {
    const before = this.#band;
    const rows = before && (await this.#count(dialect, session, plan, lead, overlap, before.high));
    if (before && rows !== undefined && rows > before.rows && rows <= MOST) {
      this.warnings.once(
        'sql.row-behind',
        `${rows - before.rows} rows of ${plan.table.name} arrived behind the overlap and were not read: ${lead.name} was set, or committed, later than the overlap is long`,
      );
    }
    const now = await this.#count(dialect, session, plan, lead, overlap, high);
    this.#band = now > MOST ? undefined : { high, rows: now };
  }

  forget(): void {
    this.#band = undefined;
  }

  async #count(dialect: Dialect, session: Session, plan: TablePlan, lead: Column, overlap: Overlap, high: Value): Promise<number> {
    const name = dialect.quote(lead.name);
    const binds = new Binds(dialect);
    const twice = 'ms' in overlap ? { ms: overlap.ms * 2 } : { distance: overlap.distance * 2 };
    const where = [`${name} >= ${dialect.back(binds.compared(high, lead), twice)}`, `${name} < ${dialect.back(binds.compared(high, lead), overlap)}`];
    const { rows } = await session.query(dialect.page({ columns: dialect.select(lead), from: plan.table.sql, where, limit: MOST + 1 }), binds.values);
    return rows.length;
  }
}
