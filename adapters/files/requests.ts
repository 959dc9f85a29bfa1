// What people ask of files (`signalbox files release`, `reprocess`), heard at the next poll by the node that reads.

import { type CustodyRequest, type FileCustody, failureOf, type Logger, NotConnected, type PollRequest } from '../contract/index.js';
import { type Claims, custodyKey } from './claims.js';
import { shownName, workName } from './names.js';
import { type FileSpace, joinPath, splitPath } from './space.js';
import type { Waiting } from './waiting.js';

export class Requests {
  /** Files in the folder that are read whatever they wait for, with the note to remove then. */
  readonly released = new Map<string, string>();

  constructor(
    private readonly space: FileSpace,
    private readonly work: string,
    private readonly claims: Claims,
    private readonly waiting: Waiting,
    private readonly logger: Logger,
  ) {}

  async hear(request: PollRequest, now: number): Promise<void> {
    for (const [key, asked] of await this.claims.requests()) {
      if (this.released.get(asked.id) === key) continue;
      const custody = await this.claims.custody(asked.id);
      try {
        if (!custody && asked.action === 'release' && this.waiting.get(asked.id)) this.released.set(asked.id, key);
        else if (custody?.state === 'held') await this.release(key, asked, custody, request, now);
        else if (custody && (custody.state === 'archived' || custody.state === 'failed')) await this.bringBack(key, asked, custody, request, now);
        else await this.drop(key, asked, 'it is not there any more');
      } catch (error) {
        // The link, or the lease; anything else is this file's own trouble, and its request waits.
        if (!failureOf(error) || error instanceof NotConnected) throw error;
        this.logger.warn('file.request-failed', `${shownName(custody?.name ?? asked.id)} could not be fetched: ${String(error)}`);
      }
    }
  }

  private async release(key: string, { by }: CustodyRequest, custody: FileCustody, { fence }: PollRequest, now: number): Promise<void> {
    const noted = { ...custody, path: custody.place, file: splitPath(custody.place).name };
    const { reason: _, ...claim } = await this.claims.get(noted.file, now);
    fence?.();
    await this.claims.put(noted, { ...claim, state: 'claimed', released: true, by }, 'claimed', new Map([[key, undefined]]));
  }

  /** Every step may be the last before a crash: the request stays until the file is in the work folder, whose name is made of the request. */
  private async bringBack(key: string, { action, by }: CustodyRequest, custody: FileCustody, { signal, fence }: PollRequest, now: number): Promise<void> {
    const { name, size, place } = custody;
    const file = workName(Buffer.from(key).toString('hex').slice(-12), name);
    const noted = { file, name, size, path: joinPath(this.work, file) };
    const claim = { ...(await this.claims.get(file, now)), released: true, by, ...(action === 'reprocess' ? { again: key } : {}) } as const;
    fence?.();
    await this.claims.put(noted, claim);
    if ((await this.space.rename(place, noted.path, 'new', signal)) !== 'renamed' && !(await this.space.stat(noted.path, signal))) {
      await this.claims.write(new Map([[custodyKey(claim.id), undefined]]));
      await this.claims.forget(file);
      return this.drop(key, { action, by, id: custody.id, at: now }, `${place} is not there`);
    }
    if (custody.state === 'failed') await this.space.remove(`${place}.reason.json`, signal);
    await this.claims.write(
      new Map([
        [key, undefined],
        [custodyKey(custody.id), JSON.stringify({ ...custody, place: '', readAgainAs: claim.id } satisfies FileCustody)],
      ]),
    );
  }

  private async drop(key: string, { action, id, by }: CustodyRequest, why: string): Promise<void> {
    this.logger.warn('file.request-dropped', `${action} of ${shownName(id)} (${by}) was not done: ${why}`);
    await this.claims.write(new Map([[key, undefined]]));
  }
}
