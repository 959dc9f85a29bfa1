// What is known about each file that was taken into the work folder. The work folder says which files are ours; these notes say how far each has
// come; the runtime's checkpoint says which records are durable on the bus.

import type { EndpointState } from '../contract/index.js';

export interface Claim {
  /** `done`: all records are on the bus, the file only has to be put away. */
  readonly state: 'claimed' | 'done';
  /** SHA-256 of the content when its first record was handed over. */
  readonly hash?: string;
  readonly accepted: number;
  readonly filtered: number;
  readonly dead: number;
  /** Why it goes to the error folder. */
  readonly reason?: string;
}

/** The last batch that is durable. */
export interface Progress {
  /** Name in the work folder. */
  readonly file: string;
  /** Number of its last record. */
  readonly records: number;
  /** Nothing follows: the file is done. */
  readonly end: boolean;
}

export const NEW_CLAIM: Claim = { state: 'claimed', accepted: 0, filtered: 0, dead: 0 };

export class Claims {
  constructor(private readonly state: EndpointState) {}

  async get(file: string): Promise<Claim> {
    const text = await this.state.get(key(file));
    return text === undefined ? NEW_CLAIM : (JSON.parse(text) as Claim);
  }

  async put(file: string, claim: Claim): Promise<void> {
    await this.state.put(new Map([[key(file), JSON.stringify(claim)]]));
  }

  async forget(files: readonly string[]): Promise<void> {
    if (files.length > 0) await this.state.put(new Map(files.map((file) => [key(file), undefined])));
  }

  /** Files there are notes of. */
  async files(): Promise<readonly string[]> {
    return [...(await this.state.list(key(''), 10_000)).keys()].map((name) => name.slice(key('').length));
  }
}

export function readProgress(checkpoint: string | undefined): Progress | undefined {
  return checkpoint === undefined ? undefined : (JSON.parse(checkpoint) as Progress);
}

export function writeProgress(progress: Progress): string {
  return JSON.stringify(progress);
}

function key(file: string): string {
  return `file/${file}`;
}
