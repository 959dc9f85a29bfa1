import type { HistoryQuery, MessageSummary, ParkedDelivery, ParkedLane, StoredDeadLetter, StoredEvent } from '../../bus/store/contract.js';
import { type Actor, type FileLine, type LedgerLine, type NodeStatus, type RouteStatus, type Service, type Status, type SystemStatus, UnknownName } from '../../console/service.js';

export interface Change {
  readonly what: string;
  readonly subject: readonly string[];
  readonly by: Actor;
}

export interface FakeService extends Service {
  /** What was asked of it, in order. */
  readonly changes: Change[];
  readonly queries: HistoryQuery[];
  /** What `reload` answers. */
  applies: boolean;
  connected: boolean;
  /** What `doctor` finds. */
  healthy: boolean;
}

/** 2026-03-02 09:14:02.113 UTC */
export const AT = Date.UTC(2026, 2, 2, 9, 14, 2, 113);
/** A title that a terminal would take, a line break, and text that is shown backwards. */
export const HOSTILE = 'a\x1b]0;owned\x07b\nforged line \u202Egnp.exe \x9b31m';

const order: MessageSummary = {
  id: '01JQ8M4Z7KAAAAAA',
  type: 'Order',
  source: 'legacy.orders',
  key: '4711',
  at: AT,
  lastAt: AT + 64_000,
  state: 'dead',
  queued: 3,
  delivered: 2,
  dead: 1,
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
};
const older: MessageSummary = { ...order, id: '01JQ8M0000BBBBBB', at: AT - 86_400_000, lastAt: AT - 86_300_000, state: 'delivered', dead: 0, delivered: 3, traceparent: undefined };
const hostile: MessageSummary = { ...order, id: '01JQ8MHOSTILE000', key: HOSTILE, state: 'active', dead: 0 };
const messages = [order, older, hostile];
/** What the older one refers to. */
const REFERENCE = 'ab'.repeat(32);

const step = { messageId: order.id, revision: 41, node: 'erpgw01' };
const events: readonly StoredEvent[] = [
  { ...step, seq: 1, kind: 'received', at: AT, endpoint: 'legacy.orders', detail: 'ORD_NO=4711', message: { source: 'legacy.orders', size: 1_234 } },
  {
    ...step,
    seq: 2,
    kind: 'mapped',
    at: AT + 8,
    route: 'orders-in',
    detail: 'country 040>CH (table country)',
    durationMs: 4,
    place: 'orders.yaml:55',
    data: '{"id":"4711","total":12345678901234567890.10,"lines":[]}',
  },
  { ...step, seq: 3, kind: 'delivered', at: AT + 185, route: 'orders-out', rule: 'shipping', endpoint: 'shipping.createShipment', detail: '201 SHP-99812', durationMs: 118 },
  {
    ...step,
    seq: 4,
    kind: 'retry',
    at: AT + 200,
    route: 'orders-out',
    rule: 'accounting',
    endpoint: 'accounting.BookInvoice',
    code: 'E400',
    attempt: 3,
    detail: 'InvalidPeriod, next 09:22:10',
    place: 'orders.yaml:72',
  },
  { ...step, messageId: older.id, seq: 0, kind: 'received', at: older.at, endpoint: 'legacy.orders', message: { source: 'legacy.orders', size: 1_234_567 }, dataref: REFERENCE },
  { ...step, seq: 5, kind: 'dead', at: AT + 64_000, route: 'orders-out', rule: 'accounting', endpoint: 'accounting.BookInvoice', code: 'E400', attempt: 12, detail: HOSTILE },
];

function letter(id: string, content: Uint8Array): StoredDeadLetter {
  return {
    id,
    messageId: order.id,
    stage: 'delivery',
    group: 'G7A2',
    code: 'E400',
    reason: 'SOAP InvalidPeriod "Period 2026-02 is closed"',
    endpoint: 'accounting.BookInvoice',
    route: 'orders-out',
    rule: 'accounting',
    key: id === 'd-hostile' ? HOSTILE : '4711',
    attempts: 12,
    at: AT,
    headers: { type: 'Order' },
    content,
    state: 'open',
  };
}
const letters = [letter('d-1', Buffer.from('{"Ref":"4711","Amount":1234.50}')), letter('d-2', Uint8Array.of(0, 0xff, 0x41)), letter('d-hostile', Buffer.from(HOSTILE))];

