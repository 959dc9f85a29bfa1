// The messages that wait for their file, in the endpoint's durable notes. A message is accepted when it stands here.

import { type EndpointState, isRecord, OWN_JSON, parseJson, type ValueRecord, writeJson } from '../contract/index.js';
import type { BatchName } from './batch-name.js';

/** One file to be. */
export interface Batch extends BatchName {
  /** Who collects it. */
  readonly owner: string;
  /** When its owner last said that it lives, by its own clock. */
  readonly seen: number;
  /** It takes no more messages. */
  readonly closed: boolean;
  /** Its file is in place: only these notes are left. */
  readonly written: boolean;
}

export interface Item {
  readonly position: number;
  readonly deliveryId: string;
  readonly payload: ValueRecord;
}

const MOST = 1_000_000;
/** Notes written or removed in one commit. */
const CHUNK = 1_000;

export class Batches {
  constructor(private readonly state: EndpointState) {}

  async list(): Promise<readonly Batch[]> {
    const found = await this.state.list('batch/', MOST);
    return [...found.values()].map((text) => JSON.parse(text) as Batch).sort((a, b) => a.since - b.since);
  }

  async put(batch: Batch): Promise<void> {
    await this.state.put(new Map([[`batch/${batch.id}`, JSON.stringify(batch)]]));
  }

  /** A new one, with the next number. */
  async open(batch: Omit<Batch, 'number'>): Promise<Batch> {
    const number = Number((await this.state.get('number')) ?? 0) + 1;
    const made = { ...batch, number };
    await this.state.put(
      new Map([
        [`batch/${batch.id}`, JSON.stringify(made)],
        ['number', String(number)],
      ]),
    );
    return made;
  }

  /** @returns the bytes it takes */
  async add(batch: string, position: number, deliveryId: string, payload: ValueRecord): Promise<number> {
    const text = writeJson(payload);
    await this.state.put(
      new Map([
        [itemKey(batch, position, deliveryId), text],
        [acceptedKey(deliveryId), batch],
      ]),
    );
    return text.length;
  }

  /** Whether any node has accepted it: it waits for its file, or is in one that was written lately. */
  async has(deliveryId: string): Promise<boolean> {
    return (await this.state.get(acceptedKey(deliveryId))) !== undefined;
  }

  /** In the order they came; one that was added twice is there once. */
  async items(batch: string): Promise<readonly Item[]> {
    const found = await this.state.list(`item/${batch}/`, MOST);
    const items = [...found].map(([key, text]): Item => {
      const [, , position = '', deliveryId = ''] = key.split('/');
      const payload = parseJson(text, OWN_JSON);
      return { position: Number(position), deliveryId, payload: isRecord(payload) ? payload : {} };
    });
    const seen = new Set<string>();
    return items.sort((a, b) => a.position - b.position).filter(({ deliveryId }) => !seen.has(deliveryId) && seen.add(deliveryId));
  }

  /** What was added to a file while another process thought that its owner is gone, and wrote it: it waits for the next one. */
  async rehome(into: () => Promise<Batch>): Promise<void> {
    const [batches, keys] = [await this.list(), [...(await this.state.list('item/', MOST)).keys()]];
    const homes = new Set(batches.map(({ id }) => id));
    const strays = [...new Set(keys.map((key) => key.split('/')[1] ?? ''))].filter((id) => !homes.has(id));
    for (const id of strays) {
      const found = await this.state.list(`item/${id}/`, MOST);
      const { id: home } = await into();
      const moved = [...found].flatMap(([key, text]) => [[key, undefined] as const, [key.replace(`item/${id}/`, `item/${home}/`), text] as const]);
      for (let at = 0; at < moved.length; at += 2 * CHUNK) await this.state.put(new Map(moved.slice(at, at + 2 * CHUNK)));
    }
  }

  /** Its file is in place since `at`. Each step may be done again. */
  async forget(batch: Batch, at: number): Promise<void> {
    await this.put({ ...batch, written: true });
    const keys = [...(await this.state.list(`item/${batch.id}/`, MOST)).keys()];
    for (let from = 0; from < keys.length; from += CHUNK) {
      const some = keys.slice(from, from + CHUNK);
      const ids = some.map((key) => key.split('/')[3] ?? '');
      const [, , position = ''] = some[0]?.split('/') ?? [];
      // Who asks again for one of these has not heard that it was accepted.
      await this.state.put(new Map([...some.map((key) => [key, undefined] as const), [`past/${batch.id}/${position}`, JSON.stringify({ at, ids })]]));
    }
    await this.state.put(new Map([[`batch/${batch.id}`, undefined]]));
  }

  /** Those whose file was written before `since`. */
  async forgetPast(since: number): Promise<void> {
    for (const [key, text] of await this.state.list('past/', MOST)) {
      const { at, ids } = JSON.parse(text) as { readonly at: number; readonly ids: readonly string[] };
      if (at < since) await this.state.put(new Map([[key, undefined], ...ids.map((id) => [acceptedKey(id), undefined] as const)]));
    }
  }
}

function itemKey(batch: string, position: number, deliveryId: string): string {
  return `item/${batch}/${String(position).padStart(8, '0')}/${deliveryId.replaceAll('/', '_')}`;
}

function acceptedKey(deliveryId: string): string {
  return `accepted/${deliveryId.replaceAll('/', '_')}`;
}
