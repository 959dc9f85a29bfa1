/** Work that is waited for together, all of it also when some fails: so that nothing is still being published when the caller reads the batch again. */
export class Together {
  private readonly all: Promise<void>[] = [];
  private failure: { readonly reason: unknown } | undefined;

  add(...work: readonly Promise<void>[]): void {
    for (const one of work) {
      const noted = one.catch((reason: unknown) => {
        this.failure ??= { reason };
      });
      this.all.push(noted);
    }
  }

  get hasFailed(): boolean {
    return this.failure !== undefined;
  }

  async settle(): Promise<void> {
    await Promise.all(this.all);
    if (this.failure) throw this.failure.reason;
  }
}
