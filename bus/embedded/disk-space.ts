// How much space the volume of the embedded bus has left, and a reserve for the day it has none.
import { randomFillSync } from 'node:crypto';
import { type FileHandle, open, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Logger } from '../../adapters/contract/index.js';
import { describe } from '../errors.js';

export interface DiskSpaceOptions {
  readonly directory: string;
  /** Below this nothing new is accepted. Default: 1 GiB, on a small volume a twentieth of it; never less than four times the write-ahead log. */
  readonly minFree: number | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

const MEGABYTE = 1024 * 1024;
const DEFAULT_FREE = 1024 * MEGABYTE;
const CHECK_MS = 1_000;
/** Over only when there is more than the limit by this part, so that it does not flutter. */
const HYSTERESIS = 0.1;
/** Deleting needs space too (the write-ahead log grows first). It is laid by when the process has run for a while: nobody fills a disk in a moment. */
const RESERVE = 64 * MEGABYTE;
const RESERVE_AFTER_CHECKS = 10;

/**
 * Watches the volume from `watch` until its signal is aborted. New messages are refused while `alarm` is set; acknowledgements and what the store records of
 * them go on, at the very end in the space that the reserve gives back.
 */
export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  readonly #reserve: string;
  #alarm: string | undefined;
  #checks = 0;
  #isReserved = false;
  #isFailing = false;

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
    this.#reserve = join(options.directory, 'bus.reserve');
  }

  /** `disk alarm: 12 MB free …`; undefined when there is space. */
  get alarm(): string | undefined {
    return this.#alarm;
  }

  async watch(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.check();
      await clock.sleep(CHECK_MS, signal).catch(() => undefined); // aborted: the loop ends
    }
  }

  /** Does not throw: what cannot be found out leaves things as they are. */
  async check(): Promise<void> {
    try {
      await this.#look();
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#options.log.warn('broker.disk', `how much space is left cannot be found out: ${describe(error)}`);
      this.#isFailing = true;
    }
  }

  async #look(): Promise<void> {
    const { directory, minFree, log } = this.#options;
    const { bavail, blocks, bsize } = await statfs(directory);
    const [free, total] = [bavail * bsize, blocks * bsize];
    const wal = (await sizeOf(join(directory, 'bus.db-wal'))) ?? 0;
    const limit = Math.max(minFree ?? Math.min(DEFAULT_FREE, total / 20), minFree === undefined ? 4 * wal : 0);
    const wasAlarmed = this.#alarm !== undefined;
    if (free < limit * (wasAlarmed ? 1 + HYSTERESIS : 1)) {
      this.#alarm = `disk alarm: ${size(free)} free in ${directory}, below ${size(limit)} nothing new is accepted; free space on this volume`;
      if (!wasAlarmed) log.error('broker.disk-alarm', this.#alarm, { code: 'E538' });
    } else {
      this.#alarm = undefined;
      if (wasAlarmed) log.info('broker.disk-alarm', `the disk has space again: ${size(free)} free in ${directory}`);
    }
    await this.#keepReserve(free, limit);
  }

  async #keepReserve(free: number, limit: number): Promise<void> {
    const { log } = this.#options;
    const bytes = Math.floor(Math.min(RESERVE, limit / 2));
    this.#checks++;
    if (this.#checks === 1) this.#isReserved = ((await sizeOf(this.#reserve)) ?? 0) > 0;
    if (this.#isReserved && free < bytes / 4) {
      await rm(this.#reserve, { force: true });
      this.#isReserved = false;
      log.warn('broker.disk-reserve', `the disk is full: the reserve of ${size(bytes)} was given back, for acknowledgements and the history`, { code: 'E538' });
    } else if (!this.#isReserved && this.#alarm === undefined && this.#checks > RESERVE_AFTER_CHECKS && free > limit * (1 + HYSTERESIS) + bytes) {
      await layBy(this.#reserve, bytes);
      this.#isReserved = true;
    }
  }
}

/** Random: a file system that compresses would keep nothing of zeros. */
async function layBy(path: string, bytes: number): Promise<void> {
  const block = randomFillSync(new Uint8Array(MEGABYTE));
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'w', 0o600);
    for (let left = bytes; left > 0; left -= block.length) await file.write(block.subarray(0, Math.min(left, block.length)));
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file?.close();
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    (stats) => stats.size,
    () => undefined, // not there
  );
}

function size(bytes: number): string {
  return bytes >= 1024 * MEGABYTE ? `${(bytes / (1024 * MEGABYTE)).toFixed(1)} GB` : `${Math.round(bytes / MEGABYTE)} MB`;
}
