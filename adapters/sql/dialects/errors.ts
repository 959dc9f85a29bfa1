// What the drivers' errors have in common.

export interface DriverError {
  readonly code: string;
  readonly errno: number;
  readonly message: string;
  readonly column: string | undefined;
  readonly constraint: string | undefined;
}

export function read(error: unknown): DriverError {
  const fields: Record<string, unknown> = typeof error === 'object' && error !== null ? { ...error } : {};
  const text = (name: string) => (typeof fields[name] === 'string' ? fields[name] : undefined);
  return {
    code: text('code') ?? '',
    errno: typeof fields['errno'] === 'number' ? fields['errno'] : 0,
    message: message(error),
    column: text('column'),
    constraint: text('constraint'),
  };
}

/** Node's socket and name errors. */
export function isLink(code: string): boolean {
  return /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|EAI_|ENOTFOUND|EADDR|PROTOCOL_CONNECTION_LOST|PROTOCOL_ENQUEUE)/.test(code);
}

export function isTls(code: string, text: string): boolean {
  return /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HANDSHAKE_)/.test(code) || /does not support (SSL|secure)|certificate/i.test(text);
}

function message(error: unknown): string {
  if (!Error.isError(error)) return String(error);
  const own = (error as Error).message;
  if (own) return own;
  const inner: unknown = 'errors' in (error as Error) ? (error as AggregateError).errors[0] : undefined;
  return inner === undefined ? (error as Error).name : message(inner);
}

/** A message without the values it quotes: what an operator sees is never a payload. */
export function withoutValues(message: string): string {
  return message
    .replace(/Duplicate entry '.*' for key/s, 'Duplicate entry for key')
    .replace(/(value|literal|truncated [A-Z]+ value)(:)? '.*?' for/is, '$1 for')
    .replace(/: "[^"]*"$/s, '')
    .replace(/value "[^"]*" is/s, 'value is');
}
