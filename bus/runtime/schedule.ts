import { Cron } from 'croner';

/** When a polling endpoint is asked. Times of the day are those of `zone` (IANA), across daylight saving changes. */
export interface Schedule {
  readonly everyMs: number | undefined;
  readonly cron: string | undefined;
  readonly between: { readonly from: string; readonly to: string } | undefined;
  readonly zone: string;
}

/**
 * Milliseconds from `now` (the end of the last poll, or the start) to the next one. An interval runs on elapsed time, so a clock change does not
 * move it; a cron expression names wall-clock times (each once, also when the clock is put back). `again`: the last poll failed, so
 * its turn is still due.
 */
export function untilNext(schedule: Schedule, now: Date, turn: 'first' | 'next' | 'again'): number {
  const planned = turn === 'again' ? 0 : schedule.cron === undefined ? (turn === 'first' ? 0 : (schedule.everyMs ?? 30_000)) : untilCron(schedule.cron, schedule.zone, now);
  if (!schedule.between) return planned;
  const at = new Date(now.getTime() + planned);
  if (isWithin(at, schedule.between, schedule.zone)) return planned;
  const [hour, minute] = schedule.between.from.split(':').map(Number);
  return planned + untilCron(`${minute} ${hour} * * *`, schedule.zone, at);
}

function untilCron(pattern: string, timezone: string, now: Date): number {
  const next = new Cron(pattern, { timezone, paused: true }).nextRun(now);
  return next ? Math.max(0, next.getTime() - now.getTime()) : 86_400_000;
}

function isWithin(at: Date, { from, to }: { readonly from: string; readonly to: string }, timeZone: string): boolean {
  const time = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }).format(at);
  return from <= to ? from <= time && time < to : time >= from || time < to;
}