const parked: readonly ParkedDelivery[] = ['p-1', 'p-2'].map((deliveryId, at) => ({
  deliveryId,
  messageId: order.id,
  endpoint: 'erp.orders',
  lane: 'C1',
  route: 'orders-out',
  rule: 'erp',
  key: '4711',
  code: at === 0 ? 'E400' : 'E570',
  reason: at === 0 ? `customer C1 is blocked ${HOSTILE}` : 'waits behind p-1',
  at: AT,
  headers: {},
  content: Buffer.from('{"ORDNO":"4711"}'),
}));
const lane: ParkedLane = { endpoint: 'erp.orders', lane: 'C1', count: parked.length, released: false, firstAt: AT, code: 'E400', reason: `customer C1 is blocked ${HOSTILE}` };
const ledger: readonly LedgerLine[] = [
  {
    deliveryId: 'u-1',
    endpoint: 'accounting.BookInvoice',
    state: 'unknown',
    at: AT,
    detail: 'no answer within 30 s',
    parked: { messageId: order.id, key: HOSTILE, route: 'orders-out', rule: 'accounting', code: 'E580' },
  },
  { deliveryId: 'u-2', endpoint: 'shipping.createShipment', state: 'sending', at: AT, detail: undefined, parked: undefined },
];

const systems: readonly SystemStatus[] = [
  {
    name: 'legacy',
    adapter: 'sql',
    state: 'ok',
    endpoints: [endpoint('legacy.orders', 'inbound', { lastSuccessAt: AT, checkpoint: 'CHG_TS=09:13:58' })],
  },
  {
    name: 'accounting',
    adapter: 'soap',
    state: 'failing',
    endpoints: [
      endpoint('accounting.BookInvoice', 'outbound', {
        state: 'failing',
        since: AT,
        lastFailureAt: AT + 4_000,
        detail: `circuit open ${HOSTILE}; next try in 60 s`,
        waiting: 128,
        oldestMs: 2_940_000,
      }),
    ],
  },
];

function endpoint(name: string, direction: 'inbound' | 'outbound', rest: Partial<SystemStatus['endpoints'][number]>): SystemStatus['endpoints'][number] {
  return {
    name,
    direction,
    state: 'ok',
    detail: undefined,
    since: undefined,
    lastSuccessAt: undefined,
    lastFailureAt: undefined,
    nextAt: undefined,
    count: 7,
    failed: 0,
    waiting: undefined,
    oldestMs: undefined,
    checkpoint: undefined,
    ...rest,
  };
}

const started = Date.now() - 12 * 86_400_000;
const nodes: readonly NodeStatus[] = [
  {
    id: 'a1b2c3d4',
    name: 'erpgw01',
    pid: 4711,
    version: '0.1.0',
    revision: 41,
    startedAt: started,
    lastBeatAt: Date.now(),
    isSelf: true,
    isLive: true,
    sources: ['legacy.orders'],
  },
  { id: 'e5f60718', name: HOSTILE, pid: 4712, version: '0.1.0', revision: 40, startedAt: started, lastBeatAt: Date.now() - 90_000, isSelf: false, isLive: false, sources: [] },
];

const routes: readonly RouteStatus[] = [
  {
    name: 'orders-out',
    direction: 'outbound',
    place: 'orders.yaml:61',
    from: 'Order',
    to: ['accounting.BookInvoice'],
    rules: [{ name: 'accounting', when: 'order.total >= 1000', to: 'accounting.BookInvoice', place: 'orders.yaml:72', matched: 104, lastAt: AT }],
    received: 4812,
    filtered: 104,
    failed: 1,
  },
];

const files: readonly FileLine[] = [
  {
    endpoint: 'legacy.files',
    id: 'ORD_9.csv',
    name: 'ORD_9.csv',
    state: 'held',
    place: 'ORD_9.csv',
    size: 12,
    records: 0,
    accepted: 0,
    filtered: 0,
    dead: 0,
    reason: 'number 8 missing',
    seenAt: AT,
  },
  {
    endpoint: 'legacy.files',
    id: '0mg9x2',
    name: `ORD_7.csv`,
    state: 'failed',
    place: `failed/${HOSTILE}`,
    size: 4_711,
    hash: 'ab'.repeat(32),
    identity: '0011223344556677',
    records: 3,
    accepted: 2,
    filtered: 0,
    dead: 1,
    reason: HOSTILE,
    seenAt: AT,
    claimedAt: AT,
    doneAt: AT,
    endedAt: AT,
  },
];
const target = { endpoint: 'erp.orders', delivered: 1, pending: 0, parked: 0, dead: 1, discarded: 0 };

