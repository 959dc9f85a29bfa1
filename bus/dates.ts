// Dates as old systems write them (`yyyyMMdd`, `dd.MM.yy`, `dd-MM-yyyy HH:mm:ss`), from and to ISO 8601 text. Pure: no clock, no time zone, no locale.
// A two-digit year is read as POSIX strptime reads it: 69 to 99 is 1969 to 1999, 00 to 68 is 2000 to 2068.

interface Part {
  /** A pattern letter group such as `yyyy`; undefined for literal text. */
  readonly field: Field | undefined;
  readonly text: string;
}

type Field = 'yyyy' | 'yy' | 'MM' | 'M' | 'dd' | 'd' | 'DDD' | 'HH' | 'H' | 'mm' | 'ss' | 'SSS' | 'XXX';

interface Moment {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** Hours, minutes, seconds, milliseconds; undefined for a plain date. */
  readonly time: readonly [number, number, number, number] | undefined;
  /** `Z`, `+01:00` or nothing. */
  readonly offset: string;
}

const DIGITS: Readonly<Record<Field, string>> = {
  yyyy: '\\d{4}',
  yy: '\\d{2}',
  MM: '\\d{2}',
  M: '\\d{1,2}',
  dd: '\\d{2}',
  d: '\\d{1,2}',
  DDD: '\\d{3}',
  HH: '\\d{2}',
  H: '\\d{1,2}',
  mm: '\\d{2}',
  ss: '\\d{2}',
  SSS: '\\d{3}',
  XXX: 'Z|[+-]\\d{2}:\\d{2}',
};
const FIELDS = new Set(Object.keys(DIGITS));
const TOKEN = /'(?:[^']|'')*'|([A-Za-z])\1*|[^A-Za-z']/g;
const ISO = /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?([Zz]|[+-]\d{2}:\d{2})?)?$/;

/** What is wrong with a date pattern, as text; undefined when it can be used. For checks while the configuration is loaded. */
export function datePatternProblem(pattern: string): string | undefined {
  const parts = compile(pattern);
  if (typeof parts === 'string') return parts;
  const fields = new Set(parts.flatMap((part) => (part.field ? [part.field] : [])));
  const has = (...names: readonly Field[]): boolean => names.some((name) => fields.has(name));
  if (!has('yyyy', 'yy')) return 'a date pattern needs a year (yyyy or yy)';
  if (!has('DDD') && !(has('MM', 'M') && has('dd', 'd'))) return 'a date pattern needs month (MM) and day (dd), or the day of the year (DDD)';
  if (has('mm') && !has('HH', 'H')) return 'minutes are mm, months MM; there is mm without HH';
  if ((has('ss') && !has('mm')) || (has('SSS') && !has('ss'))) return 'a time pattern has HH, then mm, then ss, then SSS';
  if (has('XXX') && !has('HH', 'H')) return 'an offset (XXX) needs a time (HH)';
  return undefined;
}

/**
 * An ISO 8601 date or timestamp, written by `pattern`. The wall-clock time is written as it stands; no zone is converted.
 * @returns undefined when the text is no existing date, when the pattern asks for a time or offset the text has not, when a year does not fit
 * two digits (1969 to 2068), or when `pattern` is wrong
 */
export function formatDate(iso: string, pattern: string): string | undefined {
  const moment = readIso(iso);
  const parts = compile(pattern);
  if (!moment || typeof parts === 'string') return undefined;
  let text = '';
  for (const { field, text: literal } of parts) {
    const written = field ? writeField(moment, field) : literal;
    if (written === undefined) return undefined;
    text += written;
  }
  return text;
}

/**
 * Text in the form of `pattern` as ISO 8601: `2026-03-01`, with a time in the pattern `2026-03-01T08:30:00`, with an offset `2026-03-01T08:30:00+01:00`.
 * @returns undefined when the text does not have that form or names a day or time that does not exist
 */
