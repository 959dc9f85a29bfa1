import { userInfo } from 'node:os';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { AT } from '../console/fake-service.js';
import { DANGEROUS, type Instance, type Ran, signalbox, startInstance } from './harness.js';

let instance: Instance;
let run: (...args: readonly string[]) => Promise<Ran>;

beforeAll(async () => {
  instance = await startInstance();
  run = instance.run;
});
beforeEach(() => {
  instance.service.changes.length = 0;
  instance.service.queries.length = 0;
});
afterAll(() => instance.close());

describe('status', () => {
  test('says what runs, what waits and what fails, with the next command', async () => {
    const { code, out, err } = await run('status');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^signalbox 0\.1\.0 on erpgw01 {3}running 12d {3}pid 4711 {3}revision 41 by anna, 3d ago$/m);
    expect(out).toMatch(/^bus embedded ok {3}store sqlite 41 MB$/m);
    expect(out).toMatch(/^1 UNKNOWN OUTCOME +1 at accounting\.BookInvoice {4}signalbox ledger list --state unknown$/m);
    expect(out).toMatch(/^messages {2}active 3 {3}delivered 4702 {3}filtered 104 {3}dead 9 {3}parked 0$/m);
    expect(out).toMatch(
      /^accounting +soap +FAILING +128 +49m00s +-\n {2}accounting\.BookInvoice {2}since 2026-03-02 09:14: circuit open .*; next try 09:15:06\n {2}signalbox systems test accounting$/m,
    );
  });

  test('is a problem when the bus is not connected, also when quiet', async () => {
    instance.service.connected = false;
    const loud = await run('status');
    const quiet = await run('status', '-q');
    instance.service.connected = true;
    expect(loud.code).toBe(1);
    expect(loud.out).toContain('bus embedded NOT CONNECTED (connection lost 12 s ago)');
    expect(quiet).toEqual({ code: 1, out: '', err: '' });
    expect(await run('status', '-q')).toEqual({ code: 0, out: '', err: '' });
  });
});

describe('nodes', () => {
  test('list tells who shares the work, and who is gone', async () => {
    const { code, out, err } = await run('nodes', 'list');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/^erpgw01 \* +a1b2c3d4 +4711 +0\.1\.0 +41 +12d +this one +legacy\.orders$/m);
    expect(out).toMatch(/ e5f60718 +4712 +0\.1\.0 +40 +GONE +1m\d\ds ago$/m);
    expect((await run('status')).out).toMatch(/^nodes {2}erpgw01 \(this one\), .* revision 40 GONE {4}signalbox nodes list$/m);
  });
});

