import { hash } from 'node:crypto';
import type { Bindings } from './expression/runtime.js';
import type { Scope } from './expression/scope.js';
import { keyText } from './inbound-route.js';
import type { MappingContext, Path } from './mapping/context.js';
import { compileAt } from './mapping/field.js';

/** The key travels with each message and names a lane of the store; the rest of a longer one is as good as its digest. */
const LONGEST = 200;

/** Gives the key by which the deliveries of a message are ordered. The result throws InvalidMessage when the message has none. */
export function compileOrderKey(source: string, scope: Scope, path: Path, context: Pick<MappingContext, 'report'>): ((bindings: Bindings) => string) | undefined {
  const expression = compileAt(source, scope, 'key', path, context);
  return (
    expression &&
    ((bindings) => {
      const text = keyText(expression, bindings);
      return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 44)}~${hash('sha256', text, 'base64url')}`;
    })
  );
}