/** A service that remembers what it was asked, for tests of the admin API and of the command line. */
export function fakeService(): FakeService {
  const fake: FakeService = {
    changes: [],
    queries: [],
    applies: true,
    healthy: true,
    connected: true,
    status: async () => status(fake.connected),
    nodes: async () => nodes,
    systems: async () => systems,
    system: async (name) => find(systems, name, 'system'),
    testSystem: async (name) => {
      find(systems, name, 'system');
      const dns = { name: 'dns', ok: true, detail: '2 ms' };
      return name === 'legacy' ? [dns] : [dns, { name: 'login', ok: false, detail: `refused ${HOSTILE}`, fix: 'check the password' }];
    },
    provision: async (endpoint, { action, apply }, by) => {
      if (endpoint !== 'legacy.orders') throw new UnknownName(`no endpoint "${endpoint}"; known: legacy.orders`);
      if (apply) change(`${action}-triggers`, [endpoint], by);
      return { statements: [`CREATE TABLE x${HOSTILE}`, 'CREATE TRIGGER y'], notes: ['the account needs SELECT'], applied: apply };
    },
    pause: async (name, by) => change('pause', [pausable(name)], by),
    resume: async (name, by) => change('resume', [pausable(name)], by),
    reset: async (endpoint, by) =>
      change(
        'reset',
        [
          find(
            systems.flatMap(({ endpoints }) => endpoints),
            endpoint,
            'endpoint',
          ).name,
        ],
        by,
      ),
    routes: async () => routes,
    route: async (name) => {
      if (name === 'broken') throw new TypeError('password=hunter2');
      return find(routes, name, 'route');
    },
    searchMessages: async (query) => {
      fake.queries.push(query);
      return messages.filter((message) => query.state === undefined || message.state === query.state).slice(0, query.limit);
    },
    findMessages: async (reference) => messages.filter(({ id, key }) => key === reference || (reference.length >= 8 && id.startsWith(reference))),
    events: async (id) => events.filter(({ messageId }) => messageId === id),
    payload: async (reference) => {
      if (reference !== REFERENCE) throw new UnknownName(`no payload ${reference}`);
      return Buffer.from(`{"document":12345678901234567890.10,"text":"${'é'.repeat(5_000)}"}`);
    },
    tail: async (after, limit) => events.filter(({ seq }) => seq > after).slice(0, limit),
    deadLetterGroups: async () => [
      { group: 'G7A2', code: 'E400', endpoint: 'accounting.BookInvoice', route: 'orders-out', reason: 'InvalidPeriod', count: letters.length, firstAt: AT, lastAt: AT },
    ],
    // Whole letters, as a service may do it.
    deadLetters: async (reference, limit) => letters.filter(({ id, group }) => id === reference || group === reference).slice(0, limit),
    deadLetter: async (id) => {
      const found = letters.find((candidate) => candidate.id === id);
      if (!found) throw new UnknownName(`no dead letter ${id}`);
      return found;
    },
    redeliver: async (ids, by) => {
      change('redeliver', ids, by);
      const failed = ids.filter((id) => id === 'd-2').map((id) => ({ id, reason: 'the endpoint is gone' }));
      return { redelivered: ids.length - failed.length, failed };
    },
    discard: async (ids, by) => {
      change('discard', ids, by);
      return ids.length;
    },
    parkedLanes: async ({ endpoint, limit }) => [lane].filter((one) => endpoint === undefined || one.endpoint === endpoint).slice(0, limit),
    parkedDeliveries: async (endpoint, key, limit) => parked.filter((one) => one.endpoint === endpoint && one.lane === key).slice(0, limit),
    parkedDelivery: async (id) => {
      const found = parked.find(({ deliveryId }) => deliveryId === id);
      if (!found) throw new UnknownName(`no parked delivery ${id}`);
      return found;
    },
    releaseParked: async (endpoint, key, by) => {
      change('release', [endpoint, key], by);
      return parked.length;
    },
    discardParked: async (id, by) => change('discard parked', [id], by),
    ledger: async ({ state, endpoint, limit }) =>
      ledger.filter((line) => (state === undefined || line.state === state) && (endpoint === undefined || line.endpoint === endpoint)).slice(0, limit),
    ledgerRecord: async (id) => {
      const found = ledger.find(({ deliveryId }) => deliveryId === id);
      if (!found) throw new UnknownName(`the ledger has no delivery "${id}"`);
      return { ...found, content: found.parked && Buffer.from('{"Ref":"4711"}') };
    },
    resolve: async (ids, verdict, by) => {
      change(`resolve ${verdict}`, ids, by);
      const failed = ids.filter((id) => id === 'u-2').map((id) => ({ id, reason: 'it is being sent' }));
      return { resolved: ids.length - failed.length, failed };
    },
    files: async ({ endpoint, state, limit }) =>
      files.filter((file) => (endpoint === undefined || file.endpoint.startsWith(endpoint)) && (state === undefined || file.state === state)).slice(0, limit),
    file: async (reference) => {
      const found = files.find(({ id, name }) => id === reference || name === reference);
      if (!found) throw new UnknownName(`no file "${reference}" is known`);
      return { ...found, others: ['0mfz1'], messages: [hostile.id] };
    },
    releaseFile: async (endpoint, id, by) => change('release file', [endpoint, id], by),
    reprocessFile: async (endpoint, id, by) => change('reprocess file', [endpoint, id], by),
    reconcile: async ({ endpoint }) =>
      files
        .filter((file) => file.claimedAt !== undefined && (endpoint === undefined || file.endpoint === endpoint))
        .map((file) => ({
          file,
          delivered: 1,
          filtered: 0,
          dead: 1,
          parked: 0,
          pending: 0,
          missing: 1,
          targets: [target],
          problems: [`1 of 3 records have no message ${HOSTILE}`],
        })),
    reload: async (by) => {
      change('reload', [], by);
      return { applied: fake.applies, revision: 41, report: fake.applies ? '' : 'error[E100] the file is no valid YAML', changed: fake.applies ? ['legacy'] : [], waited: [] };
    },
    revisions: async () => [{ number: 41, digest: 'abc', by: 'anna', at: AT }],
    doctor: async (request) => [
      { check: 'rabbitmq.version', result: 'ok', found: `RabbitMQ 4.3.5 ${JSON.stringify(request)}` },
      { check: 'rabbitmq.policy', result: fake.healthy ? 'warning' : 'problem', found: HOSTILE, why: 'messages are dropped', fix: 'rabbitmqctl clear_policy x' },
      { check: 'rabbitmq.node', result: 'not-checked', found: 'disk limits', fix: 'configure `bus.management`' },
    ],
  };
  const change = (what: string, subject: readonly string[], by: Actor): void => {
    fake.changes.push({ what, subject, by });
  };
  return fake;
}

