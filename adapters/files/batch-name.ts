// Names of files that hold many messages: nothing of one message can be part of them.

import { fileName } from './place.js';

export interface BatchName {
  readonly id: string;
  /** Milliseconds since the epoch: when its first message came. */
  readonly since: number;
  readonly number: number;
}

const PLACES: Readonly<Record<string, (batch: BatchName, timeZone: string) => string>> = {
  'batch.id': ({ id }) => id,
  'batch.number': ({ number }) => String(number).padStart(6, '0'),
  'batch.date': ({ since }, timeZone) => clockTime(since, timeZone).slice(0, 8),
  'batch.time': ({ since }, timeZone) => clockTime(since, timeZone).slice(8),
};

/** @returns what is wrong with a name as a template; undefined when it is fine */
export function batchNameProblem(name: string): string | undefined {
  const places = [...name.matchAll(/\{([^{}]*)\}/g)].map(([, place = '']) => place);
  const unknown = places.find((place) => !(place in PLACES));
  if (unknown !== undefined)
    return `{${unknown}} belongs to one message, and a collected file has many; known: ${Object.keys(PLACES)
      .map((place) => `{${place}}`)
      .join(' ')}`;
  if (!places.some((place) => place === 'batch.id' || place === 'batch.number')) return 'each collected file needs a name of its own: add {batch.number} or {batch.id}';
  return undefined;
}

export function batchName(pattern: string, batch: BatchName, timeZone: string): string {
  return fileName(pattern.replace(/\{([^{}]*)\}/g, (_, place: string) => PLACES[place]?.(batch, timeZone) ?? ''));
}

/** `20260301143000` as clocks of the zone show it. */
function clockTime(at: number, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }).formatToParts(at);
  const of = (type: string): string => parts.find((part) => part.type === type)?.value ?? '';
  return `${of('year').padStart(4, '0')}${of('month')}${of('day')}${of('hour')}${of('minute')}${of('second')}`;
}
