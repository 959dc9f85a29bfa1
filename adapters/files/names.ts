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

/** The same of a path below the folder that is read. */
export function pathProblem(path: string): string | undefined {
  for (const part of path.split('/')) {
    const problem = nameProblem(part);
    if (problem) return problem;
  }
  return path.includes('/') && Buffer.byteLength(encoded(path)) > LONGEST_NAME ? `the path has more than ${LONGEST_NAME} bytes` : undefined;
}

/** A name with everything unprintable escaped, for logs. */
export function shownName(name: string): string {
  return JSON.stringify(name.slice(0, LONGEST_NAME)).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Name in the work folder of a file: all of them lie in one folder, and where each came from must outlive a crash. */
export function workName(token: string, path: string): string {
  return path.includes('/') ? `${token}+.${encoded(path)}` : `${token}.${path}`;
}

export function pathOfWork(file: string): string {
  const dot = file.indexOf('.');
  const name = file.slice(dot + 1);
  return file[dot - 1] === '+' ? name.replaceAll('%2F', '/').replaceAll('%25', '%') : name;
}

/**
 * `*` is any run of characters but `/`, `**` any run at all, `?` is one character; everything else stands for itself. Upper and lower case differ. A
 * pattern without `/` is about the name alone, in whatever folder.
 */
export function globs(patterns: readonly string[]): (path: string) => boolean {
  const expressions = patterns.map((pattern) => ({ isPath: pattern.includes('/'), expression: new RegExp(`^${globSource(pattern)}$`, 's') }));
  return (path) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    return expressions.some(({ isPath, expression }) => expression.test(isPath ? path : name));
  };
}

function globSource(pattern: string): string {
  return pattern.replace(/\*\*+\/|\*\*+|\*|\?|[\\^$.+()[\]{}|]/g, (part) => {
    if (part.startsWith('**')) return part.endsWith('/') ? '(?:.*/)?' : '.*';
    return part === '*' ? '[^/]*' : part === '?' ? '[^/]' : `\\${part}`;
  });
}

function encoded(path: string): string {
  return path.replaceAll('%', '%25').replaceAll('/', '%2F');
}
