import { type EndpointState, isRecord, Misconfigured, parseJson, type Value, writeJson } from '../../contract/index.js';
import { keyText } from '../rows.js';
import { unwrap, wrap } from './position.js';
import type { Chunk, Entry, Operation, Pending } from './snapshot-diff.js';

/** What holds for the whole remembered table. */
export interface Header {
  /** Grows when everything is read anew; part of the ids. */
  readonly generation: number;
  /** Runs that changed something: with the generation it names the state a permission to delete was given for. */
  readonly runs: number;
  /** Number of the next chunk. */
  readonly following: number;
  /** Something was handed over. */
  readonly begun: boolean;
  /** The first run has come to the end of the table. */
  readonly complete: boolean;
  /** The last chunk of a first run that has not, and where it begins. */
  readonly tail: { readonly id: string; readonly lower?: readonly Value[] };
  /** What is remembered: a state about other tables or keys is not comparable. */
  readonly about: string;
}

export const FIRST = '0';
const HEADER = 'snapshot';
const DROPPED = 200;

/**
 * What is remembered of a table, in the durable notes of the endpoint: a header, and one entry per range of keys. A range holds about as many rows as a
 * page, so that memory does not depend on the size of the table: about 16 bytes and the key for each row.
 */
export class Remembered {
  constructor(private readonly state: EndpointState) {}

  /**
   * @param started a checkpoint is there: this is not the first run, or it was interrupted
   * @throws Misconfigured when what is remembered is not about this table, or was lost
   */
  async begin(started: boolean, about: string): Promise<Header> {
    const text = await this.state.get(HEADER);
    const found = text === undefined ? undefined : readHeader(text);
    if (!found && started)
      throw new Misconfigured('E436', 'the position says that the table was read, but what was remembered of it is gone; reset the endpoint (signalbox systems reset)');
    if (found && started) {
      if (found.about !== about)
        throw new Misconfigured('E436', `what is remembered is about ${found.about}, the configuration reads ${about}; reset the endpoint (signalbox systems reset)`);
      return found;
    }
    if (found && !found.begun && found.about === about) return found;
    const generation = (found?.generation ?? 0) + 1;
    if (found) await this.#drop(found.generation);
    const header: Header = { generation, runs: 0, following: 1, begun: false, complete: false, tail: { id: FIRST }, about };
    await this.write(header, [{ id: FIRST, top: 0, entries: new Map() }]);
    return header;
  }

  /** With those after it while they are few: what was deleted leaves no empty ranges behind. */
  async chunk(header: Header, id: string, most: number): Promise<{ readonly chunk: Chunk; readonly joined: readonly string[] } | undefined> {
    const text = await this.state.get(nameOf(header, id));
    if (text === undefined) return undefined;
    let chunk = readChunk(id, text);
    const joined: string[] = [];
    while (chunk.next !== undefined && chunk.entries.size < most / 4) {
      const after = await this.state.get(nameOf(header, chunk.next));
      if (after === undefined)
        throw new Misconfigured('E436', `what was remembered of the table is damaged: range ${chunk.next} is missing; reset the endpoint (signalbox systems reset)`);
      const other = readChunk(chunk.next, after);
      if (chunk.entries.size + other.entries.size > most / 2) break;
      joined.push(other.id);
      chunk = { ...other, id, top: Math.max(chunk.top, other.top), entries: new Map([...chunk.entries, ...other.entries]) };
    }
    return { chunk, joined };
  }

  /** One commit. */
  async write(header: Header, chunks: readonly Chunk[], joined: readonly string[] = []): Promise<void> {
    await this.state.put(
      new Map<string, string | undefined>([
        [HEADER, writeHeader(header)],
        ...joined.map((id) => [nameOf(header, id), undefined] as const),
        ...chunks.map((chunk) => [nameOf(header, chunk.id), writeChunk(chunk)] as const),
      ]),
    );
  }

  async #drop(generation: number): Promise<void> {
    const prefix = `${HEADER}/${generation}/`;
    for (;;) {
      const old = await this.state.list(prefix, DROPPED);
      if (old.size === 0) return;
      await this.state.put(new Map([...old.keys()].map((key) => [key, undefined])));
    }
  }
}

function nameOf({ generation }: Header, id: string): string {
  return `${HEADER}/${generation}/${id}`;
}

function writeHeader({ generation, runs, following, begun, complete, tail, about }: Header): string {
  const lower = tail.lower?.map(wrap);
  return writeJson({ v: 1n, generation: BigInt(generation), runs: BigInt(runs), following: BigInt(following), begun, complete, tail: tail.id, ...(lower ? { lower } : {}), about });
}

function readHeader(text: string): Header {
  const saved = parseJson(text);
  if (!isRecord(saved) || saved['v'] !== 1n) throw new Misconfigured('E436', 'what is remembered of the table was written by another version');
  const { generation, runs, following, begun, complete, tail, lower, about } = saved;
  return {
    generation: Number(generation),
    runs: Number(runs),
    following: Number(following),
    begun: begun === true,
    complete: complete === true,
    tail: { id: String(tail), ...(Array.isArray(lower) ? { lower: lower.map(unwrap) } : {}) },
    about: String(about),
  };
}

// One line per row: hash, key, and what is pending.
function writeChunk({ next, upto, top, entries }: Chunk): string {
  const head = writeJson({ top: BigInt(top), ...(next === undefined ? {} : { next }), ...(upto ? { upto: upto.map(wrap) } : {}) });
  const lines = [...entries.values()].map(({ key, hash, pending }) => {
    const open = pending ? `\t${pending.operation}\t${pending.version}\t${pending.hash ?? ''}` : '';
    return `${hash ?? ''}\t${writeJson(key.map(wrap))}${open}`;
  });
  return [head, ...lines].join('\n');
}

function readChunk(id: string, text: string): Chunk {
  const [head = '', ...lines] = text.split('\n');
  const saved = parseJson(head);
  if (!isRecord(saved)) throw new Misconfigured('E436', 'what was remembered of the table is damaged; reset the endpoint (signalbox systems reset)');
  const { top, next, upto } = saved;
  const entries = new Map<string, Entry>();
  for (const line of lines) {
    const [hash = '', json = '[]', operation, version, open = ''] = line.split('\t');
    const values = parseJson(json);
    const key = Array.isArray(values) ? values.map(unwrap) : [];
    const pending: Pending | undefined =
      operation === undefined ? undefined : { operation: operation as Operation, version: Number(version), ...(open === '' ? {} : { hash: open }) };
    entries.set(keyText(key), { key, ...(hash === '' ? {} : { hash }), ...(pending ? { pending } : {}) });
  }
  return { id, ...(typeof next === 'string' ? { next } : {}), ...(Array.isArray(upto) ? { upto: upto.map(unwrap) } : {}), top: Number(top), entries };
}
