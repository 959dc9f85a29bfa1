// What a PICTURE character string says about an item.

export type Picture =
  | { readonly kind: 'text'; readonly length: number; readonly edited: boolean }
  /** `scale` is negative for P positions behind the digits. */
  | { readonly kind: 'number'; readonly digits: number; readonly scale: number; readonly signed: boolean };

const LONGEST = 1_048_576;

/** A text says what is wrong. */
export function parsePicture(picture: string): Picture | string {
  const shown = `PICTURE ${picture.slice(0, 40)}`;
  const symbols: [string, number][] = [];
  let at = 0;
  for (const match of picture.matchAll(/(CR|DB|[A-Z0-9*+\-$,./])(?:\((\d{1,7})\))?/g)) {
    if (match.index !== at) break;
    at += match[0].length;
    symbols.push([match[1] ?? '', Number(match[2] ?? 1)]);
  }
  if (at !== picture.length || symbols.length === 0) return `${shown} is not understood`;
  const count = (wanted: string): number => symbols.reduce((sum, [symbol, times]) => (wanted.includes(symbol) ? sum + times : sum), 0);
  const only = (allowed: string): boolean => symbols.every(([symbol]) => allowed.includes(symbol));
  const length = symbols.reduce((sum, [symbol, times]) => sum + ('VPS'.includes(symbol) ? 0 : symbol.length * times), 0);
  if (length > LONGEST) return `${shown} has more than ${LONGEST} characters`;
  if (only('9SVP')) {
    const digits = count('9');
    const flat = symbols.map(([symbol, times]) => ('VS'.includes(symbol) ? symbol : symbol.repeat(Math.min(times, 100)))).join('');
    if (digits === 0 || digits > 38 || !/^S?(?:9+(?:V9*)?|9+P+V?|V?P+9+|V9+)$/.test(flat)) return `${shown} is no number of 1 to 38 digits`;
    const scale = flat.includes('P9') ? count('P') + digits : flat.includes('9P') ? -count('P') : flat.includes('V') ? flat.length - 1 - flat.indexOf('V') : 0;
    return { kind: 'number', digits, scale, signed: flat.startsWith('S') };
  }
  if (only('XA9')) return { kind: 'text', length, edited: false };
  if (only('XA9ZB0/,.+-*$CRDBVP')) return { kind: 'text', length, edited: true };
  return `${shown} cannot be read`;
}
