import { Decimal, type Delivery, deriveId, isRecord, type Value, type ValueRecord } from '../../../adapters/contract/index.js';
import type { Sample } from './harness.js';

/** `count` plain samples, numbered from `first`. */
export function samples(first: number, count: number): readonly Sample[] {
  return Array.from({ length: count }, (_, index) => sample(first + index));
}

export function sample(number: number): Sample {
  return { number, text: `item ${number}`, whole: '42', amount: '12.50', code: '00123' };
}

/** What loses something in a careless implementation. */
export function hardSample(number: number): Sample {
  return { number, text: 'Grüße, 東京; "🚂" O\'Brien <&> 100 %', whole: '9007199254740993', amount: '0.1000', code: '00123' };
}

/** `{number, text, whole, amount, code}` with exact numbers. */
export function payloadOf(sample: Sample): ValueRecord {
  return {
    number: BigInt(sample.number),
    text: sample.text,
    whole: BigInt(sample.whole),
    amount: Decimal.parse(sample.amount) ?? sample.amount,
    code: sample.code,
  };
}

/** The sample in a value with the fields of `payloadOf`, whatever holds its numbers. */
export function sampleOf(value: Value): Sample {
  const fields = isRecord(value) ? value : {};
  const text = (name: string) => {
    const field = fields[name];
    return typeof field === 'string' || typeof field === 'bigint' || field instanceof Decimal ? field.toString() : `(no text and no number: ${name})`;
  };
  return { number: Number(text('number')), text: text('text'), whole: text('whole'), amount: text('amount'), code: text('code') };
}

export function deliveryOf(sample: Sample, payload: ValueRecord, attempt = 1): Delivery {
  const id = deriveId('kit', String(sample.number));
  return {
    id,
    messageId: deriveId('kit message', String(sample.number)),
    type: 'Order',
    key: `K-${sample.number}`,
    idempotencyKey: id,
    payload,
    time: '2026-03-01T08:00:00.000Z',
    attempt,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  };
}