describe('trace', () => {
  test('shows the steps of the newest message with a key', async () => {
    const { code, out, err } = await run('trace', '4711');
    expect(code).toBe(0);
    expect(err).toBe('2 messages fit; this is the newest. Others: 01JQ8M0000BBBBBB\n');
    const lines = out.split('\n');
    expect(lines[0]).toBe('Order 4711  DEAD   2 of 3 delivered, 1 dead   in 1m04s   on 2026-03-02');
    expect(lines[1]).toBe('message 01JQ8M4Z7KAAAAAA   trace 4bf92f3577b34da6a3ce929d0e0e4736');
    expect(lines[3]).toMatch(/^09:14:02\.113 {2}received {3}legacy\.orders .* ORD_NO=4711 {2}1\.2 kB$/);
    expect(lines[4]).toMatch(/^09:14:02\.121 {2}mapped +orders-in .* country 040>CH \(table country\) +4ms {2}orders\.yaml:55$/);
    expect(lines[6]).toMatch(/RETRY {8}accounting\.BookInvoice {2,}3 {2}E400 {2}InvalidPeriod, next 09:22:10 .* orders\.yaml:72$/);
    expect(lines[7]).toMatch(/DEAD/);
    expect(lines[8]).toBe('next  signalbox dlq show 01JQ8M4Z7KAAAAAA');
  });

  test('-p shows the content at each step with every digit', async () => {
    const { out } = await run('trace', '01JQ8M4Z', '-p');
    expect(out).toContain('      {\n        "id": "4711",\n        "total": 12345678901234567890.10,\n        "lines": []\n      }\n');
  });

  test('-o json gives the raw events', async () => {
    const { out } = await run('trace', '4711', '-o', 'json');
    expect(JSON.parse(out)).toMatchObject([{ seq: 1, kind: 'received', at: AT }, { seq: 2 }, { seq: 3 }, { seq: 4 }, { seq: 5, code: 'E400' }]);
  });

  test('content at the claim check is said, and fetched where it is asked for', async () => {
    const { out } = await run('trace', '01JQ8M0000BBBBBB');
    expect(out).toMatch(/received {2,}legacy\.orders {2,}1\.2 MB {2}content at the claim check$/m);
    expect(out).toMatch(/^content {2}signalbox messages show 01JQ8M0000BBBBBB$/m);
    for (const words of [
      ['trace', '-p', '01JQ8M0000BBBBBB'],
      ['messages', 'show', '01JQ8M0000BBBBBB'],
    ]) {
      const shown = await run(...words);
      expect(shown.out).toContain('  "document": 12345678901234567890.10,\n');
      expect(shown.out).toMatch(/é{3,}\.\.\. \(\d+ more characters\)$/m);
    }
    const { events } = JSON.parse((await run('messages', 'show', '01JQ8M0000BBBBBB', '-o', 'json')).out) as { readonly events: readonly { readonly data: string }[] };
    expect(events[0]?.data).toHaveLength(5_046);
  });

  test('of an unknown message is a problem', async () => {
    const { code, out, err } = await run('trace', 'nothing');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^error\[E552\] no message has the id or key nothing\n {2}= help: /);
  });
});

