/** JSON data as YAML 1.2 in block style. Text is quoted unless no reader could take it for anything else. */
export function yaml(value: unknown): string {
  return block(value, '');
}

function block(value: unknown, indent: string): string {
  if (Array.isArray(value) && value.length > 0) return value.map((element) => `${indent}- ${nested(element, `${indent}  `)}`).join('\n');
  const members = membersOf(value);
  if (members.length > 0) {
    return members
      .map(([name, member]) => {
        const deep = (Array.isArray(member) && member.length > 0) || membersOf(member).length > 0;
        return `${indent}${scalar(name)}:${deep ? `\n${block(member, `${indent}  `)}` : ` ${scalar(member)}`}`;
      })
      .join('\n');
  }
  return indent + scalar(value);
}

/** Behind a dash the first line stands on the dash's own line. */
function nested(value: unknown, indent: string): string {
  return block(value, indent).slice(indent.length);
}

function membersOf(value: unknown): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.entries(value).filter(([, member]) => member !== undefined);
}

const WORD = /^[A-Za-z_][A-Za-z0-9_./-]*$/;
const TAKEN = /^(y|n|yes|no|on|off|true|false|null|nan|inf)$/i;

function scalar(value: unknown): string {
  if (typeof value === 'string' && WORD.test(value) && !TAKEN.test(value)) return value;
  return JSON.stringify(value ?? null);
}
