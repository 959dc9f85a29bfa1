import { type Delivery, type Outbound, type Receipt, type ValueRecord, writeJson } from '../../adapters/contract/index.js';
import type { Link } from './client.js';
import type { Write } from './config.js';

/** Leaves answers in the world. The world keeps one answer per id, in one step, so that a repeated delivery has no second effect. */
export class HelloOutbound implements Outbound {
  constructor(
    private readonly link: Link,
    private readonly config: Write,
  ) {}

  async open(): Promise<void> {
    this.link();
  }

  async send(delivery: Delivery, signal: AbortSignal): Promise<Receipt> {
    signal.throwIfAborted();
    const { answers } = this.link();
    const detail = `answer ${delivery.id}`;
    if (answers.has(delivery.id)) return { detail, duplicate: true };
    answers.set(delivery.id, answer(this.config, delivery.payload));
    return { detail };
  }

  async close(): Promise<void> {}
}

export function answer(config: Write, payload: ValueRecord): string {
  return writeJson(config.sign === undefined ? payload : { ...payload, signed: config.sign });
}
