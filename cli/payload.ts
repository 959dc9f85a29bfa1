import { isUtf8 } from 'node:buffer';
import { parseJson, writeJson } from '../bus/json.js';
import type { StoredEvent } from '../bus/store/contract.js';
import { isRecord, type Value } from '../bus/value.js';
import { type Service, UnknownName } from '../console/service.js';
import { bytes, plural, safeJson, safeLines } from './text.js';

const MOST_LINES = 200;
/** Of one line: a document in a single value must not fill the terminal. */
const MOST_CHARACTERS = 4_000;

/** Content kept as JSON text, in readable form and with every digit it had; other text line by line. */
export function payloadText(text: string, indent = ''): string {
  return shorten(pretty(text), indent);
}

/** The events with the content that is not among them. What was removed meanwhile is left out. */
export async function withContent(service: Service, events: readonly StoredEvent[]): Promise<readonly StoredEvent[]> {
  return Promise.all(
    events.map(async (event) => {
      if (event.dataref === undefined) return event;
      try {
        return { ...event, data: new TextDecoder().decode(await service.payload(event.dataref)) };
      } catch (error) {
        if (error instanceof UnknownName) return event;
        throw error;
      }
    }),
  );
}

/** Original bytes: as text when they are UTF-8 text, else as a dump. */
export function contentText(content: Uint8Array, indent = ''): string {
  if (content.length === 0) return `${indent}(empty)`;
  if (isUtf8(content) && !content.includes(0)) return payloadText(new TextDecoder().decode(content), indent);
  return shorten(dump(content), indent);
}

/** Bytes in JSON: as text where they are text. */
export function portable(content: Uint8Array): { readonly content: string; readonly encoding: 'utf-8' | 'base64' } {
  try {
    return { content: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content), encoding: 'utf-8' };
  } catch {
    // Not UTF-8.
    return { content: Buffer.from(content).toString('base64'), encoding: 'base64' };
  }
}

function pretty(text: string): string {
  if (!/^\s*[[{]/.test(text)) return safeLines(text);
  let value: Value;
  try {
    value = parseJson(text);
  } catch {
    // Not JSON after all: shown as it is.
    return safeLines(text);
  }
  return safeJson(spread(value, ''));
}

function spread(value: Value, indent: string): string {
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    const list: readonly Value[] = value;
    return list.length === 0 ? '[]' : `[\n${list.map((element) => deeper + spread(element, deeper)).join(',\n')}\n${indent}]`;
  }
  if (!isRecord(value)) return writeJson(value);
  const members = Object.entries(value).map(([name, member]) => `${deeper}${JSON.stringify(name)}: ${spread(member, deeper)}`);
  return members.length === 0 ? '{}' : `{\n${members.join(',\n')}\n${indent}}`;
}

function dump(content: Uint8Array): string {
  const lines = [`${bytes(content.length)} of binary content`];
  for (let at = 0; at < content.length && lines.length <= MOST_LINES; at += 16) {
    const part = content.subarray(at, at + 16);
    const hex = Array.from(part, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = Array.from(part, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${at.toString(16).padStart(8, '0')}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines.join('\n');
}

function shorten(text: string, indent: string): string {
  const lines = text.split('\n');
  const shown = lines.slice(0, MOST_LINES);
  if (lines.length > MOST_LINES) shown.push(`(${plural(lines.length - MOST_LINES, 'more line')}: -o json has all)`);
  return shown
    .map((line) => indent + (line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS)}... (${plural(line.length - MOST_CHARACTERS, 'more character')})` : line))
    .join('\n');
}
