/** Holds its callers back while it is closed. */
export class Gate {
  private waiting: PromiseWithResolvers<void> | undefined;

  get isOpen(): boolean {
    return this.waiting === undefined;
  }

  close(): void {
    this.waiting ??= Promise.withResolvers<void>();
  }

  open(): void {
    this.waiting?.resolve();
    this.waiting = undefined;
  }

  /** Resolves when the gate is open. @throws the signal's reason when it is aborted first */
  async pass(signal: AbortSignal): Promise<void> {
    while (this.waiting) {
      signal.throwIfAborted();
      const aborted = Promise.withResolvers<never>();
      const abort = (): void => aborted.reject(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      try {
        await Promise.race([this.waiting.promise, aborted.promise]);
      } finally {
        signal.removeEventListener('abort', abort);
      }
    }
  }
}
