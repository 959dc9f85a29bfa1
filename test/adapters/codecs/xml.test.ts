import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { xmlCodec, xmlOptions } from '../../../adapters/codecs/xml.js';
import { Decimal } from '../../../adapters/contract/index.js';
import { decodeAll, shown } from './decoding.js';

const codec = (options: object = {}) => xmlCodec(xmlOptions.parse(options));
const orders = { each: 'Orders/Order', lists: ['Line'] };

describe('reading XML', () => {
  test('one record per element, wherever chunks end', async () => {
    const text =
      '\ufeff<?xml version="1.0"?>\n<Orders>\n <Head><Order>no</Order></Head>\n <Order no="00123">\r\n  <Cust>M&amp;M <!-- x --><![CDATA[<&>]]></Cust>\n  <Line pos="1"><Qty>01.50</Qty></Line>\n </Order>\n <Order no="2"><Cust/></Order>\n</Orders>\n';
    for (const size of [1, 2, 3, 7, 1000]) {
      const records = await decodeAll(codec(orders), text, size);
      expect(records.map(shown)).toEqual([
        { '@no': '00123', Cust: 'M&M <&>', Line: [{ '@pos': '1', Qty: '01.50' }] },
        { '@no': '2', Cust: '', Line: [] },
      ]);
      expect(records.map(({ number, line, raw }) => ({ number, line, starts: String(raw).slice(0, 9) }))).toEqual([
        { number: 1, line: 4, starts: '<Order no' },
        { number: 2, line: 8, starts: '<Order no' },
      ]);
      // Offsets are counted behind the byte order mark.
      expect(
        records.map(({ offset, raw }) =>
          Buffer.from(text)
            .subarray(offset + 3, offset + 3 + raw.length)
            .equals(raw),
        ),
      ).toEqual([true, true]);
    }
  });

  test('F18 records without anything between them: what was read is not kept', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const record = `<Order><Text>${'x'.repeat(4_000)}</Text></Order>`;
    let [kept, count] = [0, 0];
    async function* chunks(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('<Orders>');
      for (let at = 0; at < 600; at++) yield Buffer.from(record.repeat(15).slice(at === 0 ? 0 : 100) + record.slice(0, 100));
    }
    collect();
    const before = process.memoryUsage().heapUsed;
    for await (const list of codec({ each: 'Orders/Order' }).decode(chunks(), 'orders.xml')) {
      count += list.filter(({ failure }) => failure === undefined).length;
      if (count < 8_500) continue;
      collect();
      kept = Math.max(kept, process.memoryUsage().heapUsed - before);
    }
    expect(count).toBeGreaterThan(8_900);
    expect(kept).toBeLessThan(12 * 1024 * 1024);
  });

  test('a document is one record with the name of its root', async () => {
    expect((await decodeAll(codec({ lists: ['Order/Line'] }), '<Order><Line>1</Line></Order>')).map(shown)).toEqual([{ Order: { Line: ['1'] } }]);
  });

  test('a name alone is found at any depth, and must be there', async () => {
    expect((await decodeAll(codec({ each: 'b' }), '<x><a><b>1</b></a><b>2</b></x>')).map(shown)).toEqual(['1', '2']);
    expect((await decodeAll(codec({ each: 'b' }), '<x/>')).map(shown)).toEqual(['E363 orders.csv:1:4: there is no element <b> in the document']);
    expect(await decodeAll(codec(orders), '<Orders/>')).toEqual([]);
    expect((await decodeAll(codec(orders), '<Order/>')).map(shown)).toEqual([expect.stringContaining('the document is <Order>, expected <Orders>')]);
  });

  test('what has no clear form fails alone, with line and element', async () => {
    const text = '<Orders>\n<Order><A>1</A>\n<A>2</A></Order>\n<Order>text <A/></Order>\n<Order><A>3</A></Order></Orders>';
    expect((await decodeAll(codec(orders), text, 5)).map(shown)).toEqual([
      'E364 orders.csv:3:3: <A> is there more than once in <Order>: add A to lists',
      'E364 orders.csv:4:7: <Order> has text beside elements',
      { A: '3', Line: [] },
    ]);
  });

  test('records before a broken place are delivered', async () => {
    const records = await decodeAll(codec(orders), '<Orders><Order><A>1</A></Order>\n<Order><A>2</B></Order></Orders>');
    expect(records.map(shown)).toEqual([{ A: '1', Line: [] }, expect.stringMatching(/^E363 orders\.csv:2:15: /)]);
    expect((await decodeAll(codec(orders), '<Orders><Order><A>1</A></Order>')).map(shown)).toEqual([{ A: '1', Line: [] }, expect.stringContaining('E363')]);
  });

  test('namespaces: prefixes are ours, and one local name is in one namespace', async () => {
    const text = '<p:Orders xmlns:p="urn:o" xmlns="urn:x"><p:Order id="1" p:id="2"><Note xml:lang="de">a</Note></p:Order></p:Orders>';
    const [record] = await decodeAll(codec({ each: 'o:Orders/o:Order', namespaces: { o: 'urn:o' } }), text);
    expect(shown(record)).toEqual({ '@id': '1', '@o:id': '2', Note: { '@xml:lang': 'de', '#text': 'a' } });
    expect((await decodeAll(codec({ each: '{urn:o}Order', namespaces: { o: 'urn:o' } }), text)).map(shown)).toHaveLength(1);
    expect((await decodeAll(codec({ each: 'Order' }), text)).map(shown)).toEqual([expect.stringContaining('"@id" is there in two namespaces, no namespace and urn:o')]);
    expect((await decodeAll(codec({ each: 'o:Order', namespace: 'urn:y', namespaces: { o: 'urn:o' } }), text)).map(shown)).toEqual([
      expect.stringContaining('<Note> is in the namespace urn:x, which is not listed'),
    ]);
  });

  test('nil is no value, and declared records keep their form', async () => {
    const xsi = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
    expect((await decodeAll(codec({ each: 'o', records: ['p'] }), `<o ${xsi}><a xsi:nil="true"/><p>5</p></o>`)).map(shown)).toEqual([{ a: null, p: { '#text': '5' } }]);
  });

  test('F28 the encoding is the one of the mark or the declaration, and a bad byte has its offset', async () => {
    const latin = Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><o><a>M\xfcller</a></o>', 'latin1');
    expect((await decodeAll(codec({ each: 'o' }), latin, 3)).map(shown)).toEqual([{ a: 'Müller' }]);
    const wide = Buffer.from('\ufeff<?xml version="1.0" encoding="UTF-16"?><o><a>Ж€</a></o>', 'utf16le');
    expect((await decodeAll(codec({ each: 'o' }), wide, 3)).map(shown)).toEqual([{ a: 'Ж€' }]);
    expect((await decodeAll(codec({ each: 'o' }), Buffer.from(wide).swap16(), 3)).map(shown)).toEqual([{ a: 'Ж€' }]);
    for (const size of [1, 4, 1000]) {
      const bad = await decodeAll(codec({ each: 'x/o' }), Buffer.from('<x><o>\xc3\xbc</o><o>\xfc</o></x>', 'latin1'), size);
      expect(bad.map(shown)).toEqual(['ü', 'E341 orders.csv: byte 0xfc at offset 15 is not utf-8']);
    }
    expect((await decodeAll(codec(), '\ufeff<?xml version="1.0" encoding="ISO-8859-1"?><o/>')).map(shown)).toEqual([
      expect.stringContaining('its byte order mark is the one of utf-8'),
    ]);
    expect((await decodeAll(codec(), '<?xml version="1.0" encoding="EBCDIC-X"?><o/>')).map(shown)).toEqual([expect.stringContaining('EBCDIC-X, which is not supported')]);
  });

  test.each([
    ['a document type', '<!DOCTYPE o [<!ENTITY x SYSTEM "file:///etc/passwd">]><o>&x;</o>', 'a DOCTYPE is not accepted'],
    ['billion laughs', '<!DOCTYPE o [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><o>&b;</o>', 'a DOCTYPE is not accepted'],
    ['an unknown entity', '<o>&x;</o>', 'undefined entity'],
    ['two roots', '<o/><o/>', 'documents may contain only one root'],
    ['text behind the root', '<o/>x', 'text data outside of root node'],
    ['XML 1.1', '<?xml version="1.1"?><o/>', '1.0'],
    ['an attribute twice', '<o a="1" a="2"/>', 'duplicate attribute'],
    ['an unbound prefix', '<x:o/>', 'unbound namespace prefix'],
    ['NUL', '<o>\0</o>', 'disallowed character'],
    ['nothing', '', 'document must contain a root element'],
    ['JSON', '{"a":1}', 'text data outside of root node'],
    ['300 deep', '<o>'.repeat(300), 'nested deeper than 128'],
    ['10,000 attributes', `<o ${Array.from({ length: 10_000 }, (_, at) => `a${at}="1"`).join(' ')}/>`, 'more than 256 attributes'],
    ['a long attribute', `<o a="${'x'.repeat(70_000)}"/>`, 'more than 65536 characters'],
    ['a long name', `<${'x'.repeat(300)}/>`, 'a name has more than 256 characters'],
  ])('hostile: %s is refused', async (_, text, message) => {
    for (const size of [5, 65_536]) expect((await decodeAll(codec(), text, size)).map(shown)).toEqual([expect.stringContaining(message)]);
  });

  test('hostile: names of JavaScript are plain data', async () => {
    const [record] = await decodeAll(codec({ each: 'o' }), '<o><__proto__>1</__proto__><constructor>2</constructor><toString>3</toString></o>');
    expect(Object.entries(record?.value as object)).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
      ['toString', '3'],
    ]);
  });

  test('hostile: an endless text, comment or document type is given up, an element that is too long fails alone', async () => {
    const limited = codec({ each: 'x/o', max_record: '100KiB' });
    for (const start of ['<x><o>', '<x><!--', '<!DOCTYPE x [', '<x><o a="', '<x']) {
      const records = await decodeAll(limited, `${start}${'y'.repeat(1_000_000)}`);
      expect(records.map(shown)).toEqual([expect.stringMatching(/^E345|^E363/)]);
      expect(records[0]?.raw.length).toBeLessThanOrEqual(65_536);
    }
    const records = await decodeAll(limited, `<x>\n<o>${'<a/><!-- -->'.repeat(30_000)}</o>\n<o>2</o></x>`, 8_192);
    expect(records.map(shown)).toEqual(['E345 orders.csv:2:1: the element has more than 102400 characters', '2']);
    expect(records[0]?.raw.length).toBe(65_536);
    expect(String(records[1]?.raw)).toBe('<o>2</o>');
  });
});

