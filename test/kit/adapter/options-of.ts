import { z } from 'zod';

/** One option of a schema: what stands under one key of one object. */
export interface Option {
  /** `read.cursor.column`. */
  readonly path: string;
  readonly schema: z.ZodType;
  /** Meta data of the option and of what it wraps (`optional`, `default`, a transformation), the outer first. */
  readonly meta: Readonly<Record<string, unknown>>;
  /** A fixed word that tells the forms of a union apart; it explains itself. */
  readonly literal: boolean;
}

/** Every option in `schema`, those of nested objects, lists, maps and alternatives included. */
export function optionsOf(schema: z.ZodType, path: string, seen: ReadonlySet<z.ZodType> = new Set()): readonly Option[] {
  if (seen.has(schema)) return [];
  const now = new Set([...seen, schema]);
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([name, each]) => {
      const option = each as z.ZodType;
      const at = `${path}.${name}`;
      return [{ path: at, schema: option, meta: metaOf(option), literal: option instanceof z.ZodLiteral }, ...optionsOf(option, at, now)];
    });
  }
  return inner(schema).flatMap((each) => optionsOf(each, path, now));
}

function metaOf(schema: z.ZodType): Readonly<Record<string, unknown>> {
  const single = schema instanceof z.ZodObject ? [] : wrapped(schema);
  return Object.assign({}, ...single.map(metaOf), schema.meta()) as Record<string, unknown>;
}

function inner(schema: z.ZodType): readonly z.ZodType[] {
  if (schema instanceof z.ZodUnion) return schema.options as readonly z.ZodType[];
  if (schema instanceof z.ZodIntersection) return [schema.def.left as z.ZodType, schema.def.right as z.ZodType];
  if (schema instanceof z.ZodArray) return [schema.element as z.ZodType];
  if (schema instanceof z.ZodRecord) return [schema.valueType as z.ZodType];
  if (schema instanceof z.ZodLazy) return [schema.unwrap() as z.ZodType];
  return wrapped(schema);
}

function wrapped(schema: z.ZodType): readonly z.ZodType[] {
  if (schema instanceof z.ZodPipe) return [schema.in as z.ZodType, schema.out as z.ZodType];
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodReadonly ||
    schema instanceof z.ZodNonOptional
  ) {
    return [schema.unwrap() as z.ZodType];
  }
  return [];
}
