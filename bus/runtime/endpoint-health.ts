import { describe, failureOf, kindOf } from '../errors.js';

export type EndpointCondition = 'starting' | 'ok' | 'retrying' | 'failing' | 'misconfigured' | 'paused' | 'idle' | 'silent';

/** What an endpoint tells about itself; read by status, health and metrics. */
export interface EndpointReport {
  readonly name: string;
  readonly direction: 'inbound' | 'outbound';
  readonly state: EndpointCondition;
  readonly detail: string | undefined;
  readonly lastSuccessAt: number | undefined;
  readonly lastFailureAt: number | undefined;
  readonly nextAt: number | undefined;
  readonly count: number;
  readonly failed: number;
}

/** Keeps an endpoint's report in step with what happens to it. */
export class EndpointHealth {
  private state: EndpointCondition = 'starting';
  private detail: string | undefined;
  private lastSuccessAt: number | undefined;
  private lastFailureAt: number | undefined;
  private consecutive = 0;
  private isPaused = false;
  nextAt: number | undefined;
  count = 0;
  failed = 0;

  constructor(
    readonly name: string,
    readonly direction: 'inbound' | 'outbound',
    private readonly startedAt: number,
    private readonly expect?: { readonly atLeast: number; readonly everyMs: number },
  ) {}

  succeeded(at: number, records: number): void {
    this.state = 'ok';
    this.detail = undefined;
    this.consecutive = 0;
    this.count += records;
    if (records > 0 || this.expect === undefined) this.lastSuccessAt = at;
  }

  /** The link is there again; only a delivery proves that it works, so the back-off goes on growing until then. */
  reopened(at: number): void {
    this.state = 'ok';
    this.detail = undefined;
    if (this.consecutive === 0) this.lastSuccessAt = at;
  }

  /** A contact that failed; `next` says what the runtime does about it. */
  brokeDown(error: unknown, at: number, next: string): void {
    const failure = failureOf(error);
    this.consecutive++;
    this.state = failure && kindOf(failure) === 'misconfigured' ? 'misconfigured' : this.consecutive > 2 ? 'failing' : 'retrying';
    this.lastFailureAt = at;
    this.detail = `${failure ? `${failure.code} ` : ''}${describe(error)}; ${next}`;
  }

  get failures(): number {
    return this.consecutive;
  }

  setPaused(paused: boolean): void {
    this.isPaused = paused;
  }

  report(now: number): EndpointReport {
    const report = this.running(now);
    return this.isPaused ? { ...report, state: 'paused', detail: 'paused by hand' } : report;
  }

  private running(now: number): EndpointReport {
    const silent = this.expect !== undefined && this.state === 'ok' && now - (this.lastSuccessAt ?? this.startedAt) > this.expect.everyMs;
    return {
      name: this.name,
      direction: this.direction,
      state: silent ? 'silent' : this.state,
      detail: silent
        ? `nothing since ${new Date(this.lastSuccessAt ?? this.startedAt).toISOString()}, expected at least ${this.expect?.atLeast} every ${(this.expect?.everyMs ?? 0) / 60_000} min`
        : this.detail,
      lastSuccessAt: this.lastSuccessAt,
      lastFailureAt: this.lastFailureAt,
      nextAt: this.nextAt,
      count: this.count,
      failed: this.failed,
    };
  }
}
