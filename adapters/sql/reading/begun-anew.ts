import { Decimal, type Logger, Misconfigured, type Value } from '../../contract/index.js';
import type { Column, Dialect, Session } from '../dialects/dialect.js';
import { Binds } from '../statement.js';
import type { OnReset } from './cursor-options.js';
import { Gaps } from './gaps.js';
import { lastPlace, readPlaces, type TablePlan } from './page.js';
import type { CursorPosition } from './position.js';

/** Rows at or below the mark that are looked at. */
const MOST = 1_000;
/** What a few lost transactions leave out. Of a longer gap nobody knows what was in it. */
const SHORT_GAP = 100n;

interface OrderedPlan extends TablePlan {
  readonly order: readonly Column[];
}

/**
 * Looks whether the numbers of a table went down: it was made anew, or lost its last rows. Who goes on behind the old mark would wait for numbers that were read
 * long ago, and pass over new rows without a word. Only numbers are looked at: the latest time goes down whenever the latest row is removed, and new rows are later.
 * Rows that pass the mark between two polls are not noticed, unless a poll saw the table empty.
 */
export class BegunAnew {
  constructor(
    private readonly option: OnReset,
    /** Rows behind the mark are read again, and have to keep their ids. */
    private readonly overlaps: boolean,
    private readonly log: Logger,
  ) {}

  /** @returns where to go on: `position` itself when all is well @throws Misconfigured E439 */
  async judge(dialect: Dialect, session: Session, plan: OrderedPlan, position: CursorPosition): Promise<CursorPosition> {
    const [lead] = plan.order;
    const mark = markOf(position);
    if (!lead || !mark) return position;
    const end = await lastPlace(dialect, session, plan.table, [lead]);
    if (!end) return this.#emptied(plan, position);
    const highest = numberOf(end[0]);
    if (!highest || (!position.emptied && highest.compare(mark) >= 0)) return position;
    if (!(await this.#hasRead(dialect, session, plan, lead, mark, position))) return position;
    const [high, read] = [highest.toString(), mark.toString()];
    const what = position.emptied
      ? `was empty, and has rows again whose ${lead.name} was read: up to ${high}, and ${read} was read`
      : `has ${high} as its highest ${lead.name}, but ${read} was read`;
    const action = this.#action(mark);
    if (action === 'stop') {
      const shown = Number.isSafeInteger(Number(read)) ? read : `"${read}"`;
      throw new Misconfigured(
        'E439',
        `${plan.table.name} ${what}: it was made anew, or lost its last rows. Nothing is read until the cursor {column: ${lead.name}} says which: ` +
          `on_reset: {restart: ${shown}} reads the table from its first row, as new rows; on_reset: {continue: ${shown}} goes on behind ${high}`,
      );
    }
    this.log.warn('sql.begun-anew', `${plan.table.name} ${what}: ${action === 'restart' ? 'it is read from its first row' : `reading goes on behind ${high}`}`);
    if (action === 'restart') return anew(position);
    const last = await lastPlace(dialect, session, plan.table, plan.order);
    return last ? this.#behind(position, last) : this.#emptied(plan, position);
  }

  /** An empty table is normal; that nothing of the old rows is left is remembered. */
  #emptied({ table }: TablePlan, position: CursorPosition): CursorPosition {
    if (this.option === 'restart' || this.option === 'continue') {
      this.log.info('sql.begun-anew', `${table.name} is empty: what comes is read from the first row`);
      return anew(position);
    }
    return position.emptied ? position : { ...position, emptied: true };
  }

  #action(mark: Decimal): 'stop' | 'restart' | 'continue' {
    const { option } = this;
    if (typeof option === 'string') return option;
    const [action, number] = 'restart' in option ? (['restart', option.restart] as const) : (['continue', option.continue] as const);
    return Decimal.parse(number)?.compare(mark) === 0 ? action : 'stop';
  }

  #behind(position: CursorPosition, high: readonly Value[]): CursorPosition {
    const gaps = new Gaps(position.gaps);
    if (typeof high[0] === 'bigint') gaps.cut(high[0]);
    // A number that is given again is another row, whatever stands in it.
    const era = this.overlaps ? position.era : (position.era ?? 0n) + 1n;
    return { by: 'cursor', high, ...(position.gaps === undefined ? {} : { gaps: gaps.toString() }), ...(era === undefined ? {} : { era }) };
  }

  /** Whether there is a row at or below the mark that is none of a transaction that ended late. */
  async #hasRead(dialect: Dialect, session: Session, plan: OrderedPlan, lead: Column, mark: Decimal, { gaps }: CursorPosition): Promise<boolean> {
    const name = dialect.quote(lead.name);
    const binds = new Binds(dialect);
    const where = [`${name} <= ${binds.compared(mark, lead)}`];
    const rows = await readPlaces(dialect, session, plan.table, [lead], { where, binds, order: name, limit: MOST });
    const short = new Gaps(gaps).all.filter(({ from, to }) => from !== 0n && to - from < SHORT_GAP);
    return rows.some(([value]) => !short.some(({ from, to }) => typeof value === 'bigint' && value >= from && value <= to));
  }
}

/** From the first row, under other ids than before. */
function anew({ era = 0n }: CursorPosition): CursorPosition {
  return { by: 'cursor', era: era + 1n };
}

/** The highest number that was read, in the middle of a run too. */
function markOf({ high, after }: CursorPosition): Decimal | undefined {
  const [one, other] = [numberOf(high?.[0]), numberOf(after?.[0])];
  return one && other && one.compare(other) > 0 ? one : (other ?? one);
}

function numberOf(value: Value | undefined): Decimal | undefined {
  return typeof value === 'bigint' || value instanceof Decimal ? Decimal.of(value) : undefined;
}
