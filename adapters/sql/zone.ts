// Times of columns without a zone: from and to the zone that the configuration says they are in. The host's own zone has no part in it.

/** What `connect` says about columns without a zone. */
export interface Zone {
  /** IANA name: `Europe/Berlin`. */
  readonly name: string;
  /** Which of the two instants a time means that the clock shows twice, when summer time ends. */
  readonly repeated: 'earlier' | 'later' | 'refuse';
}

/** `gap`: the clock never shows this time, it jumps over it when summer time begins. `repeated`: it shows it twice, and that is refused. */
export type NoInstant = 'gap' | 'repeated' | 'out of range';

export function isZone(name: string): boolean {
  try {
    clockOf(name);
    return true;
  } catch {
    return false;
  }
}

/** The instant of a local date-time `2026-03-01T08:00:00.123456`, with all its digits. */
export function instantOf(local: string, zone: Zone): { readonly instant: string } | NoInstant {
  const [seconds = '', fraction] = local.split('.');
  const wall = Date.parse(`${seconds}Z`);
  if (Number.isNaN(wall)) return 'out of range';
  const around = new Set([offsetAt(zone.name, wall - DAY), offsetAt(zone.name, wall + DAY)]);
  const instants = [...around].map((offset) => wall - offset).filter((at) => at + offsetAt(zone.name, at) === wall);
  const [first, second] = instants.toSorted((a, b) => a - b);
  if (first === undefined) return 'gap';
  if (second !== undefined && zone.repeated === 'refuse') return 'repeated';
  const at = second !== undefined && zone.repeated === 'later' ? second : first;
  return { instant: `${secondsText(at)}${fraction === undefined ? '' : `.${fraction}`}Z` };
}

/** What a clock in the zone shows at `at`; `fraction` is put behind it as it is. */
export function localOf(at: number, fraction: string | undefined, zone: Zone): string {
  return `${secondsText(at + offsetAt(zone.name, at))}${fraction === undefined ? '' : `.${fraction}`}`;
}

const DAY = 86_400_000;
const clocks = new Map<string, Intl.DateTimeFormat>();

// Since 1972 no clock was changed but at a quarter of an hour.
const QUARTER = 900_000;
const QUARTERS_FROM = Date.UTC(1972, 0);
const MOST_KNOWN = 20_000;
const known = new Map<string, number>();

/** Milliseconds the clock of the zone is ahead of UTC. */
function offsetAt(name: string, at: number): number {
  if (at < QUARTERS_FROM) return askOffset(name, at);
  const quarter = Math.floor(at / QUARTER);
  const key = `${quarter} ${name}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size >= MOST_KNOWN) known.clear();
  const offset = askOffset(name, quarter * QUARTER);
  known.set(key, offset);
  return offset;
}

function askOffset(name: string, at: number): number {
  const parts = Object.fromEntries(
    clockOf(name)
      .formatToParts(at)
      .map(({ type, value }) => [type, value]),
  );
  const { year = '', month, day, hour, minute, second } = parts;
  return Date.parse(`${year.padStart(4, '0')}-${month}-${day}T${hour}:${minute}:${second}Z`) - Math.floor(at / 1000) * 1000;
}

function clockOf(name: string): Intl.DateTimeFormat {
  const ready = clocks.get(name);
  if (ready) return ready;
  const clock = new Intl.DateTimeFormat('en-US', {
    timeZone: name,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  clocks.set(name, clock);
  return clock;
}

function secondsText(at: number): string {
  return new Date(at).toISOString().slice(0, 19);
}
