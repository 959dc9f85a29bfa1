// Names for what people will read, from names that systems have.
import { RESERVED } from '../../routes/types.js';

/** `ORD_HEAD`, `order head` -> `OrdHead`, `OrderHead`. */
export function typeName(text: string): string {
  const name = words(text).map(capital).join('');
  return /^[A-Za-z]/.test(name) ? name : `Type${name}`;
}

/** `ORD_NO` -> `ordNo`; what is no letter, digit or underscore goes. */
export function fieldName(text: string): string {
  const [first = 'field', ...rest] = words(text);
  const name = first + rest.map(capital).join('');
  if (RESERVED.has(name)) return `${name}Value`;
  return /^[a-z]/.test(name) ? name : `field${capital(name)}`;
}

/** `ORD_HEAD` -> `ord-head`. */
export function endpointName(text: string): string {
  const name = words(text).join('-');
  return /^[a-z]/.test(name) ? name : `data-${name}`;
}

/** The name, or the name with the first number that nobody has. */
export function unique(name: string, taken: ReadonlySet<string>): string {
  if (!taken.has(name)) return name;
  for (let number = 2; ; number++) if (!taken.has(`${name}${number}`)) return `${name}${number}`;
}

/** How an expression names a field of a record: `record.ORD_NO`, `record["ORD NO"]`. */
export function fieldOf(record: string, name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !RESERVED.has(name) ? `${record}.${name}` : `${record}[${JSON.stringify(name)}]`;
}

function words(text: string): readonly string[] {
  const plain = text
    .replaceAll('ß', 'ss')
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    // A border of camel case: `orderNo`.
    .replace(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2');
  const found = plain.toLowerCase().match(/[a-z0-9]+/g);
  return found ?? ['field'];
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
