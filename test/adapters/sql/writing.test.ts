import { afterEach, describe, expect, test } from '@jest/globals';
import { Decimal, type ValueRecord } from '../../../adapters/contract/index.js';
import { DRIVERS, type Driver, delivery, type Fixture, fixture, never } from './fixture.js';

let open: Fixture | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});
const start = async (...options: Parameters<typeof fixture>): Promise<Fixture> => {
  open = await fixture(...options);
  return open;
};
const texts = (rows: readonly unknown[][]) => rows.map((row) => row.map(String));
const failed = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'no failure').catch((error: unknown) => error);

describe.each(DRIVERS)('writing to %s', (driver) => {
  const head = 'CREATE TABLE head (no INTEGER PRIMARY KEY, cust VARCHAR(10), ver INTEGER)';
  const line = `CREATE TABLE line (no INTEGER NOT NULL REFERENCES head(no), pos INTEGER NOT NULL, art VARCHAR(10), qty ${driver === 'sqlite' ? 'TEXT' : 'DECIMAL(10,3)'}, PRIMARY KEY (no, pos))`;
  const table = { table: 'head', key: 'no' };

  test('update: changes the row, not a newer one, and a row that is not there fails or is ignored', async () => {
    const { sql, rows, outbound } = await start(driver);
    await sql(head, "INSERT INTO head VALUES (1, 'a', 5), (2, 'b', NULL)");
    const target = await outbound({ ...table, mode: 'update', version: 'ver' });
    const send = (id: string, payload: ValueRecord) => target.send(delivery(id, payload), never);
    expect(await send('u1', { no: 1n, cust: 'new', ver: 6n })).toEqual({ detail: 'update head no=1' });
    expect(await send('u2', { no: 1n, cust: 'old', ver: 6n })).toEqual({ detail: 'update head no=1: a newer or equal version is there' });
    expect(await send('u3', { no: 2n, cust: 'first', ver: 1n })).toEqual({ detail: 'update head no=2' });
    expect(await failed(send('u4', { no: 3n, cust: 'x', ver: 1n }))).toMatchObject({ name: 'InvalidMessage', code: 'E336', message: 'head has no row no=3' });
    expect(await failed(send('u5', { no: 1n, ver: 9n, cusst: 'x' }))).toMatchObject({ name: 'Misconfigured', code: 'E422' });
    expect(texts(await rows('SELECT no, cust, ver FROM head ORDER BY no'))).toEqual([
      ['1', 'new', '6'],
      ['2', 'first', '1'],
    ]);
    expect((await rows('SELECT delivery_id FROM signalbox_inbox ORDER BY delivery_id')).flat()).toEqual(['u1', 'u2', 'u3']);
    const lenient = await outbound({ ...table, mode: 'update', missing: 'ignore' });
    expect(await lenient.send(delivery('u6', { no: 3n, cust: 'x' }), never)).toEqual({ detail: 'update head no=3: no such row, nothing was changed' });
    // The same values again are a change of nothing, and no missing row.
    expect(await lenient.send(delivery('u7', { no: 1n, cust: 'new' }), never)).toEqual({ detail: 'update head no=1' });
    expect(await failed(lenient.send(delivery('u8', { no: 1n }), never))).toMatchObject({ code: 'E332', message: expect.stringContaining('nothing to change') });
  });

  test('a key that names several rows changes none of them', async () => {
    const { sql, rows, outbound } = await start(driver);
    await sql('CREATE TABLE loose (grp INTEGER, cust VARCHAR(10))', "INSERT INTO loose VALUES (1, 'a'), (1, 'b')");
    for (const mode of ['update', 'delete']) {
      const target = await outbound({ table: 'loose', key: 'grp', mode });
      const payload: ValueRecord = mode === 'update' ? { grp: 1n, cust: 'x' } : { grp: 1n };
      expect(await failed(target.send(delivery(mode, payload), never))).toMatchObject({ name: 'Misconfigured', code: 'E426', message: expect.stringContaining('names 2 rows') });
    }
    expect((await rows('SELECT cust FROM loose ORDER BY cust')).flat()).toEqual(['a', 'b']);
    expect(await rows('SELECT * FROM signalbox_inbox')).toEqual([]);
  });

  test('delete: the row and its children; gone already is no error, a newer one stays', async () => {
    const { sql, rows, outbound } = await start(driver);
    await sql(head, line, "INSERT INTO head VALUES (1, 'a', 5), (2, 'b', 9), (3, 'c', NULL)", 'INSERT INTO line VALUES (1, 1, NULL, NULL), (2, 1, NULL, NULL)');
    const target = await outbound({ ...table, mode: 'delete', version: 'ver', include: { lines: { table: 'line', by: 'no' } } });
    const send = (id: string, payload: ValueRecord) => target.send(delivery(id, payload), never);
    expect(await send('d1', { no: 1n, ver: 5n })).toEqual({ detail: 'delete head no=1' });
    expect(await send('d2', { no: 1n, ver: 5n })).toEqual({ detail: 'delete head no=1: it was gone already' });
    expect(await send('d3', { no: 2n, ver: 8n })).toEqual({ detail: 'delete head no=2: a newer version is there' });
    expect(await send('d4', { no: 3n, ver: 1n })).toEqual({ detail: 'delete head no=3' });
    expect(await failed(send('d5', { no: 2n, ver: 9n, cust: 'b' }))).toMatchObject({ code: 'E332', message: expect.stringContaining('no other field') });
    expect(texts(await rows('SELECT h.no, l.pos FROM head h LEFT JOIN line l ON l.no = h.no'))).toEqual([['2', '1']]);
  });

  test('include: the lines of an order are replaced in the transaction of the order', async () => {
    const { sql, rows, outbound } = await start(driver);
    await sql(head, line, "INSERT INTO head VALUES (7, 'other', 1)", "INSERT INTO line VALUES (7, 1, 'keep', 1)");
    const target = await outbound({ ...table, mode: 'upsert', version: 'ver', include: { lines: { table: 'line', by: 'no' } } });
    const send = (id: string, payload: ValueRecord) => target.send(delivery(id, payload), never);
    const lines = () => rows('SELECT no, pos, art FROM line ORDER BY no, pos');
    const qty = Decimal.parse('1.500') ?? null;
    await send('o1', {
      no: 1n,
      cust: 'a',
      ver: 1n,
      lines: [
        { pos: 1n, art: '007', qty },
        { pos: 2n, art: 'B', no: 1n },
      ],
    });
    expect(texts(await lines())).toEqual([
      ['1', '1', '007'],
      ['1', '2', 'B'],
      ['7', '1', 'keep'],
    ]);
    await send('o2', { no: 1n, cust: 'b', ver: 3n, lines: [{ pos: 2n, art: 'C' }] });
    expect(texts(await lines())).toEqual([
      ['1', '2', 'C'],
      ['7', '1', 'keep'],
    ]);
    // An older message changes neither the order nor its lines; nor does one of the same version.
    for (const [id, ver] of [
      ['o3', 2n],
      ['o4', 3n],
    ] as const) {
      expect(await send(id, { no: 1n, cust: 'old', ver, lines: [] })).toMatchObject({ detail: expect.stringContaining('a newer or equal version is there') });
    }
    // A list that is absent is left alone, an empty one is no lines.
    await send('o5', { no: 1n, cust: 'c', ver: 4n });
    expect(texts(await lines())).toEqual([
      ['1', '2', 'C'],
      ['7', '1', 'keep'],
    ]);
    // A line that does not fit undoes the order too, and names the line.
    const bad = await failed(send('o6', { no: 2n, cust: 'x', ver: 1n, lines: [{ pos: 1n }, { pos: 2n, artt: 'x' }] }));
    expect(bad).toMatchObject({ name: 'Misconfigured', code: 'E422' });
    expect(await failed(send('o7', { no: 2n, cust: 'x', ver: 1n, lines: [{ pos: 1n }, { pos: 1n }] }))).toMatchObject({ name: 'InvalidMessage', code: 'E331' });
    expect(await failed(send('o8', { no: 2n, cust: 'x', ver: 1n, lines: [{ pos: 1n, no: 7n }] }))).toMatchObject({
      code: 'E332',
      message: expect.stringMatching(/^lines\[0\]: no: 7 is another/),
    });
    expect(await failed(send('o9', { no: 2n, cust: 'x', ver: 1n, lines: null }))).toMatchObject({ code: 'E334' });
    await send('o10', { no: 1n, cust: 'd', ver: 5n, lines: [] });
    expect(texts(await lines())).toEqual([['7', '1', 'keep']]);
    expect(texts(await rows('SELECT no, cust, ver FROM head ORDER BY no'))).toEqual([
      ['1', 'd', '5'],
      ['7', 'other', '1'],
    ]);
    expect((await rows('SELECT count(*) FROM signalbox_inbox')).flat().map(Number)).toEqual([6]);
  });

  test('include: lines are inserted or changed one by one, others stay; the key of the parent may have another name', async () => {
    const { sql, rows, outbound } = await start(driver);
    await sql(head, line);
    const target = await outbound({ ...table, mode: 'upsert', include: { lines: { table: 'line', by: 'no', parent: 'no', mode: 'upsert', key: ['no', 'pos'] } } });
    await target.send(
      delivery('a', {
        no: 1n,
        lines: [
          { pos: 1n, art: 'A' },
          { pos: 2n, art: 'B' },
        ],
      }),
      never,
    );
    await target.send(
      delivery('b', {
        no: 1n,
        lines: [
          { pos: 2n, art: 'B2' },
          { pos: 3n, art: 'C' },
        ],
      }),
      never,
    );
    expect(texts(await rows('SELECT pos, art FROM line ORDER BY pos'))).toEqual([
      ['1', 'A'],
      ['2', 'B2'],
      ['3', 'C'],
    ]);
    expect(await failed(target.send(delivery('c', { no: 1n, lines: [{ art: 'x' }] }), never))).toMatchObject({
      code: 'E332',
      message: expect.stringContaining('lines[0]: pos: no value'),
    });
  });

  test('D22 many nodes apply the same deliveries at once: every effect once, nobody fails', async () => {
    const { sql, rows, system } = await start(driver);
    await sql(head, 'CREATE TABLE effects (no INTEGER)');
    const { context } = await import('./fixture.js');
    const spec = (await import('../../../adapters/sql/index.js')).default;
    const config = spec.write.config.parse({ table: 'effects', mode: 'insert' });
    const nodes = await Promise.all(
      [1, 2, 3].map(async () => {
        const node = system.outbound?.(context('legacy.report', config));
        if (!node) throw new Error('no outbound');
        await node.open(never);
        return node;
      }),
    );
    const receipts = await Promise.all(Array.from({ length: 60 }, (_, no) => nodes.map((node) => node.send(delivery(`d${no}`, { no: BigInt(no) }), never))).flat());
    expect(receipts.filter(({ duplicate }) => duplicate !== true)).toHaveLength(60);
    expect((await rows('SELECT count(*) FROM effects UNION ALL SELECT count(*) FROM signalbox_inbox')).flat().map(Number)).toEqual([60, 60]);
    for (const node of nodes) await node.close();
  });

  test('hostile values are stored as they are, or refused by name; never part of a statement', async () => {
    const { sql, rows, outbound } = await start(driver);
    await sql(`CREATE TABLE t (no INTEGER PRIMARY KEY, doc ${driver === 'mariadb' ? 'LONGTEXT' : 'TEXT'})`);
    const target = await outbound({ table: 't', key: 'no', mode: 'upsert' });
    const texts = ["'; DROP TABLE t; --", '\\', '${x} {{y}} :no ? $1 @p', '\u202egnp.exe', 'é', '\r\n\t'];
    for (const [no, doc] of texts.entries()) await target.send(delivery(`d${no}`, { no: BigInt(no), doc }), never);
    expect((await rows('SELECT doc FROM t ORDER BY no')).flat()).toEqual(texts);
    const failing = (doc: ValueRecord[string]) => failed(target.send(delivery('bad', { no: 99n, doc }), never));
    expect(await failing(['a'])).toMatchObject({ code: 'E334', message: expect.stringContaining('doc') });
    expect(await failing({ $gt: '' })).toMatchObject({ code: 'E334' });
    expect(await failing('\ud800')).toMatchObject({ code: 'E332', message: expect.stringContaining('lone surrogate') });
    if (driver === 'postgres') expect(await failing('a\u0000b')).toMatchObject({ name: 'InvalidMessage', code: 'E332' });
    const poisoned = Object.assign(Object.create(null) as Record<string, ValueRecord[string]>, { no: 99n, ['__proto__']: 'x' });
    expect(await failed(target.send(delivery('bad', poisoned), never))).toMatchObject({ name: 'Misconfigured', code: 'E422' });
    expect((await rows('SELECT count(*) FROM t')).flat().map(Number)).toEqual([texts.length]);
  });

  test('batches end at their rows and bytes; three bad rows of a hundred fail alone', async () => {
    const { sql, rows, outbound } = await start(driver);
    await sql(`CREATE TABLE wide (no INTEGER PRIMARY KEY, doc ${driver === 'sqlite' ? 'TEXT' : 'TEXT'}, CHECK (no <> 13), CHECK (no <> 50), CHECK (no <> 99))`);
    const target = await outbound({ table: 'wide', key: 'no', mode: 'insert', batch: { rows: 40, bytes: '64KiB' } });
    const doc = 'x'.repeat(10_000);
    const settled = await Promise.allSettled(Array.from({ length: 100 }, (_, no) => target.send(delivery(`d${no}`, { no: BigInt(no), doc }), never)));
    const bad = settled.flatMap((each, no) => (each.status === 'rejected' ? [[no, (each.reason as { code?: string }).code]] : []));
    expect(bad).toEqual([
      [13, 'E331'],
      [50, 'E331'],
      [99, 'E331'],
    ]);
    expect((await rows('SELECT count(*) FROM wide')).flat().map(Number)).toEqual([97]);
  });
});

