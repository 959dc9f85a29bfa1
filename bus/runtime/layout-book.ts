import type { RouteOrder } from '../handler.js';
import type { EndpointStates } from '../store/contract.js';
import { type Layout, layoutChannels } from './layouts.js';

const SCOPE = 'signalbox.layouts';

/**
 * Remembers durably how the ordered deliveries of each endpoint were ever laid out, before anything is published so. A change of the number of partitions, of
 * the expression, or a route that is ordered from now on begins a new layout, which is served when all before it are finished. Every note is a key of its
 * own, so that several nodes can write.
 */
export class LayoutBook {
  constructor(private readonly states: EndpointStates) {}

  /** Oldest first: all that may still hold messages, then the one in use. Empty when the endpoint never was ordered. */
  async read(endpoint: string): Promise<readonly Layout[]> {
    const rows = await this.states.list(SCOPE, `${endpoint} layout `, 1_000);
    return [...rows.values()].map((text) => JSON.parse(text) as Layout).sort((a, b) => a.generation - b.generation);
  }

  /** What holds from now on for an endpoint that these routes deliver to. */
  async prepare(endpoint: string, partitions: number, ordered: ReadonlyMap<string, RouteOrder>): Promise<readonly Layout[]> {
    const before = await this.read(endpoint);
    const routes = new Map([...ordered].filter(([, { targets }]) => targets.includes(endpoint)).map(([route, { by }]) => [route, by]));
    if (before.length === 0 && routes.size === 0) return before;
    const known = await this.states.list(SCOPE, `${endpoint} route `, 10_000);
    const notes = new Map<string, string | undefined>([...known.keys()].map((key) => [key, undefined]));
    for (const [route, by] of routes) notes.set(`${endpoint} route ${route}`, by);
    const generation = (before.at(-1)?.generation ?? 0) + 1;
    const added: Layout[] = [];
    // What a route published before it was ordered lies in the unordered channel, what it published by another key in other partitions.
    if ([...routes].some(([route, by]) => known.get(`${endpoint} route ${route}`) !== by)) added.push({ generation, partitions: 0 }, { generation: generation + 1, partitions });
    else if (routes.size > 0 && before.at(-1)?.partitions !== partitions) added.push({ generation, partitions });
    for (const layout of added) notes.set(`${endpoint} layout ${layout.generation}`, JSON.stringify(layout));
    if (added.length > 0 || known.size !== routes.size) await this.states.put(SCOPE, notes);
    return [...before, ...added];
  }

  /** A channel of an older layout holds nothing any more, and everything that was in it is settled. */
  finish(endpoint: string, generation: number, channel: string): Promise<void> {
    return this.states.put(SCOPE, new Map([[`${endpoint} finished ${generation} ${channel}`, 'finished']]));
  }

  /** Those channels of an older layout that are not finished; none when it was forgotten. */
  async unfinished(endpoint: string, layout: Layout): Promise<readonly string[]> {
    if (!(await this.read(endpoint)).some(({ generation }) => generation === layout.generation)) return [];
    const prefix = `${endpoint} finished ${layout.generation} `;
    const finished = await this.states.list(SCOPE, prefix, 1_000);
    return layoutChannels(endpoint, layout).filter((channel) => !finished.has(prefix + channel));
  }

  /** The channels of an older layout are removed. */
  async forget(endpoint: string, layout: Layout): Promise<void> {
    const finished = await this.states.list(SCOPE, `${endpoint} finished ${layout.generation} `, 1_000);
    await this.states.put(SCOPE, new Map([`${endpoint} layout ${layout.generation}`, ...finished.keys()].map((key) => [key, undefined])));
  }
}
