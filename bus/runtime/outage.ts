import { reopenDelay } from './retry.js';

/** So many messages failed one after the other and none succeeded: it is the target, not a message. */
const MESSAGES = 5;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Tells a target that answers nobody (503 for everything, a request that is never answered) from a message it does not take. While it lasts, attempts
 * count for nobody and one message at a time asks whether it is over, so that an outage of any length fills no dead letters.
 */
export class Outage {
  private readonly failing = new Set<string>();
  private pauses = 0;

  constructor(private readonly random: () => number) {}

  get isOn(): boolean {
    return this.failing.size >= MESSAGES;
  }

  /** @returns whether it begins with this */
  failed(deliveryId: string): boolean {
    if (this.isOn) return false;
    this.failing.add(deliveryId);
    return this.isOn;
  }

  /** @returns whether it ends with this */
  succeeded(): boolean {
    const wasOn = this.isOn;
    this.failing.clear();
    this.pauses = 0;
    return wasOn;
  }

  nextPause(): number {
    return Math.min(reopenDelay(this.pauses++, this.random), LONGEST_PAUSE_MS);
  }
}