describe('stored procedures', () => {
  test('PostgreSQL: a procedure and a function, by names, with defaults; what they raise is an invalid message', async () => {
    const { sql, rows, outbound } = await start('postgres');
    await sql(
      'CREATE TABLE booked (no bigint, amount numeric, note text)',
      `CREATE PROCEDURE book(p_no bigint, p_amount numeric, INOUT p_result text, p_note text DEFAULT 'none') LANGUAGE plpgsql AS $$
       BEGIN IF p_amount < 0 THEN RAISE EXCEPTION 'negative amount for %', p_no; END IF; INSERT INTO booked VALUES (p_no, p_amount, p_note); p_result := 'ok'; END $$`,
      'CREATE FUNCTION book_function("P No" bigint) RETURNS text LANGUAGE sql AS $$ INSERT INTO booked VALUES ($1, 0, NULL) RETURNING note $$',
      'CREATE PROCEDURE twice(a int) LANGUAGE sql AS $$ SELECT 1 $$',
      'CREATE PROCEDURE twice(a text) LANGUAGE sql AS $$ SELECT 1 $$',
      'CREATE PROCEDURE commits(a int) LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$',
    );
    const target = await outbound({ mode: 'procedure', procedure: 'book' });
    const send = (id: string, payload: ValueRecord) => target.send(delivery(id, payload), never);
    const amount = (text: string) => Decimal.parse(text) ?? null;
    expect(await send('p1', { P_NO: 9007199254740993n, p_amount: amount('0.1000'), p_result: null })).toEqual({ detail: 'call book p_no=9007199254740993' });
    expect(await send('p1', { p_no: 9007199254740993n, p_amount: amount('0.1000'), p_result: null })).toMatchObject({ duplicate: true });
    expect(await failed(send('p2', { p_no: 1n, p_amount: -1n, p_result: null }))).toMatchObject({ name: 'InvalidMessage', code: 'E337', message: 'negative amount for 1' });
    expect(await failed(send('p3', { p_no: 1n, p_result: null }))).toMatchObject({ name: 'InvalidMessage', code: 'E332', message: expect.stringContaining('p_amount') });
    expect(await failed(send('p4', { p_no: 1n, p_ammount: 1n }))).toMatchObject({
      name: 'Misconfigured',
      code: 'E422',
      message: expect.stringContaining('did you mean p_amount?'),
    });
    const called = await outbound({ mode: 'procedure', procedure: 'BOOK' });
    await called.send(delivery('p5', { p_no: 2n, p_amount: 1n, p_result: null, p_note: '00123' }), never);
    expect(texts(await rows('SELECT * FROM booked ORDER BY no'))).toEqual([
      ['2', '1', '00123'],
      ['9007199254740993', '0.1000', 'none'],
    ]);
    const viaFunction = await outbound({ mode: 'procedure', procedure: 'public.book_function' });
    expect(await failed(viaFunction.send(delivery('p6', {}), never))).toMatchObject({ code: 'E332', message: expect.stringContaining('P No') });
    await expect(outbound({ mode: 'procedure', procedure: 'bok' })).rejects.toMatchObject({ code: 'E422', message: expect.stringContaining('did you mean book?') });
    await expect(outbound({ mode: 'procedure', procedure: 'twice' })).rejects.toMatchObject({ code: 'E426', message: expect.stringContaining('several') });
    const committing = await outbound({ mode: 'procedure', procedure: 'commits' });
    expect(await failed(committing.send(delivery('p7', { a: 1n }), never))).toMatchObject({ name: 'Misconfigured', code: 'E426' });
    expect((await rows('SELECT delivery_id FROM signalbox_inbox ORDER BY 1')).flat()).toEqual(['p1', 'p5']);
  });

  test('MariaDB: parameters by name, an answer nobody asked for, SIGNAL is an invalid message', async () => {
    const { sql, rows, outbound } = await start('mariadb');
    await sql(
      'CREATE TABLE booked (no bigint, amount decimal(12,4), note varchar(10))',
      `CREATE PROCEDURE book(IN p_note varchar(5), IN p_no bigint, OUT p_result int, IN p_amount decimal(12,4))
       BEGIN IF p_amount < 0 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'negative amount'; END IF; INSERT INTO booked VALUES (p_no, p_amount, p_note); SELECT 'booked'; SET p_result = 1; END`,
      'CREATE PROCEDURE both_ways(INOUT a int) BEGIN SET a = 1; END',
    );
    const target = await outbound({ mode: 'procedure', procedure: 'book' });
    const send = (id: string, payload: ValueRecord) => target.send(delivery(id, payload), never);
    const amount = Decimal.parse('0.1000') ?? null;
    expect(await send('p1', { p_no: 9007199254740993n, P_AMOUNT: amount, p_note: '00123' })).toMatchObject({ detail: expect.stringContaining('call book') });
    expect(await failed(send('p2', { p_no: 1n, p_amount: -1n, p_note: null }))).toMatchObject({
      name: 'InvalidMessage',
      code: 'E337',
      message: expect.stringContaining('negative amount'),
    });
    expect(await failed(send('p3', { p_no: 1n, p_amount: amount, p_note: 'toolong' }))).toMatchObject({ code: 'E332', message: 'p_note: 7 characters, the column keeps 5' });
    expect(await failed(send('p4', { p_no: 1n, p_amount: amount }))).toMatchObject({ code: 'E332', message: expect.stringContaining('p_note') });
    expect(await failed(send('p5', { p_result: 1n }))).toMatchObject({ code: 'E422' });
    await send('p6', { p_no: 1n, p_amount: amount, p_note: null });
    expect(texts(await rows('SELECT CAST(no AS CHAR), amount, note FROM booked ORDER BY no'))).toEqual([
      ['1', '0.1000', 'null'],
      ['9007199254740993', '0.1000', '00123'],
    ]);
    await expect(outbound({ mode: 'procedure', procedure: 'both_ways' })).rejects.toMatchObject({ code: 'E426', message: expect.stringContaining('INOUT') });
  });

  test('SQLite has none', async () => {
    const { outbound } = await start('sqlite');
    await expect(outbound({ mode: 'procedure', procedure: 'book' })).rejects.toMatchObject({ name: 'Misconfigured', code: 'E426' });
  });
});

test.each<[Driver]>([['postgres'], ['mariadb']])('%s: a trigger of the target that refuses a row fails that row alone', async (driver) => {
  const { sql, rows, outbound } = await start(driver);
  await sql('CREATE TABLE t (no int PRIMARY KEY)');
  if (driver === 'postgres') {
    await sql(
      "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.no = 3 THEN RAISE EXCEPTION 'period is closed'; END IF; RETURN NEW; END $$",
      'CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse()',
    );
  } else await sql("CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW IF NEW.no = 3 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'period is closed'; END IF");
  const target = await outbound({ table: 't', key: 'no', mode: 'insert' });
  const settled = await Promise.allSettled([1n, 2n, 3n, 4n].map((no) => target.send(delivery(`d${no}`, { no }), never)));
  expect(settled.map((each) => (each.status === 'rejected' ? (each.reason as Error).message : 'ok'))).toEqual(['ok', 'ok', expect.stringContaining('period is closed'), 'ok']);
  expect(await rows('SELECT no FROM t ORDER BY no')).toEqual([[1], [2], [4]]);
});
