import { z } from 'zod';
import { byteSize, InvalidMessage } from '../contract/index.js';
import type { Codec } from './codec.js';
import { encodingOf } from './encodings.js';
import { XmlReader } from './xml-reader.js';
import { xmlText } from './xml-text.js';
import { writeDocument, writeElement } from './xml-writer.js';

const NAME = String.raw`(?:\{[^{}]+\}|[\p{L}_][\p{L}\p{N}_.\-]*:)?[\p{L}_][\p{L}\p{N}_.\-]*`;
const path = () => z.string().regex(new RegExp(`^${NAME}(/${NAME})*$`, 'u'), 'expected an element such as Order, a path such as Orders/Order, o:Order or {urn:orders}Order');
const prefix = z.string().regex(/^(?!xml)[A-Za-z_][A-Za-z0-9_.-]*$/i, 'expected a prefix such as o');

export const xmlOptions = z
  .strictObject({
    each: path()
      .optional()
      .meta({
        title: 'Each',
        description:
          'The element that is one record: a path from the root, or one name that is found at any depth. To write, the same path: the last element is written per payload, the ones above it once. Left out: the document is one record, with the name of its root as its field.',
        examples: ['Orders/Order', 'Order', '{urn:orders}Order'],
      }),
    lists: z
      .array(path())
      .default([])
      .meta({
        title: 'Lists',
        description: 'Elements that are always a list, also when there is one or none, as paths below the record. Any other element that is there twice is an error.',
        examples: [['Line', 'Parties/Party']],
      }),
    records: z
      .array(path())
      .default([])
      .meta({
        title: 'Records',
        description: 'Elements that are always a record (with `#text`), also when they have neither attributes nor elements.',
        examples: [['Price']],
        advanced: true,
      }),
    namespaces: z
      .record(prefix, z.string().min(1))
      .default({})
      .meta({ title: 'Namespaces', description: 'Prefixes for names, by namespace. The prefixes in the document do not matter.', examples: [{ o: 'urn:orders' }] }),
    namespace: z
      .string()
      .min(1)
      .optional()
      .meta({ title: 'Namespace', description: 'Namespace of elements without a prefix. Left out: any, as long as one name is in one namespace.', examples: ['urn:orders'] }),
    encoding: z
      .string()
      .refine((name) => encodingOf(name) !== undefined, 'expected an encoding such as utf-8, utf-16le, windows-1252, iso-8859-1 or iso-8859-15')
      .transform((name) => encodingOf(name) ?? 'utf-8')
      .optional()
      .meta({ title: 'Encoding', description: 'Left out, the document says it when reading, and UTF-8 is written.', examples: ['iso-8859-1'] }),
    attributes: z
      .record(z.string().min(1), z.string())
      .default({})
      .meta({ title: 'Attributes', description: 'Attributes that are written to the root.', examples: [{ version: '2.1' }] }),
    declaration: z.boolean().default(true).meta({ title: 'Declaration', description: 'Whether `<?xml ...?>` is written.' }),
    nulls: z
      .enum(['omit', 'empty', 'nil'])
      .default('omit')
      .meta({ title: 'Nulls', description: 'A field without a value is not written, is an empty element, or one with `xsi:nil="true"`.' }),
    max_record: byteSize({ max: 512 * 1024 * 1024 })
      .prefault('16MiB')
      .meta({ title: 'Longest record', description: 'A longer element fails, and so does one text or tag that is longer.', advanced: true }),
  })
  .refine(({ namespaces }) => new Set(Object.values(namespaces)).size === Object.keys(namespaces).length, { path: ['namespaces'], message: 'a namespace has two prefixes' });

export type XmlOptions = z.output<typeof xmlOptions>;

/**
 * All values are text. An element with attributes (`@name`) or elements is a record, any other is its text; text beside attributes is `#text`;
 * text beside elements is refused. Nothing depends on how often an element happens to be there.
 */
export function xmlCodec(options: XmlOptions): Codec {
  return {
    fields: undefined,
    async *decode(bytes, source) {
      const reader = new XmlReader(options, source);
      try {
        for await (const { text, encoding } of xmlText(bytes, options.encoding)) {
          const records = reader.write(text, encoding);
          if (records.length > 0) yield records;
          if (reader.ended) return;
        }
      } catch (error) {
        if (!(error instanceof InvalidMessage)) throw error;
        yield [reader.failure(new InvalidMessage(error.code, `${source}: ${error.message}`, { place: source, cause: error }))];
        return;
      }
      const records = reader.end();
      if (records.length > 0) yield records;
    },
    encode: (payloads) => writeDocument(payloads, options),
    preview: (payload) => writeElement(payload, options),
  };
}