describe('systems', () => {
  test('install-triggers prints what an administrator reviews, and applies it only when told twice', async () => {
    const printed = await run('systems', 'install-triggers', 'legacy.orders');
    expect(printed).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^CREATE TABLE x.*forged line.*;\n\nCREATE TRIGGER y;\n$/s),
      err: expect.stringContaining('nothing was changed'),
    });
    expect(printed.out).not.toContain('\x1b');
    expect(await run('systems', 'remove-triggers', 'legacy.orders', '--apply')).toMatchObject({ code: 2, err: expect.stringContaining('--yes') });
    expect(instance.service.changes).toEqual([]);
    const applied = await run('systems', 'install-triggers', 'legacy.orders', '--apply', '--yes', '--reason', 'CHG-7');
    expect(applied).toMatchObject({ code: 0, err: expect.stringContaining('2 statements run at legacy.orders') });
    expect(instance.service.changes).toEqual([expect.objectContaining({ what: 'install-triggers', subject: ['legacy.orders'] })]);
    expect(await run('systems', 'install-triggers', 'legacy.nothing')).toMatchObject({ code: 1, err: expect.stringContaining('no endpoint') });
  });

  test('list and show', async () => {
    expect((await run('systems', 'list')).out).toMatch(/^SYSTEM +ADAPTER +STATE +WAITING +OLDEST +LAST OK$/m);
    const { out } = await run('systems', 'show', 'legacy');
    expect(out).toMatch(/^legacy {2}sql {2}ok$/m);
    expect(out).toMatch(/^ {2}checkpoint +CHG_TS=09:13:58$/m);
  });

  test('test prints each step and fails when one does', async () => {
    expect(await run('systems', 'test', 'legacy')).toEqual({ code: 0, out: 'RESULT  STEP  DETAIL\nok      dns   2 ms\n', err: '' });
    const { code, out } = await run('systems', 'test', 'accounting');
    expect(code).toBe(1);
    expect(out).toMatch(/^FAIL +login +refused .*\n {2}= help: check the password$/m);
  });

  test('pause and resume carry who and why', async () => {
    expect(await run('systems', 'pause', 'legacy', '--reason', 'month end')).toEqual({ code: 0, out: '', err: 'legacy paused\n' });
    expect(await run('systems', 'resume', 'legacy.orders')).toMatchObject({ code: 0 });
    const who = userInfo().username;
    expect(instance.service.changes).toEqual([
      { what: 'pause', subject: ['legacy'], by: { who, reason: 'month end' } },
      { what: 'resume', subject: ['legacy.orders'], by: { who } },
    ]);
  });

  test('reset says where the endpoint is, asks, and carries who and why', async () => {
    const asked = await run('systems', 'reset', 'legacy.orders');
    expect(asked).toMatchObject({ code: 2 });
    expect(asked.err).toMatch(/Read everything of legacy\.orders again\?.* This needs --yes\./s);
    expect(instance.service.changes).toEqual([]);
    const done = await run('systems', 'reset', 'legacy.orders', '--yes', '--reason', 'the table was restored');
    expect(done).toEqual({ code: 0, out: '', err: 'legacy.orders is at CHG_TS=09:13:58\nlegacy.orders reads from its beginning at its next poll\n' });
    expect(instance.service.changes).toEqual([{ what: 'reset', subject: ['legacy.orders'], by: { who: userInfo().username, reason: 'the table was restored' } }]);
    expect(await run('systems', 'reset', 'legacy.nothing', '--yes')).toMatchObject({ code: 1 });
  });

  test('a name with control characters is shown, not obeyed', async () => {
    const { code, err } = await run('systems', 'show', 'a\x1b]0;x\x07\nerror[E000] forged');
    expect(code).toBe(1);
    expect(err).toBe(
      'error[E552] no system a\\x1b]0;x\\x07\\nerror[E000] forged\n  = help: Look the name up: `signalbox systems list`, `signalbox routes list`, `signalbox messages search`, `signalbox dlq list`.\n',
    );
  });

  test('names are exact; a near one is only named', async () => {
    const { code, err } = await run('systems', 'pause', 'legac');
    expect(code).toBe(1);
    expect(err).toBe('error[E552] no system legac\n  = help: did you mean `legacy`?\n');
    expect(instance.service.changes).toEqual([]);
  });
});

test('routes list and show', async () => {
  expect((await run('routes', 'list')).out).toMatch(/^orders-out +Order +accounting\.BookInvoice +4812 +104 +1 +orders\.yaml:61$/m);
  expect((await run('routes', 'show', 'orders-out')).out).toMatch(/^accounting +accounting\.BookInvoice +104 .* order\.total >= 1000 +orders\.yaml:72$/m);
});

describe('messages', () => {
  test('search understands the query', async () => {
    const { code, out } = await run('messages', 'search', 'key="a b" state=failed', 'since=2026-03-01', '-n', '7');
    expect(code).toBe(0);
    expect(out).toMatch(/^01JQ8M4Z7KAAAAAA +4711 +Order +legacy\.orders +2026-03-02 09:14:02 +DEAD +2 of 3 delivered, 1 dead$/m);
    expect(instance.service.queries).toEqual([{ key: 'a b', state: 'dead', since: Date.UTC(2026, 2, 1), limit: 7 }]);
  });

  test('search counts back from now', async () => {
    const before = Date.now();
    await run('messages', 'search', '4711 since=2h');
    const [query] = instance.service.queries;
    expect(query).toMatchObject({ key: '4711', limit: 50 });
    expect(query?.since).toBeGreaterThanOrEqual(before - 7_200_000);
    expect(query?.since).toBeLessThanOrEqual(Date.now() - 7_200_000);
  });

  test.each([
    [['stat=dead'], 'did you mean `state`?'],
    [['state=gone'], 'known: active'],
    [['since=yesterday'], 'write 30m'],
    [['key="open'], 'a value with spaces wants quotes'],
    [['key=a', 'key=b'], 'key is given twice'],
  ])('search %j is a usage error', async (words, help) => {
    const { code, err } = await run('messages', 'search', ...words);
    expect(code).toBe(2);
    expect(err).toContain(help);
    expect(instance.service.queries).toEqual([]);
  });

  test('show has summary and content', async () => {
    const { out } = await run('messages', 'show', '01JQ8M4Z7KAAAAAA');
    expect(out).toMatch(/^state +DEAD {2}2 of 3 delivered, 1 dead$/m);
    expect(out).toContain('mapped orders-in\n  {\n    "id": "4711",');
  });
});

