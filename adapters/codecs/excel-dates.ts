// Dates of a workbook: a number, and a number format that says it is one (ECMA-376 part 1, 18.8.30 and 18.17.4).

export type DateKind = 'date' | 'timestamp' | 'time' | undefined;

const DAY = 86_400_000;
/** 1899-12-30: from 1 March 1900 on, day 1 is 1899-12-31 less the 29 February that only Lotus and Excel have. */
const EPOCH_1900 = Date.UTC(1899, 11, 30);
const EPOCH_1904 = Date.UTC(1904, 0, 1);
const LAST = 2_958_466;

/** Built-in formats have no code in the file. 27 to 36 and 50 to 58 are dates in East Asian versions. */
export function builtInKind(id: number): DateKind {
  if ((id >= 14 && id <= 17) || (id >= 27 && id <= 31) || id === 36 || (id >= 50 && id <= 54) || id === 57 || id === 58) return 'date';
  if (id === 22) return 'timestamp';
  if ((id >= 18 && id <= 21) || (id >= 32 && id <= 35) || (id >= 45 && id <= 47)) return 'time';
  return undefined;
}

export function kindOfFormat(code: string): DateKind {
  // Without quoted text, escaped characters, colours and locales; `[h]` is a length of time and stays a number.
  const plain = (code.split(';')[0] ?? '').replace(/"[^"]*"|\\.|_.|\*./g, '');
  if (/\[(h+|m+|s+)\]/i.test(plain)) return undefined;
  const letters = plain
    .replace(/\[[^\]]*\]/g, '')
    .replace(/general|am\/pm|a\/p/gi, '')
    .toLowerCase();
  const [day, clock] = [/[yd]/.test(letters), /[hs]/.test(letters)];
  if (day) return clock ? 'timestamp' : 'date';
  if (clock) return 'time';
  return /m/.test(letters) && !/[0#?]/.test(letters) ? 'date' : undefined;
}

/** Text of a date, or `{problem}`. A date with a time of day is a timestamp, so that nothing is lost; there is no time zone. */
export function dateText(number: string, kind: Exclude<DateKind, undefined>, is1904: boolean): string | { readonly problem: string } {
  const serial = Number(number);
  if (!Number.isFinite(serial) || serial < 0 || serial >= LAST) return { problem: `${number} is no day Excel can show` };
  let days = Math.floor(serial);
  let milliseconds = Math.round((serial - days) * DAY);
  if (milliseconds === DAY) {
    milliseconds = 0;
    days++;
  }
  const clock = new Date(milliseconds).toISOString().slice(11, milliseconds % 1_000 === 0 ? 19 : 23);
  if (kind === 'time' && days === 0) return clock;
  if (!is1904 && days === 60) return { problem: 'day 60 is 29 February 1900 in Excel, which did not exist' };
  if (!is1904 && days === 0) return { problem: 'day 0 is 0 January 1900 in Excel, which did not exist' };
  const date = new Date(is1904 ? EPOCH_1904 + days * DAY : EPOCH_1900 + (days < 60 ? days + 1 : days) * DAY).toISOString().slice(0, 10);
  return kind === 'date' && milliseconds === 0 ? date : `${date}T${clock}`;
}
