import type { Clock, EndpointContext, Logger } from '../../contract/index.js';
import type { Connect } from '../config.js';
import type { Database, Dialect, Session } from '../dialects/dialect.js';

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

/** What opening learned from the catalogue, until the endpoint is closed. */
export class Prepared<Plan> {
  #plan: Plan | undefined;

  constructor(
    private readonly source: Source,
    private readonly prepare: (dialect: Dialect, session: Session) => Promise<Plan>,
  ) {}

  async open(signal: AbortSignal): Promise<void> {
    const { dialect, database } = await this.source.link();
    this.#plan = await database.read((session) => this.prepare(dialect, session), signal);
  }

  /** Learned now when it is not known. */
  async get(signal: AbortSignal): Promise<Link & { readonly plan: Plan }> {
    const { dialect, database } = await this.source.link();
    this.#plan ??= await database.read((session) => this.prepare(dialect, session), signal);
    return { dialect, database, plan: this.#plan };
  }

  forget(): void {
    this.#plan = undefined;
  }
}
