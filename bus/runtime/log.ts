import { createLogger, format, transports } from 'winston';
import type { LogFields, Logger } from '../../adapters/contract/services.js';
import { Repeats } from './repeats.js';

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'off';
  readonly format: 'json' | 'pretty';
  /** Replaces every loaded secret, in all its encodings, as the last step before a line leaves the process. */
  readonly redact: (line: string) => string;
}

/** Control and bidirectional formatting characters: a log line must not drive a terminal. */
const UNPRINTABLE = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

/** JSON lines (or readable ones) on stderr: stdout belongs to the data of commands. */
export function createLog(options: LogOptions): Logger {
  const line = format.printf((info) => {
    const { level, message, event, time, ...fields } = info as Record<string, unknown> & { level: string };
    if (options.format === 'json') return options.redact(JSON.stringify({ time, level, event, msg: message, ...fields }));
    const rest = Object.entries(fields)
      .filter(([name, value]) => typeof name === 'string' && value !== undefined)
      .map(([name, value]) => `${name}=${String(value)}`)
      .join(' ');
    return options.redact(`${String(time).slice(11, 23)} ${level.padEnd(5)} ${String(message)}${rest && `  ${rest}`}`).replace(UNPRINTABLE, '·');
  });
  const root = createLogger({
    level: options.level === 'off' ? 'error' : options.level,
    silent: options.level === 'off',
    format: format.combine(format((info) => ({ ...info, time: new Date().toISOString() }))(), line),
    transports: [new transports.Console({ stderrLevels: ['error', 'warn', 'info', 'debug'] })],
  });
  const repeats = new Repeats();
  const of = (bound: LogFields): Logger => {
    const write = (level: string) => (event: string, message: string, fields?: LogFields) => {
      const all = { ...bound, ...fields };
      const shown = level === 'warn' || level === 'error' ? repeats.take(event, all, Date.now()) : { folded: 0 };
      if (shown) root.log({ level, event, message, ...all, ...(shown.folded === 0 ? {} : { folded: shown.folded }) });
    };
    return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), with: (fields) => of({ ...bound, ...fields }) };
  };
  return of({});
}
