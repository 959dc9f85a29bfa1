// The JSON Schema of a configuration, for completion and checks in any editor, offline.
import { z } from 'zod';
import type { AdapterSpec } from '../adapters/contract/spec.js';
import { defaultsConfig, inboundRouteConfig, outboundRouteConfig, tableConfig, testConfig, typeConfig } from '../routes/model.js';
import { alternatives, metaOf, type Schema, shapeOf } from './schema-walk.js';
import { settingsSchemas } from './settings.js';
import { readCommon, writeCommon } from './systems.js';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** JSON Schema 2020-12 of one file of a configuration, with the options of these adapters. */
export function buildJsonSchema(specs: readonly AdapterSpec[]): JsonSchema {
  const named = (schema: z.ZodType): z.ZodType => z.record(z.string(), schema);
  const systems = specs.toSorted((a, b) => (a.name < b.name ? -1 : 1)).map(systemSchema);
  const root = z.strictObject({
    ...Object.fromEntries(Object.entries(settingsSchemas).map(([name, schema]) => [name, schema.optional()])),
    systems: named(systems.length > 1 ? z.union(systems) : (systems[0] ?? z.never())).optional(),
    types: named(typeConfig).optional(),
    tables: named(tableConfig).optional(),
    routes: named(z.union([inboundRouteConfig, outboundRouteConfig])).optional(),
    defaults: defaultsConfig.optional(),
    tests: z.array(testConfig).optional(),
  });
  const schema = z.toJSONSchema(root, { io: 'input', unrepresentable: 'any', override: describeOption });
  discriminate(schema.properties?.['systems'], systems.length);
  return { title: 'Signalbox configuration', description: 'One file of a configuration; all files of the directory are one.', ...schema };
}

/** One system as it is written, for one adapter. */
export function systemSchema(spec: AdapterSpec): z.ZodType {
  const endpoints = (schema: z.ZodType): z.ZodType => z.record(z.string(), schema).optional();
  return z
    .strictObject({
      adapter: z.literal(spec.name),
      connect: takesNothing(spec.connect) ? spec.connect.optional() : spec.connect,
      ...(spec.read ? { read: endpoints(withCommon(spec.read.config, readCommon)) } : {}),
      ...(spec.write ? { write: endpoints(withCommon(spec.write.config, writeCommon)) } : {}),
      ...(spec.call ? { call: endpoints(spec.call.config) } : {}),
    })
    .meta({ title: spec.title, description: spec.summary });
}

/** The options of an endpoint together with those all endpoints of its kind share. */
export function withCommon(config: z.ZodType, common: z.ZodObject): z.ZodType {
  const merged = alternatives(config).flatMap((each) => {
    const shape = shapeOf(each);
    return shape ? [z.strictObject({ ...(shape as z.ZodRawShape), ...common.shape })] : [];
  });
  const [first, ...rest] = merged;
  if (!first) return config;
  return rest.length === 0 ? first : z.union([first, ...rest]);
}

function takesNothing(schema: z.ZodType): boolean {
  return schema.safeParse({}).success;
}

/** `if` the adapter is this one, `then` these options: an editor then explains one adapter's options instead of all. */
function discriminate(section: z.core.JSONSchema._JSONSchema | undefined, count: number): void {
  const system = typeof section === 'object' ? section.additionalProperties : undefined;
  if (typeof system !== 'object' || !system.anyOf || count < 2) return;
  const forms = system.anyOf.filter((form) => typeof form === 'object');
  const names = forms.map((form) => (typeof form.properties?.['adapter'] === 'object' ? form.properties['adapter'].const : undefined));
  delete system.anyOf;
  const adapter = { enum: names, title: 'Adapter', description: 'Kind of the system.' };
  // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema, never awaited
  const allOf = forms.map((form, index) => ({ if: { properties: { adapter: { const: names[index] } }, required: ['adapter'] }, then: form }));
  Object.assign(system, { type: 'object', required: ['adapter'], properties: { adapter }, allOf });
}

interface Override {
  readonly zodSchema: Schema;
  readonly jsonSchema: JsonSchema;
  readonly path: readonly (string | number)[];
}

function describeOption({ zodSchema, jsonSchema, path }: Override): void {
  const meta = metaOf(zodSchema);
  const def = (zodSchema as z.core.$ZodTypes)._zod.def;
  if (meta.secret === true || (def.type === 'custom' && Object.keys(jsonSchema).length === 0))
    Object.assign(jsonSchema, { type: 'string', pattern: '\\$\\{secret:[A-Za-z0-9_][A-Za-z0-9_.-]*\\}' });
  for (const key of ['secret', 'unit', 'advanced']) delete jsonSchema[key];
  const isStrict = def.type === 'number' || def.type === 'boolean' || (def.type === 'string' && (jsonSchema.pattern ?? jsonSchema.format) !== undefined);
  if (path[1] !== 'systems' || !isStrict || meta.secret === true) return;
  // An option may also come from the environment, which has text only.
  const { title, description, examples, default: standard, ...type } = jsonSchema;
  for (const key of Object.keys(type)) delete jsonSchema[key];
  Object.assign(jsonSchema, { anyOf: [type, { type: 'string', pattern: '\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}' }] });
}
