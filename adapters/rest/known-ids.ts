/**
 * The ids of the last requests, in memory: two requests of one id at once become one, and an id that comes again with other content is
 * noticed. Across restarts and nodes the bus recognises duplicates by the message id.
 */
export class KnownIds<T> {
  private readonly entries = new Map<string, { readonly digest: string; readonly work: Promise<T> | undefined }>();

  constructor(private readonly most = 10_000) {}

  async once(id: string, digest: string, work: () => Promise<T>): Promise<T | 'other body'> {
    const known = this.entries.get(id);
    if (known && known.digest !== digest) return 'other body';
    if (known?.work) return known.work;
    const under = work();
    this.entries.set(id, { digest, work: under });
    try {
      const result = await under;
      this.remember(id, digest);
      return result;
    } catch (error) {
      this.entries.delete(id); // nothing was stored: the sender may as well correct the body
      throw error;
    }
  }

  private remember(id: string, digest: string): void {
    this.entries.delete(id);
    this.entries.set(id, { digest, work: undefined });
    if (this.entries.size <= this.most) return;
    for (const [oldest, { work }] of this.entries) {
      if (work) continue;
      this.entries.delete(oldest);
      return;
    }
  }
}
