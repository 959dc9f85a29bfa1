/** Every text that starts with `prefix` sorts before this: SQLite compares UTF-8 bytes, and no text holds a code point above the last one. */
export function afterPrefix(prefix: string): string {
  return `${prefix}\u{10FFFF}`;
}
