// EBCDIC code pages. Each of 037, 273, 500 and 1047 is a permutation of the 256 characters of ISO 8859-1; 1140, 1141 and 1148 are the same with the euro
// sign for the currency sign. The tables are what glibc's iconv says (a test compares them): for each byte the ISO 8859-1 byte in hex.

/** Whether the canonical name of an encoding is an EBCDIC code page. */
export function isEbcdic(encoding: string): boolean {
  return Object.hasOwn(PAGES, encoding);
}

export function decodeEbcdic(bytes: Uint8Array, encoding: string): string {
  const { toLatin, euro } = pageOf(encoding);
  const latin = Buffer.allocUnsafe(bytes.length);
  for (let at = 0; at < bytes.length; at++) latin[at] = toLatin[bytes[at] ?? 0] ?? 0;
  const text = latin.toString('latin1');
  return euro ? text.replaceAll('\u00a4', '\u20ac') : text;
}

/** Undefined for a text with a character the page has not. */
export function encodeEbcdic(text: string, encoding: string): Buffer | undefined {
  const { fromLatin, euro } = pageOf(encoding);
  const bytes = Buffer.allocUnsafe(text.length);
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    const latin = !euro ? unit : unit === 0x20ac ? 0xa4 : unit === 0xa4 ? 0x100 : unit;
    if (latin > 0xff) return undefined;
    bytes[at] = fromLatin[latin] ?? 0;
  }
  return bytes;
}

interface Page {
  readonly toLatin: Uint8Array;
  readonly fromLatin: Uint8Array;
  readonly euro: boolean;
}

const built = new Map<string, Page>();

function pageOf(encoding: string): Page {
  const known = built.get(encoding);
  if (known) return known;
  const { table, euro } = PAGES[encoding] ?? { table: '', euro: false };
  const toLatin = Buffer.from(table, 'hex');
  const fromLatin = new Uint8Array(256);
  for (const [byte, latin] of toLatin.entries()) fromLatin[latin] = byte;
  const page = { toLatin, fromLatin, euro };
  built.set(encoding, page);
  return page;
}

const P037 =
  '000102039c09867f978d8e0b0c0d0e0f101112139d8508871819928f1c1d1e1f80818283840a171b88898a8b8c050607909116939495960498999a9b14159e1a' +
  '20a0e2e4e0e1e3e5e7f1a22e3c282b7c26e9eaebe8edeeefecdf21242a293bac2d2fc2c4c0c1c3c5c7d1a62c255f3e3ff8c9cacbc8cdcecfcc603a2340273d22' +
  'd8616263646566676869abbbf0fdfeb1b06a6b6c6d6e6f707172aabae6b8c6a4b57e737475767778797aa1bfd0dddeae5ea3a5b7a9a7b6bcbdbe5b5dafa8b4d7' +
  '7b414243444546474849adf4f6f2f3f57d4a4b4c4d4e4f505152b9fbfcf9faff5cf7535455565758595ab2d4d6d2d3d530313233343536373839b3dbdcd9da9f';
const P273 =
  '000102039c09867f978d8e0b0c0d0e0f101112139d8508871819928f1c1d1e1f80818283840a171b88898a8b8c050607909116939495960498999a9b14159e1a' +
  '20a0e27be0e1e3e5e7f1c42e3c282b2126e9eaebe8edeeefec7edc242a293b5e2d2fc25bc0c1c3c5c7d1f62c255f3e3ff8c9cacbc8cdcecfcc603a23a7273d22' +
  'd8616263646566676869abbbf0fdfeb1b06a6b6c6d6e6f707172aabae6b8c6a4b5df737475767778797aa1bfd0dddeaea2a3a5b7a940b6bcbdbeac7cafa8b4d7' +
  'e4414243444546474849adf4a6f2f3f5fc4a4b4c4d4e4f505152b9fb7df9faffd6f7535455565758595ab2d45cd2d3d530313233343536373839b3db5dd9da9f';
const P500 =
  '000102039c09867f978d8e0b0c0d0e0f101112139d8508871819928f1c1d1e1f80818283840a171b88898a8b8c050607909116939495960498999a9b14159e1a' +
  '20a0e2e4e0e1e3e5e7f15b2e3c282b2126e9eaebe8edeeefecdf5d242a293b5e2d2fc2c4c0c1c3c5c7d1a62c255f3e3ff8c9cacbc8cdcecfcc603a2340273d22' +
  'd8616263646566676869abbbf0fdfeb1b06a6b6c6d6e6f707172aabae6b8c6a4b57e737475767778797aa1bfd0dddeaea2a3a5b7a9a7b6bcbdbeac7cafa8b4d7' +
  '7b414243444546474849adf4f6f2f3f57d4a4b4c4d4e4f505152b9fbfcf9faff5cf7535455565758595ab2d4d6d2d3d530313233343536373839b3dbdcd9da9f';
const P1047 =
  '000102039c09867f978d8e0b0c0d0e0f101112139d8508871819928f1c1d1e1f80818283840a171b88898a8b8c050607909116939495960498999a9b14159e1a' +
  '20a0e2e4e0e1e3e5e7f1a22e3c282b7c26e9eaebe8edeeefecdf21242a293b5e2d2fc2c4c0c1c3c5c7d1a62c255f3e3ff8c9cacbc8cdcecfcc603a2340273d22' +
  'd8616263646566676869abbbf0fdfeb1b06a6b6c6d6e6f707172aabae6b8c6a4b57e737475767778797aa1bfd05bdeaeaca3a5b7a9a7b6bcbdbedda8af5db4d7' +
  '7b414243444546474849adf4f6f2f3f57d4a4b4c4d4e4f505152b9fbfcf9faff5cf7535455565758595ab2d4d6d2d3d530313233343536373839b3dbdcd9da9f';

const PAGES: Readonly<Record<string, { readonly table: string; readonly euro: boolean }>> = {
  cp037: { table: P037, euro: false },
  cp273: { table: P273, euro: false },
  cp500: { table: P500, euro: false },
  cp1047: { table: P1047, euro: false },
  cp1140: { table: P037, euro: true },
  cp1141: { table: P273, euro: true },
  cp1148: { table: P500, euro: true },
};

export const EBCDIC: readonly string[] = Object.keys(PAGES);
