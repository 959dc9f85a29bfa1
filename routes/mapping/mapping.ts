import { InvalidMessage } from '../../bus/errors.js';
import { type Finding, nearest } from '../../bus/finding.js';
import { newRecord } from '../../bus/value.js';
import type { Scope } from '../expression/scope.js';
import type { MapConfig } from '../model.js';
import type { Mapping, MappingContext, Path } from './context.js';
import { compileField } from './field.js';
import { convert, type FieldShape, type RecordShape } from './shape.js';

const anything: FieldShape = { shape: { kind: 'any' }, required: false };

/** Checks and compiles a mapping to `target`; without one (fields unknown) every name and value is accepted. */
export function compileMapping(map: MapConfig, target: RecordShape | undefined, scope: Scope, path: Path, context: MappingContext): Mapping {
  const known = target?.fields();
  const fields = Object.entries(map).map(([name, config]) => {
    const field = known ? known.get(name) : anything;
    if (!field && target) context.report(unknownTarget(name, target, [...path, name]));
    const fieldPath = [...path, name];
    const { shape, required } = field ?? anything;
    const place = context.placeOf(typeof config === 'object' && config.from !== undefined ? [...fieldPath, 'from'] : fieldPath);
    return { name, shape, required, place, run: compileField(name, config, shape, scope, fieldPath, context) };
  });
  for (const [name, { required }] of known ?? []) {
    if (required && !Object.hasOwn(map, name)) {
      context.report({
        severity: 'error',
        code: 'E231',
        path,
        atKey: true,
        message: `${target?.name ?? ''}.${name} is required and not mapped`,
        help: `add \`${name}:\` to the mapping`,
      });
    }
  }
  return (bindings, note) => {
    const record = newRecord();
    let place: string | undefined;
    try {
      for (const field of fields) {
        place = field.place;
        const value = convert(field.run(bindings, note), field.shape, field.name);
        if (value === null && field.required) throw new InvalidMessage('E301', `${field.name} is required and has no value`);
        record[field.name] = value;
      }
    } catch (error) {
      throw located(error, place);
    }
    return record;
  };
}

/** The failure with the place where it happened, if it has none yet. Anything else is a bug and stays as it is. */
export function located(error: unknown, place: string | undefined): unknown {
  if (place === undefined || !(error instanceof InvalidMessage) || error.place !== undefined) return error;
  return new InvalidMessage(error.code, error.message, { place, ...(error.cause === undefined ? {} : { cause: error.cause }) });
}

function unknownTarget(name: string, target: RecordShape, path: Path): Finding {
  const known = [...target.fields().keys()];
  const near = nearest(name, known);
  return {
    severity: 'error',
    code: 'E230',
    path,
    atKey: true,
    message: `unknown field \`${name}\` of ${target.name}`,
    label: `not in ${target.origin ?? target.name}`,
    ...(near ? { help: `did you mean \`${near}\`?` } : {}),
    note: `known: ${known.join(' ')}`,
  };
}
