// Turns what zod says about a value into findings in our words.
import type { z } from 'zod';
import { Secret } from '../adapters/contract/secret.js';
import { Decimal } from '../bus/decimal.js';
import { type Finding, nearest } from '../bus/finding.js';
import { alternatives, expectedWords, isSecretPlace, knownKeys, type Schema, schemasAt } from './schema-walk.js';
import type { Path } from './tree.js';

type Issue = z.core.$ZodIssue;

/**
 * @param at where `value` stands in the configuration
 * @param extraKeys options that are known here besides those of the schema
 */
export function findingsOf(issues: readonly Issue[], schema: Schema, value: unknown, at: Path, extraKeys: readonly string[] = []): Finding[] {
  return issues.flatMap((issue) => {
    // zod says a number is no safe integer besides saying that it is above the option's own limit.
    if (issue.code === 'too_big' && issue.maximum === Number.MAX_SAFE_INTEGER && issues.length > 1) return [];
    const path = issue.path.filter((step): step is string | number => typeof step !== 'symbol');
    const here = { severity: 'error', path: [...at, ...path] } as const;
    const found = valueAt(value, path);
    if (isSecretPlace(schema, path) && !(found instanceof Secret) && issue.code !== 'unrecognized_keys' && typeof found === 'string') {
      const name = path.at(-1) ?? 'secret';
      return [
        {
          ...here,
          code: 'E113',
          message: `\`${String(name)}\` holds a secret in plain text`,
          label: 'never the value itself',
          help: 'store it as a secret and write "${secret:name}"',
        },
      ];
    }
    if (found instanceof Secret && isSecretPlace(schema, path)) {
      return [{ ...here, code: 'E106', message: `the secret \`${found.name}\` does not fit: ${issue.message}` }];
    }
    if (found instanceof Secret) {
      const message = `the secret \`${found.name}\` cannot stand here`;
      return [{ ...here, code: 'E114', message, label: 'no place for a secret' }];
    }
    if (issue.code === 'unrecognized_keys') {
      const known = [...knownKeys(schema, path), ...(path.length === 0 ? extraKeys : [])];
      return issue.keys.map((key) => unknownKey(key, known, [...here.path, key]));
    }
    if (issue.code === 'invalid_type' && issue.expected === 'never') return [{ ...here, atKey: true, code: 'E106', message: issue.message }];
    if (issue.code === 'invalid_union') return unionFindings(issue, schema, value, at, path, extraKeys);
    if (found === undefined && (issue.code === 'invalid_type' || issue.code === 'custom' || issue.code === 'invalid_value')) {
      const key = String(path.at(-1) ?? '');
      return [{ ...here, atKey: true, code: 'E107', message: `\`${key}\` is missing`, help: `add \`${key}:\` with ${expectedWords(schemasAt(schema, path))}` }];
    }
    return [{ ...here, code: 'E106', ...mismatch(issue, schema, path, found, here.path.at(-1)) }];
  });
}

export function unknownKey(key: string, known: readonly string[], path: Path): Finding {
  const near = nearest(key, known);
  return {
    severity: 'error',
    code: 'E104',
    path,
    atKey: true,
    message: `unknown key \`${key}\``,
    label: 'not known here',
    ...(near === undefined ? {} : { help: `did you mean \`${near}\`?` }),
    ...(known.length === 0 ? {} : { note: `known: ${known.toSorted().join(' ')}` }),
  };
}

/** "the number 30", "the text "abc"", "nothing". */
export function actualWords(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (value instanceof Secret) return 'a secret';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return `the text "${value.length > 40 ? `${value.slice(0, 40)}…` : value}"`;
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'bigint') return `the number ${value}, which is too large`;
  if (typeof value === 'number' || value instanceof Decimal) return `the number ${value}`;
  return 'a mapping';
}

