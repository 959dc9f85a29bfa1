// Polls as the runtime does: a checkpoint is saved when a batch is durable, then the batch is settled.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { CustodyRequest, Settlement, SourceRecord } from '../../../adapters/contract/index.js';
import { Disk } from '../../../adapters/file/disk.js';
import { readOptions } from '../../../adapters/files/options.js';
import { Pickup } from '../../../adapters/files/pickup.js';
import type { FileSpace } from '../../../adapters/files/space.js';
import { type HeldClock, heldClock, type MemoryState, memoryState, type RecordingLog, recordingLog } from '../../kit/fakes.js';

const controller = new AbortController();
export const { signal }: { readonly signal: AbortSignal } = controller;

export class Folder {
  readonly root = mkdtempSync(join(tmpdir(), 'signalbox-files-'));

  write(path: string, content: string | Uint8Array): void {
    mkdirSync(dirname(join(this.root, path)), { recursive: true });
    writeFileSync(join(this.root, path), content);
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8');
  }

  /** Names in a folder, sorted; none when it is not there. */
  names(path: string): readonly string[] {
    return existsSync(join(this.root, path)) ? readdirSync(join(this.root, path)).sort() : [];
  }

  /** Names of regular files only. */
  files(path: string): readonly string[] {
    return this.names(path).filter((name) => statSync(join(this.root, path, name), { throwIfNoEntry: false })?.isFile());
  }

  lock(path: string, mode: number): void {
    chmodSync(join(this.root, path), mode);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

export class Runner {
  checkpoint: string | undefined;
  readonly clock: HeldClock = heldClock();
  readonly log: RecordingLog = recordingLog();
  private pickup: Pickup | undefined;
  private asked = 0;

  constructor(
    private readonly options: object,
    private readonly space: FileSpace,
    /** Shared by the nodes of one store. */
    readonly state: MemoryState = memoryState(),
  ) {}

  static on(folder: Folder, options: object = {}): Runner {
    return new Runner(options, new Disk(folder.root));
  }

  /** A new process: only checkpoint, notes and the folder are left. */
  restart(): void {
    this.pickup = undefined;
  }

  async open(): Promise<Pickup> {
    if (!this.pickup) {
      const config = readOptions.parse({ path: 'in', stable: { polls: 1, for: '0s' }, csv: {}, ...this.options });
      this.pickup = new Pickup(this.space, config, { name: 'test.read', config, state: this.state }, this.clock, this.log);
      await this.pickup.open(signal);
    }
    return this.pickup;
  }

  /** What `signalbox files` leaves for the next poll. */
  async ask(action: CustodyRequest['action'], id: string): Promise<void> {
    const request: CustodyRequest = { action, id, by: 'anna: checked', at: this.clock.now().getTime() };
    await this.state.put(new Map([[`ask/${String(this.asked++).padStart(12, '0')}`, JSON.stringify(request)]]));
  }

  async poll(
    how: { readonly maxRecords?: number; readonly batches?: number; readonly settle?: boolean; readonly settlement?: Partial<Settlement> } = {},
  ): Promise<readonly SourceRecord[]> {
    const records: SourceRecord[] = [];
    let batches = 0;
    for await (const batch of (await this.open()).poll({ checkpoint: this.checkpoint, maxRecords: how.maxRecords ?? 100, signal })) {
      records.push(...batch.records);
      this.checkpoint = batch.checkpoint ?? this.checkpoint;
      const dead = batch.records.filter((record) => record.failure).length;
      const reason = batch.records.find((record) => record.failure)?.failure?.message;
      if (how.settle !== false) await batch.settle?.({ accepted: batch.records.length - dead, filtered: 0, dead, reason, ...how.settlement });
      if (++batches === how.batches) break;
    }
    return records;
  }
}

export function values(records: readonly SourceRecord[]): readonly unknown[] {
  return records.map((record) => record.failure?.code ?? { ...(record.value as object) });
}
