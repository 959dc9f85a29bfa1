import type { ListeningInbound } from '../../adapters/contract/endpoint.js';
import { describe, failureOf, kindOf, TryAgain } from '../errors.js';
import { EndpointHealth, type EndpointReport } from './endpoint-health.js';
import { reopenDelay } from './retry.js';
import { MISCONFIGURED_RETRY_MS, type Source, type SourceConfig, type SourceServices } from './source.js';
import { systemOf } from './telemetry.js';

/** An endpoint that is called. While it is paused or the bus is away, callers are told to come again. */
export class ListeningSource implements Source {
  private readonly health: EndpointHealth;
  private stopping = new AbortController();
  private opening: Promise<void> | undefined;
  private isOpen = false;
  private isPaused = false;

  constructor(
    private readonly inbound: ListeningInbound,
    private readonly config: SourceConfig,
    private readonly services: SourceServices,
  ) {
    this.health = new EndpointHealth(config.name, 'inbound', services.clock.now().getTime(), config.expect);
  }

  get report(): EndpointReport {
    return this.health.report(this.services.clock.now().getTime());
  }

  async start(): Promise<void> {
    this.stopping = new AbortController();
    this.opening = this.open(this.stopping.signal);
  }

  /** Goes on answering, so that callers come again instead of giving up. */
  async pause(): Promise<void> {
    this.isPaused = true;
    this.health.setPaused(true);
  }

  async resume(): Promise<void> {
    this.isPaused = false;
    this.health.setPaused(false);
    if (this.isOpen) return;
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    const { log } = this.services;
    this.stopping.abort(new Error('stopping'));
    await this.opening;
    this.isOpen = false;
    try {
      await this.inbound.close();
    } catch (error) {
      log.debug('close-failed', `closing ${this.config.name} failed: ${describe(error)}`);
    }
  }

  private async open(signal: AbortSignal): Promise<void> {
    const { clock, intake, log, telemetry } = this.services;
    const { name } = this.config;
    while (!signal.aborted) {
      try {
        await this.inbound.open(async (record, callSignal) => {
          if (this.isPaused) throw new TryAgain('E520', `${name} is paused`);
          const [result] = await intake.accept(name, [record], { patienceMs: 8_000, signal: callSignal });
          const now = clock.now().getTime();
          this.health.succeeded(now, 1);
          telemetry.sourceSuccess.set({ system: systemOf(name), source: name }, now / 1000);
          return result ?? { result: 'duplicate', messageId: '' };
        }, signal);
        this.isOpen = true;
        this.health.succeeded(clock.now().getTime(), 0);
        return;
      } catch (error) {
        if (signal.aborted) return;
        const failure = failureOf(error);
        const wait = failure && kindOf(failure) === 'misconfigured' ? MISCONFIGURED_RETRY_MS : reopenDelay(this.health.failures, clock.random);
        this.health.brokeDown(error, clock.now().getTime(), `next try in ${Math.ceil(wait / 1000)} s`);
        log.warn('source-failed', `listening for ${name} failed: ${describe(error)}`, { endpoint: name, code: failure?.code });
        await clock.sleep(wait, signal).catch(() => undefined); // aborted: the loop ends
      }
    }
  }
}
