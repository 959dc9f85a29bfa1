// Made of structured fields only, so that no value can become a key (security: a driver named by its file loads code).
import type { OdbcConnect } from '../../config.js';

export function connectionString({ dsn, odbc_driver, settings, user, password }: OdbcConnect): string {
  const pairs: [string, string][] = [
    dsn === undefined ? ['Driver', odbc_driver ?? ''] : ['DSN', dsn],
    ...Object.entries(settings),
    ...(user === undefined ? [] : [['UID', user] as [string, string]]),
    ...(password === undefined ? [] : [['PWD', password.reveal()] as [string, string]]),
  ];
  return pairs.map(([key, value]) => `${key}=${key === 'Driver' ? braced(value) : quoted(value)}`).join(';');
}

/** Some drivers (SQLite) take the braces for a part of the value: a value that needs none has none. */
function quoted(value: string): string {
  return /^[A-Za-z0-9_./:\\-]+$/.test(value) ? value : braced(value);
}

function braced(value: string): string {
  return `{${value.replaceAll('}', '}}')}}`;
}