describe('dlq', () => {
  test('list shows the groups, and the letters of one', async () => {
    expect((await run('dlq', 'list')).out).toMatch(/^G7A2 +3 +E400 +accounting\.BookInvoice +orders-out .*\n {2}InvalidPeriod$/m);
    expect((await run('dlq', 'list', '--group')).out).toMatch(/^G7A2 +3/m);
    expect((await run('dlq', 'list', '--group', 'G7A2')).out).toMatch(/^d-1 +4711 +G7A2 +E400/m);
  });

  test('show prints the original content, as text or as bytes', async () => {
    expect((await run('dlq', 'show', 'd-1')).out).toContain('content  31 B\n  {\n    "Ref": "4711",\n    "Amount": 1234.50\n  }\n');
    expect((await run('dlq', 'show', 'd-2')).out).toContain('  00000000  00 ff 41                                         ..A\n');
    expect(JSON.parse((await run('dlq', 'show', 'd-1', '-o', 'json')).out)).toMatchObject({ id: 'd-1', content: '{"Ref":"4711","Amount":1234.50}', encoding: 'utf-8' });
    expect(JSON.parse((await run('dlq', 'show', 'd-2', '-o', 'json')).out)).toMatchObject({ content: 'AP9B', encoding: 'base64' });
  });

  test('redeliver of one needs no confirmation', async () => {
    expect(await run('dlq', 'redeliver', 'd-1')).toMatchObject({ code: 0, out: '1 redelivered, 0 failed\n' });
    expect(instance.service.changes).toMatchObject([{ what: 'redeliver', subject: ['d-1'] }]);
  });

  test('redeliver of more shows count and sample first and does nothing without --yes', async () => {
    const { code, out, err } = await run('dlq', 'redeliver', 'G7A2');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(/^d-1 /m);
    expect(err).toContain('error[E558] Redeliver 3 dead letters? This needs --yes.');
    expect(instance.service.changes).toEqual([]);
  });

  test('redeliver reports what failed again', async () => {
    const { code, out } = await run('dlq', 'redeliver', 'G7A2', '--yes', '--reason', 'period reopened');
    expect(code).toBe(1);
    expect(out).toBe('FAILED  d-2  the endpoint is gone\n2 redelivered, 1 failed\n');
    expect(instance.service.changes).toMatchObject([{ subject: ['d-1', 'd-2', 'd-hostile'], by: { reason: 'period reopened' } }]);
  });

  test('--first tries the oldest ones only', async () => {
    expect(await run('dlq', 'redeliver', 'G7A2', '--first', '1')).toMatchObject({ code: 0, out: '1 redelivered, 0 failed\n' });
  });

  test('discard wants a reason and a confirmation', async () => {
    expect(await run('dlq', 'discard', 'd-1', '--yes')).toMatchObject({ code: 2, err: expect.stringContaining('--reason') });
    expect(await run('dlq', 'discard', 'd-1', '--reason', 'test data')).toMatchObject({ code: 2, err: expect.stringContaining('E558') });
    expect(instance.service.changes).toEqual([]);
    expect(await run('dlq', 'discard', 'd-1', '--reason', 'test data', '--yes')).toMatchObject({ code: 0, out: '1 dead letter discarded\n' });
    expect(instance.service.changes).toMatchObject([{ what: 'discard', subject: ['d-1'], by: { reason: 'test data' } }]);
  });

  test('an unknown group is a problem', async () => {
    expect(await run('dlq', 'redeliver', 'G7A', '--yes')).toMatchObject({ code: 1, err: expect.stringContaining('E552') });
    expect(instance.service.changes).toEqual([]);
  });
});

