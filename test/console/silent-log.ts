import type { LogFields, Logger } from '../../adapters/contract/services.js';

export interface Line {
  readonly level: string;
  readonly event: string;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

/** A log that keeps its lines instead of writing them. */
export function silentLog(lines: Line[] = []): Logger {
  const at =
    (level: string) =>
    (event: string, message: string, fields?: LogFields): void => {
      lines.push({ level, event, message, fields });
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), with: () => silentLog(lines) };
}
