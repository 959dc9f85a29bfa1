import { type Clock, Misconfigured } from '../../contract/index.js';
import type { Column, Dialect, Session } from '../dialects/dialect.js';
import { after, Binds } from '../statement.js';
import { type Page, readPage, type TablePlan } from './page.js';
import type { WindowPosition } from './position.js';
import type { Warnings } from './source.js';

const STALLED_MINUTES = 5;

/** Where the database can tell which transactions have ended: rows by the number of the transaction that wrote them. */
export class WindowPages {
  #held: { readonly below: bigint; readonly since: number } | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly warnings: Warnings,
  ) {}

  /**
   * Rows of the transactions in `[from, to)`: all of them have ended, so none can appear later, and a row changed meanwhile belongs to the
   * next window. Watermark and rows come from one snapshot.
   */
  async step(
    dialect: Dialect,
    session: Session,
    plan: TablePlan & { readonly order: readonly Column[] },
    column: Column | undefined,
    position: WindowPosition,
    limit: number,
  ): Promise<{ readonly page: Page; readonly position: WindowPosition } | undefined> {
    const watermark = dialect.watermark;
    if (!watermark) return undefined;
    const { below, next } = await watermark.current(session);
    if (position.from > next) throw new Misconfigured('E426', `transaction ${position.from} was read, but the database is at ${next}: it was restored or is another one`);
    const to = position.to ?? below;
    this.#watch(below, next, watermark.look);
    if (to <= position.from) return undefined;
    const written = watermark.written(next, column);
    const binds = new Binds(dialect);
    const where: string[] = [];
    // Of a first run there are none before: one bound less to look at, and the planner walks the order.
    if (position.from > 0n || watermark.openEnded) {
      const from = watermark.number(position.from, column);
      const further = position.after && !column ? watermark.mostSince?.(written, from) : undefined;
      where.push(further ?? `${written} >= ${from}`);
    }
    if (!watermark.openEnded) where.push(`${written} < ${watermark.number(to, column)}`);
    if (position.after) where.push(after(dialect, plan.order, position.after, binds));
    const page = await readPage(dialect, session, plan, { where, binds, order: plan.order, limit, version: watermark.version(column) });
    return { page, position: page.next ? { by: 'transaction', from: position.from, to, after: page.next } : { by: 'transaction', from: to } };
  }

  /** An open write transaction anywhere in the cluster holds the watermark back: nothing is lost, but nothing comes either. */
  #watch(below: bigint, next: bigint, look: string): void {
    const now = this.clock.monotonic();
    if (this.#held?.below !== below || next === below) this.#held = { below, since: now };
    const minutes = Math.floor((now - this.#held.since) / 60_000);
    if (minutes >= STALLED_MINUTES) this.warnings.once('sql.watermark-held', `a transaction open for more than ${STALLED_MINUTES} minutes holds back all newer rows: ${look}`);
  }
}