function mismatch(issue: Issue, schema: Schema, path: readonly (string | number)[], found: unknown, key: string | number | undefined): Pick<Finding, 'message' | 'help'> {
  const places = schemasAt(schema, path);
  const named = typeof key === 'string' ? `\`${key}\`: ` : '';
  const expected = expectedWords(places);
  if (issue.code === 'invalid_type') {
    const quote = (typeof found === 'number' || typeof found === 'boolean') && /text/.test(expected) ? { help: `quote it: "${found}"` } : {};
    return { message: `${named}expected ${expected}, got ${actualWords(found)}`, ...(expected === 'true or false' ? booleanHelp(found) : quote) };
  }
  if (issue.code === 'invalid_value') {
    const near = typeof found === 'string' ? nearest(found, issue.values.map(String)) : undefined;
    const words = issue.values.length === 1 ? String(issue.values[0]) : `one of ${issue.values.map(String).join(', ')}`;
    return { message: `${named}expected ${words}, got ${actualWords(found)}`, ...(near === undefined ? {} : { help: `did you mean \`${near}\`?` }) };
  }
  if (issue.code === 'too_small' || issue.code === 'too_big') {
    const bound = issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
    const unit = issue.origin === 'string' ? ' characters' : issue.origin === 'array' ? ' elements' : '';
    return { message: `${named}expected ${bound}${unit}, got ${actualWords(found)}` };
  }
  if (issue.code === 'invalid_key') return { message: `${named}${issue.issues[0]?.message ?? 'the key cannot be used'}` };
  const words = issue.message === 'Invalid input' ? `expected ${expected}` : issue.message;
  const actual = typeof found === 'object' && found !== null ? '' : `, got ${actualWords(found)}`;
  return { message: `${named}${words}${/^expected/.test(words) ? actual : ''}` };
}

function booleanHelp(found: unknown): Pick<Finding, 'help'> {
  if (typeof found !== 'string' || !/^(yes|on|no|off)$/i.test(found)) return {};
  return { help: `write ${/^(yes|on)$/i.test(found) ? 'true' : 'false'}` };
}

/** The problems of the alternative that the value comes nearest to; when none is near, what all of them would take. */
function unionFindings(
  issue: Extract<Issue, { code: 'invalid_union' }>,
  schema: Schema,
  value: unknown,
  at: Path,
  path: readonly (string | number)[],
  extraKeys: readonly string[],
): Finding[] {
  const found = valueAt(value, path);
  const discriminator = 'discriminator' in issue ? issue.discriminator : undefined;
  if (issue.errors.length === 0 && discriminator !== undefined) {
    const below = path.at(-1) === discriminator ? path : [...path, discriminator];
    const options = [
      ...new Set(
        schemasAt(schema, below)
          .flatMap(alternatives)
          .flatMap((each) => expectedWords([each]).split(' or ')),
      ),
    ];
    const actual = valueAt(value, below);
    const near = typeof actual === 'string' ? nearest(actual, options) : undefined;
    const help = near === undefined ? {} : { help: `did you mean \`${near}\`?` };
    if (actual === undefined)
      return [
        {
          severity: 'error',
          code: 'E107',
          path: [...at, ...below],
          atKey: true,
          message: `\`${discriminator}\` is missing`,
          help: `add \`${discriminator}:\` with one of ${options.join(', ')}`,
        },
      ];
    return [
      { severity: 'error', code: 'E106', path: [...at, ...below], message: `\`${discriminator}\`: expected one of ${options.join(', ')}, got ${actualWords(actual)}`, ...help },
    ];
  }
  const near = issue.errors.filter((errors) => !errors.some(isOtherKind)).toSorted((a, b) => weight(a) - weight(b))[0];
  if (near && typeof found === 'object' && found !== null) {
    const moved = near.map((error) => ({ ...error, path: [...path, ...error.path] }));
    return findingsOf(moved, schema, value, at, extraKeys);
  }
  const here = { severity: 'error', code: 'E106', path: [...at, ...path] } as const;
  const key = here.path.at(-1);
  const named = typeof key === 'string' ? `\`${key}\`: ` : '';
  const own = near?.find((error) => error.message !== 'Invalid input' && error.code !== 'too_small' && error.code !== 'too_big');
  const meant =
    typeof found === 'string'
      ? nearest(
          found,
          issue.errors.flat().flatMap((error) => (error.code === 'invalid_value' ? error.values.map(String) : [])),
        )
      : undefined;
  return [
    {
      ...here,
      message: `${named}${own && /^expected/.test(own.message) ? own.message : `expected ${expectedWords(schemasAt(schema, path))}`}, got ${actualWords(found)}`,
      ...(meant === undefined ? {} : { help: `did you mean \`${meant}\`?` }),
    },
  ];
}

/** The value is of another kind than this alternative takes. */
function isOtherKind(error: Issue): boolean {
  if (error.path.length > 0) return false;
  if (error.code === 'invalid_union') return error.errors.length > 0 && error.errors.every((errors) => errors.some(isOtherKind));
  return error.code === 'invalid_type' || error.code === 'invalid_value';
}

/** Fewer wrong keys and more known ones are nearer. */
function weight(errors: readonly Issue[]): number {
  return errors.reduce((sum, error) => sum + (error.code === 'unrecognized_keys' ? error.keys.length * 2 : 1), 0);
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const step of path) {
    if (typeof at !== 'object' || at === null || at instanceof Secret) return undefined;
    at = (at as Readonly<Record<PropertyKey, unknown>>)[step];
  }
  return at;
}
