import { z } from 'zod';
import { byteSize, InvalidMessage, newRecord } from '../contract/index.js';
import type { Codec } from './codec.js';
import { plainText } from './csv.js';
import { decodeText, encodeText, encodingOption, isRecoded, isWide, withoutMark } from './encodings.js';
import { collect } from './lines.js';

export const textOptions = z.strictObject({
  encoding: encodingOption(true),
  max_record: byteSize().prefault('16MiB').meta({ title: 'Longest file', description: 'A longer file fails.', advanced: true }),
});

export type TextOptions = z.output<typeof textOptions>;

/** A whole file is one record `{text}`. */
export function textCodec(options: TextOptions): Codec {
  return {
    fields: { text: 'text' },
    async *decode(bytes, source) {
      const base = { number: 1, offset: 0, line: 1 };
      try {
        const whole = await collect(withoutMark(bytes, options.encoding), options.max_record);
        if (whole.tooLong) {
          yield [{ ...base, value: null, raw: whole.bytes, failure: new InvalidMessage('E345', `${source}: the file has more than ${options.max_record} bytes`) }];
          return;
        }
        try {
          const value = newRecord();
          value['text'] = decodeText(whole.bytes, isRecoded(options.encoding) ? 'utf-8' : options.encoding);
          yield [{ ...base, value, raw: whole.bytes }];
        } catch (error) {
          if (!(error instanceof InvalidMessage)) throw error;
          yield [{ ...base, value: null, raw: whole.bytes, failure: error }];
        }
      } catch (error) {
        if (!(error instanceof InvalidMessage)) throw error;
        yield [{ ...base, value: null, raw: Buffer.alloc(0), failure: error }];
      }
    },
    encode: (payloads) =>
      encodeText(`${isWide(options.encoding) ? '\ufeff' : ''}${payloads.map((payload) => plainText(payload['text'] ?? null, 'text')).join('')}`, options.encoding, 'text'),
    preview: (payload) => plainText(payload['text'] ?? null, 'text'),
  };
}
