import { EndpointHealth, type EndpointReport } from './endpoint-health.js';
import type { Source } from './source.js';

/** Stands in for an endpoint that could not be set up, so that it is seen and counted; the next reload tries again. */
export class FailedEndpoint implements Source {
  private readonly health: EndpointHealth;

  constructor(
    name: string,
    direction: 'inbound' | 'outbound',
    reason: unknown,
    private readonly now: () => number,
  ) {
    this.health = new EndpointHealth(name, direction, now());
    this.health.brokeDown(reason, now(), 'a reload tries again');
  }

  get report(): EndpointReport {
    return this.health.report(this.now());
  }

  async start(): Promise<void> {}

  follow(): void {}

  async pause(): Promise<void> {
    this.health.setPaused(true);
  }

  async resume(): Promise<void> {
    this.health.setPaused(false);
  }

  async stop(): Promise<void> {}
}
