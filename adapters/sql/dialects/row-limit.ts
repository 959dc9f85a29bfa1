import type { Raw } from '../values.js';
import type { Most } from './dialect.js';

/** Counts what rows take in memory, roughly. */
export class RowLimit {
  isCut = false;
  #rows = 0;
  #bytes = 0;

  constructor(private readonly most: Most | undefined) {}

  /** @returns whether the row still fits; the first one always does, and after one that does not none does */
  takes(cells: readonly Raw[]): boolean {
    if (!this.most) return true;
    if (this.isCut) return false;
    let bytes = 64;
    for (const cell of cells) bytes += 16 + (typeof cell === 'string' ? cell.length : cell instanceof Uint8Array ? cell.byteLength : 0);
    this.isCut = this.#rows > 0 && this.#bytes + bytes > this.most.bytes;
    this.#rows++;
    this.#bytes += bytes;
    return !this.isCut;
  }
}
