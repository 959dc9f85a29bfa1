// Names of files that others choose are hostile until proven plain: they end in paths, logs and terminals.

/** Room for what Signalbox puts around a name; file systems end at 255 bytes. */
const LONGEST_NAME = 200;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** What is wrong with a file name; undefined when it is fine. */
export function nameProblem(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return 'the name is no name';
  if (/[/\\]/.test(name)) return 'the name has a path separator';
  if (UNPRINTABLE.test(name)) return 'the name has a control character';
  if (name.includes('\ufffd') || !name.isWellFormed()) return 'the name is not valid UTF-8';
  if (Buffer.byteLength(name) > LONGEST_NAME) return `the name has more than ${LONGEST_NAME} bytes`;
  return undefined;
}

/** A name with everything unprintable escaped, for logs. */
export function shownName(name: string): string {
  return JSON.stringify(name.slice(0, LONGEST_NAME)).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** `*` is any run of characters, `?` is one; everything else stands for itself. Upper and lower case differ. */
export function globs(patterns: readonly string[]): (name: string) => boolean {
  const expressions = patterns.map(
    (pattern) =>
      new RegExp(
        `^${pattern
          .replace(/[\\^$.+()[\]{}|]/g, '\\$&')
          .replace(/\*+/g, '.*')
          .replaceAll('?', '.')}$`,
        's',
      ),
  );
  return (name) => expressions.some((expression) => expression.test(name));
}
