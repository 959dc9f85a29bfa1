import { describe, failureOf, kindOf } from '../errors.js';

export type EndpointCondition = 'starting' | 'standby' | 'ok' | 'retrying' | 'failing' | 'misconfigured' | 'paused' | 'idle' | 'silent';

/** What an endpoint tells about itself; read by status, health and metrics. */
export interface EndpointReport {
  readonly name: string;
  readonly direction: 'inbound' | 'outbound';
  readonly state: EndpointCondition;
  readonly detail: string | undefined;
  /** When the trouble began that the state tells of; undefined while all is well. */
  readonly since: number | undefined;
  readonly lastSuccessAt: number | undefined;
  readonly lastFailureAt: number | undefined;
  readonly nextAt: number | undefined;
  readonly count: number;
  readonly failed: number;
  /** How often it hung and was made anew by itself, and the last time. */
  readonly recycled?: { readonly times: number; readonly at: number; readonly reason: string };
}

/** Keeps an endpoint's report in step with what happens to it. */
export class EndpointHealth {
  private state: EndpointCondition = 'starting';
  private detail: string | undefined;
  private lastSuccessAt: number | undefined;
  private lastFailureAt: number | undefined;
  private consecutive = 0;
  private isPaused = false;
  private troubledAt: number | undefined;
  /** Records of the last `expect.everyMs`, newest last. */
  private recent: { readonly at: number; readonly records: number }[] = [];
  private lastRecycle: EndpointReport['recycled'];
  nextAt: number | undefined;
  count = 0;
  failed = 0;

  constructor(
    readonly name: string,
    readonly direction: 'inbound' | 'outbound',
    private startedAt: number,
    private readonly expect?: { readonly atLeast: number; readonly everyMs: number },
  ) {}

  succeeded(at: number, records: number): void {
    this.state = 'ok';
    this.detail = undefined;
    this.consecutive = 0;
    this.troubledAt = undefined;
    this.count += records;
    if (records > 0 && this.expect) this.recent.push({ at, records });
    if (records > 0 || this.expect === undefined) this.lastSuccessAt = at;
  }

  /** Another node does the work. */
  standsBy(detail: string): void {
    this.state = 'standby';
    this.detail = detail;
    this.consecutive = 0;
    this.troubledAt = undefined;
    this.nextAt = undefined;
  }

  /** This node does the work from now on: what is expected counts from here. */
  takesOver(at: number): void {
    this.state = 'starting';
    this.detail = undefined;
    this.startedAt = at;
    this.recent = [];
  }

  /** It hung and was made anew. */
  recycled(reason: string, at: number): void {
    this.lastRecycle = { times: (this.lastRecycle?.times ?? 0) + 1, at, reason };
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
    this.troubledAt ??= at;
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
    const spokeAt = this.lastSuccessAt ?? this.startedAt;
    const silent = this.state === 'ok' && this.isSilent(now);
    return {
      name: this.name,
      direction: this.direction,
      state: silent ? 'silent' : this.state,
      detail: silent ? `too little came, expected at least ${this.expect?.atLeast} every ${words(this.expect?.everyMs ?? 0)}` : this.detail,
      since: silent ? spokeAt : TROUBLED.has(this.state) ? this.troubledAt : undefined,
      lastSuccessAt: this.lastSuccessAt,
      lastFailureAt: this.lastFailureAt,
      nextAt: this.nextAt,
      count: this.count,
      failed: this.failed,
      ...(this.lastRecycle ? { recycled: this.lastRecycle } : {}),
    };
  }

  /** Fewer records than expected in the last interval; a source that has just started gets one whole interval. */
  private isSilent(now: number): boolean {
    if (!this.expect || now - this.startedAt <= this.expect.everyMs) return false;
    const since = now - this.expect.everyMs;
    this.recent = this.recent.filter(({ at }) => at >= since);
    return this.recent.reduce((sum, { records }) => sum + records, 0) < this.expect.atLeast;
  }
}

const TROUBLED: ReadonlySet<EndpointCondition> = new Set(['retrying', 'failing', 'misconfigured']);

/** `90 s`, `30 min`, `2 h`: the largest unit that says it exactly. */
function words(ms: number): string {
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000} h`;
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1_000} s`;
}