describe('ledger', () => {
  test('list shows what is not done, why, and what each waits for', async () => {
    const { code, out } = await run('ledger', 'list');
    expect(code).toBe(0);
    expect(out).toMatch(/^u-1 .* accounting\.BookInvoice +UNKNOWN +E580 +2026-03-02 09:14 +a person\n {2}no answer within 30 s$/m);
    expect(out).toMatch(/^u-2 +shipping\.createShipment +sending +2026-03-02 09:14 +an answer$/m);
    expect(out).toContain('next  signalbox ledger show u-1');
    expect((await run('ledger', 'list', '--state', 'unknown')).out).not.toContain('u-2');
    expect((await run('ledger', 'list', '--endpoint', 'shipping.createShipment')).out).not.toContain('u-1');
    expect((await run('ledger', 'list', '--state', 'done')).out).toBe('every outcome is known\n');
    expect(await run('ledger', 'list', '--state', 'lost')).toMatchObject({ code: 2 });
  });

  test('show prints what was sent, and what can be said of it', async () => {
    const { out } = await run('ledger', 'show', 'u-1');
    expect(out).toContain('content  14 B\n  {\n    "Ref": "4711"\n  }\n');
    expect(out).toContain('signalbox ledger resolve u-1 --resend');
    expect(JSON.parse((await run('ledger', 'show', 'u-1', '-o', 'json')).out)).toMatchObject({
      deliveryId: 'u-1',
      content: '{"Ref":"4711"}',
      parked: { messageId: '01JQ8M4Z7KAAAAAA' },
    });
    expect(await run('ledger', 'show', 'u-9')).toMatchObject({ code: 1, err: expect.stringContaining('E552') });
  });

  test('resolve of one needs no confirmation', async () => {
    expect(await run('ledger', 'resolve', 'u-1', '--delivered', '--reason', 'asked')).toMatchObject({ code: 0, out: '1 delivery noted as delivered, 0 failed\n' });
    expect(instance.service.changes).toMatchObject([{ what: 'resolve delivered', subject: ['u-1'], by: { reason: 'asked' } }]);
  });

  test('resolve of more shows count and sample first, and reports what failed', async () => {
    const asked = await run('ledger', 'resolve', 'u-1', 'u-2', '--resend');
    expect(asked).toMatchObject({ code: 2, out: '', err: expect.stringContaining('error[E558] Send again: 2 deliveries? This needs --yes.') });
    expect(asked.err).toMatch(/^u-1 /m);
    expect(instance.service.changes).toEqual([]);
    expect(await run('ledger', 'resolve', 'u-1', 'u-2', 'u-1', '--resend', '--yes')).toMatchObject({
      code: 1,
      out: 'FAILED  u-2  it is being sent\n1 delivery sent again, 1 failed\n',
    });
    expect(instance.service.changes).toMatchObject([{ what: 'resolve resend', subject: ['u-1', 'u-2'] }]);
  });

  test('resolve wants exactly one verdict, exact ids, and for a discard a reason and a confirmation', async () => {
    expect(await run('ledger', 'resolve', 'u-1')).toMatchObject({ code: 2, err: expect.stringContaining('--delivered') });
    expect(await run('ledger', 'resolve', 'u-1', '--resend', '--delivered')).toMatchObject({ code: 2 });
    expect(await run('ledger', 'resolve', 'u-1', '--discard', '--yes')).toMatchObject({ code: 2, err: expect.stringContaining('--reason') });
    expect(await run('ledger', 'resolve', 'u-1', '--discard', '--reason', 'test data')).toMatchObject({ code: 2, err: expect.stringContaining('E558') });
    expect(await run('ledger', 'resolve', 'u-1', 'u-9', '--delivered', '--yes')).toMatchObject({ code: 1, err: expect.stringContaining('E552') });
    expect(instance.service.changes).toEqual([]);
    expect(await run('ledger', 'resolve', 'u-1', '--discard', '--reason', 'test data', '--yes')).toMatchObject({ code: 0, out: '1 delivery discarded, 0 failed\n' });
  });
});

