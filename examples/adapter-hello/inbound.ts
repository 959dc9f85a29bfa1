import { type Batch, deriveId, type PollingInbound, type PollRequest, parseJson, type SourceRecord } from '../../adapters/contract/index.js';
import type { Link } from './client.js';
import type { Read } from './config.js';

/** Reads greetings in their order; the checkpoint is the number of the next one. */
export class HelloInbound implements PollingInbound {
  readonly kind = 'polling';
  private closed = false;

  constructor(
    private readonly link: Link,
    private readonly config: Read,
  ) {}

  async open(): Promise<void> {
    this.link();
    this.closed = false;
  }

  async *poll(request: PollRequest): AsyncIterable<Batch> {
    let next = Number(request.checkpoint ?? this.config.from);
    for (;;) {
      request.signal.throwIfAborted();
      const texts = this.closed ? [] : this.link().greetings.slice(next - 1, next - 1 + request.maxRecords);
      if (texts.length === 0) return;
      const first = next;
      next += texts.length;
      yield { records: texts.map((text, index) => record(first + index, text)), checkpoint: String(next) };
    }
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

function record(number: number, text: string): SourceRecord {
  // The text is part of the id: a changed greeting is another input.
  return { id: deriveId(String(number), text), value: parseJson(text), position: `greeting ${number}`, size: Buffer.byteLength(text) };
}
