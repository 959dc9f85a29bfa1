import { hash } from 'node:crypto';
import { InvalidMessage } from '../bus/errors.js';
import type { Bindings } from './expression/runtime.js';
import type { Scope } from './expression/scope.js';
import type { MappingContext, Path } from './mapping/context.js';
import { textOf } from './mapping/conversions.js';
import { compileAt } from './mapping/field.js';

/** The key travels with each message and names a lane of the store; the rest of a longer one is as good as its digest. */
const LONGEST = 200;

/** Gives the key by which the deliveries of a message are ordered, in one form: 7.50 and 7.5 are one key. The result throws InvalidMessage when there is none. */
export function compileOrderKey(source: string, scope: Scope, path: Path, context: Pick<MappingContext, 'report'>): ((bindings: Bindings) => string) | undefined {
  const expression = compileAt(source, scope, 'key', path, context);
  if (!expression) return undefined;
  return (bindings) => {
    const value = expression.evaluate(bindings);
    const written = textOf(value);
    if (written === undefined || written === '') throw new InvalidMessage('E301', `the key of the order \`${source}\` has no value`);
    const text = typeof value === 'string' ? value : written.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '');
    return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 44)}~${hash('sha256', text, 'base64url')}`;
  };
}
