import type { EndpointStates } from '../store/contract.js';

/**
 * Durable notes of what was begun with messages that the broker has handed out repeatedly. Its own count says little: restarts, pauses and lost
 * connections raise it for messages nobody has touched. A beginning without an end is what a message does that kills its process.
 */
export class Suspects {
  private readonly scope: string;

  constructor(
    endpoint: string,
    private readonly states: EndpointStates,
  ) {
    this.scope = `signalbox.suspects.${endpoint}`;
  }

  /** @returns how often it was begun before without an end */
  async begin(id: string): Promise<number> {
    const before = Number((await this.states.get(this.scope, id)) ?? 0);
    await this.states.put(this.scope, new Map([[id, String(before + 1)]]));
    return before;
  }

  async end(id: string): Promise<void> {
    await this.states.put(this.scope, new Map([[id, undefined]]));
  }
}
