import { CUSTODY_NOTES, type EndpointState, type Sighting } from '../contract/index.js';

/** More than so many are not noted: they are told of when their turn comes. */
const MOST = 1_000;

/** What lies in the folder and is not read yet, since when, and why: noted for people, and so that a restart does not forget since when. */
export class Waiting {
  private readonly noted = new Map<string, Sighting>();

  constructor(private readonly state: EndpointState) {}

  async load(): Promise<void> {
    this.noted.clear();
    for (const [key, text] of await this.state.list(CUSTODY_NOTES.seen, 2 * MOST)) this.noted.set(key.slice(CUSTODY_NOTES.seen.length), JSON.parse(text) as Sighting);
  }

  get(path: string): Sighting | undefined {
    return this.noted.get(path);
  }

  /** To be written in one commit with the note that it was claimed. */
  claimed(path: string): ReadonlyMap<string, undefined> {
    return new Map(this.noted.delete(path) ? [[`${CUSTODY_NOTES.seen}${path}`, undefined]] : []);
  }

  /** All that waits now, by path. What is not among it is gone. */
  async note(waits: ReadonlyMap<string, Omit<Sighting, 'at'>>, now: number): Promise<void> {
    const changes = new Map<string, string | undefined>();
    for (const path of [...this.noted.keys()]) {
      if (waits.has(path)) continue;
      this.noted.delete(path);
      changes.set(`${CUSTODY_NOTES.seen}${path}`, undefined);
    }
    for (const [path, { size, reason }] of waits) {
      const before = this.noted.get(path);
      if ((before?.size === size && before.reason === reason) || (!before && this.noted.size >= MOST)) continue;
      const sighting = { at: before?.at ?? now, size, ...(reason === undefined ? {} : { reason }) };
      this.noted.set(path, sighting);
      changes.set(`${CUSTODY_NOTES.seen}${path}`, JSON.stringify(sighting));
    }
    if (changes.size > 0) await this.state.put(changes);
  }
}