describe('reload', () => {
  test('says what changed', async () => {
    expect(await run('reload')).toEqual({ code: 0, out: 'applied  revision 41   changed: legacy\n', err: '' });
  });

  test('that is refused is a problem and shows why', async () => {
    instance.service.applies = false;
    const { code, out } = await run('reload');
    instance.service.applies = true;
    expect(code).toBe(1);
    expect(out).toBe('error[E100] the file is no valid YAML\nNOT APPLIED  revision 41 runs on\n');
  });
});

describe('output', () => {
  const answers: readonly (readonly string[])[] = [
    ['status'],
    ['nodes', 'list'],
    ['systems', 'list'],
    ['systems', 'show', 'accounting'],
    ['systems', 'test', 'accounting'],
    ['routes', 'list'],
    ['messages', 'search', 'state=active'],
    ['messages', 'show', '01JQ8MHOSTILE000'],
    ['trace', '4711'],
    ['dlq', 'list', '--group', 'G7A2'],
    ['dlq', 'show', 'd-hostile'],
    ['dlq', 'redeliver', 'd-hostile'],
    ['ledger', 'list'],
    ['ledger', 'show', 'u-1'],
  ];

  test.each(answers)('%s %s %s %s writes nothing a terminal would act on, in any form', async (...args) => {
    const words = args.filter((arg) => typeof arg === 'string');
    const formats = words[0] === 'messages' ? ['table', 'json', 'yaml', 'ndjson'] : ['table', 'json'];
    for (const { out, err } of await Promise.all(formats.map((format) => run(...words, '-o', format)))) {
      expect(out).not.toBe('');
      expect(out).not.toMatch(DANGEROUS);
      expect(err).not.toMatch(DANGEROUS);
      expect(out).not.toMatch(/^forged line/m);
    }
  });

  test('json and ndjson parse and keep hostile text as it was', async () => {
    const json: unknown = JSON.parse((await run('messages', 'search', 'state=active', '-o', 'json')).out);
    expect(json).toMatchObject([{ id: '01JQ8MHOSTILE000', key: expect.stringContaining('\u202e') }]);
    const lines = (await run('systems', 'list', '-o', 'ndjson')).out.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { name: string }).name)).toEqual(['legacy', 'accounting']);
  });

  test('yaml is block style', async () => {
    expect((await run('systems', 'test', 'legacy', '-o', 'yaml')).out).toBe('- name: dns\n  ok: true\n  detail: "2 ms"\n');
  });

  test('has no colour without a terminal', async () => {
    expect((await run('status')).out).not.toContain('\x1b');
  });
});

test('the socket is found in the configuration directory and by the environment', async () => {
  expect(await signalbox(['status', '-q'], { cwd: instance.directory })).toMatchObject({ code: 0 });
  expect(await signalbox(['-c', instance.directory, 'status', '-q'])).toMatchObject({ code: 0 });
  expect(await signalbox(['status', '-q'], { env: { SIGNALBOX_CONFIG: instance.directory } })).toMatchObject({ code: 0 });
  expect(await signalbox(['status', '-q'], { env: { SIGNALBOX_SOCKET: `${instance.directory}/.signalbox/signalbox.sock` } })).toMatchObject({ code: 0 });
});
