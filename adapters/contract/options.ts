import { z } from 'zod';
import { Secret } from './secret.js';

// Option types shared by all adapters, so that a duration or a secret is written the same way everywhere.

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `250ms`, `30s`, `5m`, `2h`, `7d` as milliseconds; undefined when the text is none. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  return match ? Number(match[1]) * (UNITS[match[2] ?? ''] ?? 0) : undefined;
}

/** A duration written as text; milliseconds after parsing. */
export function duration(limits: { readonly min?: string; readonly max?: string } = {}) {
  const min = parseDuration(limits.min ?? '0ms') ?? 0;
  const max = parseDuration(limits.max ?? '9999d') ?? Number.MAX_SAFE_INTEGER;
  return z
    .string()
    .regex(/^\d{1,9}(ms|s|m|h|d)$/, 'expected a duration such as 250ms, 30s, 5m, 2h or 7d')
    .transform((text) => parseDuration(text) ?? 0)
    .refine((ms) => ms >= min && ms <= max, `expected ${limits.min ?? '0ms'} to ${limits.max ?? 'any length'}`)
    .meta({ unit: 'duration' });
}

/** `64KiB`, `10MiB`, `1GiB`, `512B` as bytes. */
export function byteSize(limits: { readonly max?: number } = {}) {
  return z
    .string()
    .regex(/^\d{1,9}(B|KiB|MiB|GiB)$/, 'expected a size such as 512B, 64KiB, 10MiB or 1GiB')
    .transform((text) => Number.parseInt(text, 10) * ({ B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }[text.replace(/^\d+/, '')] ?? 0))
    .refine((bytes) => bytes > 0 && bytes <= (limits.max ?? Number.MAX_SAFE_INTEGER), 'the size is out of range')
    .meta({ unit: 'bytes' });
}

/** A secret: in the configuration always a reference `${secret:name}`, which the loader has replaced by a `Secret`. */
export function secret() {
  return z
    .custom<Secret>((value) => value instanceof Secret, 'expected a reference such as ${secret:name}, never the value itself')
    .meta({ secret: true, examples: ['${secret:name}'] });
}

/** A name inside a system that becomes part of a statement: letters, digits, `_`, `$`; optionally `schema.name`. Never from a message. */
export function identifier() {
  return z.string().regex(/^[A-Za-z_][A-Za-z0-9_$]{0,62}(\.[A-Za-z_][A-Za-z0-9_$]{0,62}){0,2}$/, 'expected a plain name such as ORD_HEAD or sales.ord_head');
}
