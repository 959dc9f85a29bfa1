import type { Clock, EndpointContext, Logger } from '../../contract/index.js';
import type { Connect } from '../config.js';
import type { Database, Dialect } from '../dialects/dialect.js';

export interface Link {
  readonly dialect: Dialect;
  readonly database: Database;
}

/** What a strategy works with. */
export interface Source {
  readonly endpoint: EndpointContext;
  /** Name of the system. */
  readonly system: string;
  readonly connect: Connect;
  /** The connections belong to the system: a strategy never closes them. */
  readonly link: () => Promise<Link>;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Warnings once per opening: a poll comes every few seconds. */
export class Warnings {
  readonly #said = new Set<string>();

  constructor(private readonly source: Source) {}

  once(event: string, message: string): void {
    if (this.#said.has(event)) return;
    this.#said.add(event);
    this.source.log.warn(event, message, { endpoint: this.source.endpoint.name });
  }

  has(event: string): boolean {
    return this.#said.has(event);
  }

  forget(): void {
    this.#said.clear();
  }
}