describe('writing XML', () => {
  test('all payloads in one root, in the order of their fields', async () => {
    const options = codec({ ...orders, namespace: 'urn:o', namespaces: { c: 'urn:c' }, attributes: { version: '2' } });
    const payloads = [{ '@no': 7n, 'c:Total': new Decimal(150n, 2), Line: [{ Qty: '1' }, { Qty: '2' }], Note: null, Ok: true }, { '#text': 'a<b>&"\r' }];
    expect(String(await options.encode(payloads))).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<Orders xmlns="urn:o" xmlns:c="urn:c" version="2">\n<Order no="7"><c:Total>1.50</c:Total><Line><Qty>1</Qty></Line><Line><Qty>2</Qty></Line><Ok>true</Ok></Order>\n<Order>a&lt;b&gt;&amp;"&#13;</Order>\n</Orders>\n',
    );
    expect(options.preview(payloads[1] ?? {})).toBe('<Order>a&lt;b&gt;&amp;"&#13;</Order>');
  });

  test('nulls, and characters that the encoding has not', async () => {
    expect(String(await codec({ nulls: 'nil', declaration: false }).encode([{ o: { a: null } }]))).toBe(
      '<o xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><a xsi:nil="true"/></o>\n',
    );
    expect(String(await codec({ nulls: 'empty', declaration: false }).encode([{ o: { a: null } }]))).toBe('<o><a/></o>\n');
    expect(Buffer.from(await codec({ encoding: 'iso-8859-1' }).encode([{ o: 'ü€' }])).toString('latin1')).toContain('<o>ü&#8364;</o>');
  });

  test.each([
    [{ 'a b': '1' }, 'is no XML name'],
    [{ 'a><x': '1' }, 'is no XML name'],
    [{ 'p:a': '1' }, 'the prefix of p:a is not listed'],
    [{ '@xmlns': 'urn:x' }, 'the prefix of xmlns is not listed'],
    [{ a: '\0' }, 'U+0000 cannot be written in XML'],
    [{ a: '\ud800' }, 'half a surrogate pair'],
    [{ '#text': 'x', a: '1' }, 'text beside elements'],
    [{ a: [['1']] }, 'a list in a list'],
  ])('%j is refused', (payload, message) => {
    expect(() => codec({ each: 'o' }).encode([payload])).toThrow(message);
  });

  test('what was written is read back', async () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what XML cannot hold
    const text = fc.string({ unit: 'binary', maxLength: 20 }).filter((value) => !/[\0-\x08\v\f\x0e-\x1f\ufffe\uffff]/.test(value) && value.isWellFormed());
    const line = fc.record({ '@pos': text, Qty: text });
    const order = fc.record({ '@no': text, Cust: text, Line: fc.array(line, { maxLength: 3 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(order, { maxLength: 4 }),
        fc.constantFrom('utf-8', 'utf-16le', 'iso-8859-15'),
        fc.integer({ min: 1, max: 50 }),
        async (payloads, encoding, size) => {
          const options = codec({ ...orders, encoding });
          expect((await decodeAll(options, await options.encode(payloads), size)).map(shown)).toEqual(payloads);
        },
      ),
      { numRuns: 200 },
    );
  });
});
