/** Bytes that count as progress within one time limit. */
const PROGRESS = 1024;

/** Whether bytes come, counting only the time somebody waits for them: a server that drips is as good as one that hangs. */
export class Flow {
  private bytes = 0;
  private askedMs = 0;
  private since: number | undefined = performance.now();

  async asking<T>(next: Promise<T>): Promise<T> {
    this.since = performance.now();
    const result = await next;
    this.askedMs += performance.now() - this.since;
    this.since = undefined;
    return result;
  }

  came(bytes: number): void {
    this.bytes += bytes;
  }

  /** The same, asked after each answer: looked at once for each `ms` of waiting. */
  stalled(ms: number): boolean {
    return this.askedMs >= ms && !this.progress(ms);
  }

  /** For the time since the last call; `ms` is how long that was. */
  progress(ms: number): boolean {
    const now = performance.now();
    const asked = this.askedMs + (this.since === undefined ? 0 : now - this.since);
    const moved = this.bytes >= PROGRESS || asked < ms * 0.8;
    this.bytes = 0;
    this.askedMs = 0;
    if (this.since !== undefined) this.since = now;
    return moved;
  }
}
