// Where secret values come from: systemd credentials, files only their owner can read, the environment (with a warning).
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Secret } from '../adapters/contract/secret.js';
import type { Code } from '../bus/codes/index.js';

export interface SecretPlaces {
  /** `$CREDENTIALS_DIRECTORY` of a systemd unit. */
  readonly credentialsDirectory: string | undefined;
  /** Files named like the secret, mode 0600 or 0400. */
  readonly secretsDirectory: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export type SecretResult =
  | { readonly secret: Secret; readonly warning?: SecretProblem }
  /** Never holds the value. */
  | { readonly problem: SecretProblem };

export interface SecretProblem {
  readonly code: Code;
  readonly message: string;
  readonly help: string;
}

export const SECRET_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/;
const MAX_SECRET_BYTES = 1_000_000;
const SHORTEST = 5;

/** Looks a secret up, first provider first. A file that is there but not safe is an error, not a reason to look further. */
export async function readSecret(name: string, places: SecretPlaces): Promise<SecretResult> {
  if (places.credentialsDirectory !== undefined) {
    const found = await readFileSafely(join(places.credentialsDirectory, name), name, false);
    if (found !== undefined) return typeof found === 'string' ? checked(name, found) : { problem: found };
  }
  const found = await readFileSafely(join(places.secretsDirectory, name), name, true);
  if (found !== undefined) return typeof found === 'string' ? checked(name, found) : { problem: found };
  const variable = `SIGNALBOX_SECRET_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`;
  const value = places.env[variable];
  if (value !== undefined) {
    const result = checked(name, value);
    const help = `use a systemd credential or a file \`secrets/${name}\` with mode 0600`;
    return 'secret' in result ? { ...result, warning: { code: 'W100', message: `the secret \`${name}\` comes from the environment (${variable})`, help } } : result;
  }
  const help = `create a file \`secrets/${name}\` with mode 0600, or \`LoadCredential=${name}:...\` in the unit`;
  return { problem: { code: 'E115', message: `there is no secret \`${name}\``, help } };
}

/** Replaces the values of `secrets`, also base64 and URL-encoded, by their names; the last stage of a logger. */
export function redactor(secrets: Iterable<Secret>): (text: string) => string {
  const names = new Map<string, string>();
  for (const secret of secrets) {
    for (const form of forms(secret.reveal())) if (!names.has(form)) names.set(form, secret.toString());
  }
  if (names.size === 0) return (text) => text;
  const longestFirst = [...names.keys()].sort((a, b) => b.length - a.length).map((form) => form.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&'));
  const pattern = new RegExp(longestFirst.join('|'), 'g');
  return (text) => text.replace(pattern, (match) => names.get(match) ?? '[secret]');
}

/** The value as it may appear in a log: plain, JSON text, percent-encoded, and base64 at each of the three alignments. */
function forms(value: string): string[] {
  const found = new Set([value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value.toWellFormed())]);
  found.add(new URLSearchParams({ v: value }).toString().slice(2));
  for (const lead of ['', ' ', '  ']) {
    const bytes = Buffer.from(lead + value);
    // Characters at both ends share their bits with what stands around the value, so only those between are looked for.
    const text = bytes.toString('base64').replace(/=+$/, '');
    const middle = text.slice(lead.length === 0 ? 0 : lead.length + 1, bytes.length % 3 === 0 ? undefined : -1);
    if (middle.length < SHORTEST) continue;
    found.add(middle);
    found.add(middle.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return [...found].filter((form) => form.length >= SHORTEST);
}

function checked(name: string, raw: string): SecretResult {
  const value = raw.replace(/\r?\n$/, '');
  if (value.length < SHORTEST) {
    return { problem: { code: 'E117', message: `the secret \`${name}\` has fewer than ${SHORTEST} characters`, help: 'is the file empty? choose a longer secret' } };
  }
  return { secret: new Secret(name, value) };
}

/** The text of the file; undefined when there is none; a problem when it must not be used. */
async function readFileSafely(path: string, name: string, checkMode: boolean): Promise<string | SecretProblem | undefined> {
  const refused = (message: string, help: string): SecretProblem => ({ code: 'E116', message: `the secret \`${name}\` is refused: ${message}`, help });
  // A credential of systemd is protected by the kernel; elsewhere a link could point at a file others can write.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | (checkMode ? constants.O_NOFOLLOW : 0);
  try {
    await using file = await open(path, flags);
    const stat = await file.stat();
    if (!stat.isFile()) return refused('it is no plain file', 'put the value into a plain file');
    if (checkMode && (stat.mode & 0o177) !== 0) return refused(`its mode is ${(stat.mode & 0o777).toString(8).padStart(4, '0')}`, `chmod 0600 ${path}`);
    if (checkMode && stat.uid !== 0 && stat.uid !== process.getuid?.()) return refused(`its owner is user ${stat.uid}`, `chown it to the service user`);
    if (stat.size > MAX_SECRET_BYTES) return refused('it has more than 1 MB', 'a secret is a short text');
    return await file.readFile('utf8');
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'an error';
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    if (code === 'ELOOP') return refused('it is a symbolic link', 'replace the link by the file');
    return refused(`it cannot be read (${code})`, 'check owner and mode of the file');
  }
}