function pausable(name: string): string {
  return name.includes('.') ? name : find(systems, name, 'system').name;
}

function find<T extends { readonly name: string }>(list: readonly T[], name: string, what: string): T {
  const found = list.find((candidate) => candidate.name === name);
  if (!found) throw new UnknownName(`no ${what} ${name}`);
  return found;
}

function status(connected: boolean): Status {
  return {
    version: '0.1.0',
    node: 'erpgw01',
    pid: 4711,
    startedAt: Date.now() - 12 * 86_400_000,
    revision: { number: 41, by: 'anna', at: Date.now() - 3 * 86_400_000 },
    refused: undefined,
    ending: [],
    bus: { kind: 'embedded', health: { connected, detail: connected ? undefined : 'connection lost 12 s ago' } },
    store: { kind: 'sqlite', bytes: 41_000_000 },
    messages: { active: 3, delivered: 4702, filtered: 104, dead: 9, parked: 0 },
    deadLetters: letters.length,
    deadLettersBy: [{ endpoint: 'accounting.BookInvoice', code: 'E400', count: letters.length }],
    parkedBy: [{ endpoint: 'erp.orders', lanes: 1, deliveries: parked.length }],
    unknown: [{ endpoint: 'accounting.BookInvoice', count: 1 }],
    systems,
    nodes,
  };
}
