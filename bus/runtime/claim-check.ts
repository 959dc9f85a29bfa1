import type { OutgoingMessage } from '../broker.js';
import { InvalidMessage } from '../errors.js';
import { reached } from '../failpoint.js';
import type { Payloads } from '../store/contract.js';
import { Gate } from './gate.js';

/**
 * Larger content waits in the store, and only its reference goes through the channels (Claim Check, Hohpe and Woolf 2003). A broker keeps every message of
 * a channel several times (log, replicas, memory of the consumers it is handed to): 256 publishes under way (the window) of this size are 64 MiB, which
 * is what a channel can take from a node without pressing others out.
 */
export const CLAIM_CHECK_BYTES = 256 * 1024;
/** On its way a payload is in memory up to ten times (as read, mapped, as text, as bytes, once more in the store's thread and driver): no setting makes more than this safe. */
export const MAX_PAYLOAD_BYTES = 64 * 1024 * 1024;
/** CloudEvents 1.0, extension "dataref": where the data is, in place of the data. */
const DATAREF = 'cloudEvents:dataref';
/**
 * Bytes that are being stored at a time, over all sources. What is stored together is one commit, which the others wait for (some 100 ms); more would make
 * it longer, but nothing faster.
 */
export const MOST_UNDER_WAY = 8 * 1024 * 1024;

/** Where content too large for a channel is handed in. One per process, so that there is one bound for what is under way. */
export class ClaimCheck {
  private underWay = 0;
  private readonly gate = new Gate();

  constructor(private readonly payloads: Payloads) {}

  /** Whether so much is being stored that others should wait in `enter`. */
  get isFull(): boolean {
    return !this.gate.isOpen;
  }

  /** @throws the signal's reason */
  enter(signal: AbortSignal): Promise<void> {
    return this.gate.pass(signal);
  }

  /** @returns the reference, once the content is durable @throws InvalidMessage when it is larger than anything may be */
  async leave(messageId: string, content: Uint8Array): Promise<string> {
    if (content.byteLength > MAX_PAYLOAD_BYTES) throw new InvalidMessage('E505', `${content.byteLength} bytes are more than ${MAX_PAYLOAD_BYTES}`);
    this.underWay += content.byteLength;
    if (this.underWay >= MOST_UNDER_WAY) this.gate.close();
    try {
      const reference = await this.payloads.put(messageId, content);
      reached('intake.payload.stored');
      return reference;
    } finally {
      this.underWay -= content.byteLength;
      if (this.underWay < MOST_UNDER_WAY) this.gate.open();
    }
  }

  /** The message as it goes into a channel. @throws InvalidMessage */
  async checkIn(messageId: string, message: OutgoingMessage): Promise<OutgoingMessage> {
    const reference = await this.leave(messageId, message.body);
    return { id: message.id, headers: { ...message.headers, [DATAREF]: reference }, body: new Uint8Array() };
  }
}

export function isLarge(content: Uint8Array): boolean {
  return content.byteLength > CLAIM_CHECK_BYTES;
}

/** The same for content that is text still. */
export function isLargeText(text: string): boolean {
  // A character is three bytes at most, so that most need not be counted.
  return text.length * 3 > CLAIM_CHECK_BYTES && Buffer.byteLength(text) > CLAIM_CHECK_BYTES;
}

/** Of a message in a channel, or of the letter that was made of it. */
export function datarefOf(headers: Readonly<Record<string, unknown>>): string | undefined {
  const reference = headers[DATAREF];
  return typeof reference === 'string' ? reference : undefined;
}

/** The body of a message from a channel, wherever it is. @throws InvalidMessage when it is not where the message says */
export async function checkOut(message: OutgoingMessage, get: Payloads['get']): Promise<Uint8Array> {
  const reference = datarefOf(message.headers);
  if (reference === undefined) return message.body;
  const content = await get(reference);
  if (content === undefined) throw new InvalidMessage('E560', `the payload ${reference} is not at the claim check`);
  return content;
}