export function parseDate(text: string, pattern: string): string | undefined {
  const parts = compile(pattern);
  if (typeof parts === 'string' || datePatternProblem(pattern)) return undefined;
  const match = expression(parts).exec(text);
  if (!match) return undefined;
  const found = new Map<Field, string>();
  let group = 1;
  for (const { field } of parts) {
    if (!field) continue;
    const digits = match[group++] ?? '';
    if ((found.get(field) ?? digits) !== digits) return undefined;
    found.set(field, digits);
  }
  const number = (...names: readonly Field[]): number | undefined => {
    const digits = names.map((name) => found.get(name)).find((value) => value !== undefined);
    return digits === undefined ? undefined : Number(digits);
  };
  const short = number('yy');
  const year = number('yyyy') ?? (short === undefined ? 0 : short + (short < 69 ? 2000 : 1900));
  const dayOfYear = number('DDD');
  const [month, day] = dayOfYear === undefined ? [number('MM', 'M') ?? 0, number('dd', 'd') ?? 0] : monthAndDay(year, dayOfYear);
  if (!exists(year, month, day)) return undefined;
  const date = `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}`;
  const hour = number('HH', 'H');
  if (hour === undefined) return date;
  const [minute, second, millisecond] = [number('mm') ?? 0, number('ss') ?? 0, found.get('SSS')];
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  return `${date}T${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}${millisecond === undefined ? '' : `.${millisecond}`}${found.get('XXX') ?? ''}`;
}

const compiled = new Map<string, readonly Part[] | string>();

function compile(pattern: string): readonly Part[] | string {
  const known = compiled.get(pattern);
  if (known !== undefined) return known;
  const made = split(pattern);
  if (compiled.size < 1_000) compiled.set(pattern, made);
  return made;
}

function split(pattern: string): readonly Part[] | string {
  const parts: Part[] = [];
  let length = 0;
  for (const [token, letter] of pattern.matchAll(TOKEN)) {
    length += token.length;
    if (token.startsWith("'")) parts.push({ field: undefined, text: token === "''" ? "'" : token.slice(1, -1).replaceAll("''", "'") });
    else if (letter === undefined) parts.push({ field: undefined, text: token });
    else if (FIELDS.has(token)) parts.push({ field: token as Field, text: '' });
    else if (token === 'T') parts.push({ field: undefined, text: 'T' });
    else return `unknown letters ${token} in date pattern; known: ${[...FIELDS].join(' ')}; other letters stand in single quotes`;
  }
  if (length !== pattern.length) return "a ' without its end in date pattern";
  return parts;
}

function expression(parts: readonly Part[]): RegExp {
  return new RegExp(`^${parts.map((part) => (part.field ? `(${DIGITS[part.field]})` : part.text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))).join('')}$`);
}

function readIso(iso: string): Moment | undefined {
  const match = ISO.exec(iso);
  if (!match) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (!exists(year, month, day)) return undefined;
  if (match[4] === undefined) return { year, month, day, time: undefined, offset: '' };
  const [hour, minute, second] = [Number(match[4]), Number(match[5]), Number(match[6] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const fraction = (match[7] ?? '').padEnd(3, '0').slice(0, 3);
  return { year, month, day, time: [hour, minute, second, Number(fraction)], offset: (match[8] ?? '').toUpperCase() };
}

function writeField(moment: Moment, field: Field): string | undefined {
  const { year, month, day, time } = moment;
  switch (field) {
    case 'yyyy':
      return pad(year, 4);
    case 'yy':
      return year >= 1969 && year <= 2068 ? pad(year % 100, 2) : undefined;
    case 'MM':
      return pad(month, 2);
    case 'M':
      return String(month);
    case 'dd':
      return pad(day, 2);
    case 'd':
      return String(day);
    case 'DDD':
      return pad(dayOfYear(year, month, day), 3);
    case 'HH':
      return time && pad(time[0], 2);
    case 'H':
      return time && String(time[0]);
    case 'mm':
      return time && pad(time[1], 2);
    case 'ss':
      return time && pad(time[2], 2);
    case 'SSS':
      return time && pad(time[3], 3);
    case 'XXX':
      return moment.offset === '' ? undefined : moment.offset;
  }
}

/** Whether the text is a day of the calendar in the form of ISO 8601, from 0001-01-01 to 9999-12-31. */
export function isDay(text: string): boolean {
  if (text.length !== 10 || text[4] !== '-' || text[7] !== '-') return false;
  return exists(digits(text, 0, 4), digits(text, 5, 7), digits(text, 8, 10));
}

/** The number at this place of a text; NaN where other letters stand. */
function digits(text: string, from: number, to: number): number {
  let number = 0;
  for (let at = from; at < to; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}

function daysIn(year: number, month: number): number {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return month === 2 ? (leap ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function exists(year: number, month: number, day: number): boolean {
  return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
}

function dayOfYear(year: number, month: number, day: number): number {
  let days = day;
  for (let before = 1; before < month; before++) days += daysIn(year, before);
  return days;
}

function monthAndDay(year: number, dayOfTheYear: number): [number, number] {
  let [month, day] = [1, dayOfTheYear];
  while (month <= 12 && day > daysIn(year, month)) day -= daysIn(year, month++);
  return [month, day];
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0');
}
