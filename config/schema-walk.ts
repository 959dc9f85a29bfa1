// Finds out what a zod schema says about a place in a configuration: known keys, meta data, expected type in words.
import { z } from 'zod';

export type Schema = z.core.$ZodType;

interface Meta {
  readonly title?: string;
  readonly description?: string;
  readonly unit?: string;
  readonly secret?: boolean;
  readonly advanced?: boolean;
  readonly examples?: readonly unknown[];
}

/** The meta data of a schema, those of what it wraps included; the outermost wins. */
export function metaOf(schema: Schema): Meta {
  const own = z.globalRegistry.get(schema) as Meta | undefined;
  const inner = wrapped(schema);
  return inner ? { ...metaOf(inner), ...own } : (own ?? {});
}

/** What can stand at a place: wrappers removed, unions taken apart. */
export function alternatives(schema: Schema): readonly Schema[] {
  const def = defOf(schema);
  if (def.type === 'union') return def.options.flatMap(alternatives);
  if (def.type === 'intersection') return [...alternatives(def.left), ...alternatives(def.right)];
  const inner = wrapped(schema);
  return inner ? alternatives(inner) : [schema];
}

/** The schemas that apply at `path` below `schema`; several where it is a union. */
export function schemasAt(schema: Schema, path: readonly PropertyKey[]): readonly Schema[] {
  let found: readonly Schema[] = [schema];
  for (const step of path) found = found.flatMap((each) => alternatives(each).flatMap((alternative) => below(alternative, step)));
  return found;
}

export function isSecretPlace(schema: Schema, path: readonly PropertyKey[]): boolean {
  return schemasAt(schema, path).some((each) => [each, ...alternatives(each)].some((alternative) => metaOf(alternative).secret === true));
}

/** Names of the options at a place. */
export function knownKeys(schema: Schema, path: readonly PropertyKey[]): string[] {
  const keys = schemasAt(schema, path)
    .flatMap((each) => alternatives(each))
    .flatMap((each) => Object.keys(shapeOf(each) ?? {}));
  return [...new Set(keys)];
}

export function shapeOf(schema: Schema): Readonly<Record<string, Schema>> | undefined {
  const def = defOf(schema);
  return def.type === 'object' ? def.shape : undefined;
}

export function isOptional(schema: Schema): boolean {
  return schema._zod.optin === 'optional' || defaultOf(schema) !== undefined;
}

export function defaultOf(schema: Schema): unknown {
  for (let at: Schema | undefined = schema; at; at = wrapped(at)) {
    const def = defOf(at);
    if (def.type === 'default' || def.type === 'prefault') return def.defaultValue;
  }
  return undefined;
}

/** What an option takes, in words: "a duration such as 30s", "one of read, write". */
export function expectedWords(schemas: readonly Schema[]): string {
  const words = new Set(
    schemas.flatMap((schema) => {
      const meta = metaOf(schema);
      if (meta.unit === 'duration') return ['a duration such as 30s'];
      if (meta.unit === 'bytes') return ['a size such as 10MiB'];
      if (meta.secret === true) return ['a reference such as ${secret:name}'];
      return alternatives(schema).map((alternative) => typeWords(alternative));
    }),
  );
  if (words.size > 1) words.delete('a value');
  return [...words].join(' or ');
}

function typeWords(schema: Schema): string {
  const meta = metaOf(schema);
  if (meta.unit === 'duration') return 'a duration such as 30s';
  if (meta.unit === 'bytes') return 'a size such as 10MiB';
  if (meta.secret === true) return 'a reference such as ${secret:name}';
  const def = defOf(schema);
  if (def.type === 'string') return typeof meta.examples?.[0] === 'string' ? `text such as ${meta.examples[0]}` : 'text';
  if (def.type === 'number') return schema instanceof z.ZodNumber && schema.format?.includes('int') ? 'a whole number' : 'a number';
  if (def.type === 'boolean') return 'true or false';
  if (def.type === 'array' || def.type === 'tuple') return 'a list';
  if (def.type === 'object' || def.type === 'record') return 'a mapping (key: value)';
  if (def.type === 'literal') return def.values.map(String).join(' or ');
  if (def.type === 'enum') return `one of ${Object.values(def.entries).join(', ')}`;
  return 'a value';
}

function wrapped(schema: Schema): Schema | undefined {
  const def = defOf(schema);
  if (def.type === 'lazy') return def.getter();
  if (def.type === 'pipe') return defOf(def.in).type === 'transform' ? def.out : def.in;
  const isWrapper = def.type === 'optional' || def.type === 'nullable' || def.type === 'default' || def.type === 'prefault';
  return isWrapper || def.type === 'nonoptional' || def.type === 'readonly' || def.type === 'catch' ? def.innerType : undefined;
}

function below(schema: Schema, step: PropertyKey): readonly Schema[] {
  const def = defOf(schema);
  if (def.type === 'array') return [def.element];
  if (def.type === 'record') return [def.valueType];
  if (def.type === 'tuple') return def.items.slice(Number(step), Number(step) + 1);
  if (def.type !== 'object') return [];
  const option = Object.hasOwn(def.shape, String(step)) ? def.shape[String(step)] : def.catchall;
  return option && defOf(option).type !== 'never' ? [option] : [];
}

type Def = z.core.$ZodTypes['_zod']['def'];

function defOf(schema: Schema): Def {
  return (schema as z.core.$ZodTypes)._zod.def;
}
