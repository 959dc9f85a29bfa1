import { z } from 'zod';
import { FILE_STATES } from '../../adapters/contract/custody.js';
import type { Actor, Service } from '../service.js';
import { API, MOST_IDS, MOST_ROWS, writeContent, writeDeadLetter, writeLedgerRecord, writeParked, writeSummary } from '../wire.js';

/** One call of the admin API. What is not in the table is answered 404. */
export interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Parses and answers. @throws ZodError when query or body do not fit */
  answer(service: Service, request: CallRequest): Promise<unknown>;
}

export interface CallRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: unknown;
  readonly body: unknown;
}

const name = z.string().min(1).max(500);
const count = z
  .string()
  .regex(/^\d{1,15}$/, 'expected a whole number')
  .transform(Number);
const limit = count.pipe(z.number().min(1).max(MOST_ROWS)).default(100);
/**
 * Who asks is what the client says: the socket has mode 0600, so only the service's own user and root can speak here,
 * and both could write any name anyway. The console has sessions of its own.
 */
const actor = { who: z.string().min(1).max(200), reason: z.string().max(1_000).optional() };
const ids = z.array(name).min(1).max(MOST_IDS);
const verdict = z.enum(['delivered', 'resend', 'discard']);
const ledgerQuery = { state: z.enum(['sending', 'done', 'unknown', 'released']).optional(), endpoint: name.optional(), limit };
/** A whole number in a body, where numbers are exact. */
const whole = z.bigint().min(0n).max(BigInt(Number.MAX_SAFE_INTEGER)).transform(Number);
const filesQuery = { endpoint: name.optional(), since: count.optional(), limit };
const search = z.strictObject({
  key: name.optional(),
  type: name.optional(),
  source: name.optional(),
  route: name.optional(),
  endpoint: name.optional(),
  state: z.enum(['active', 'delivered', 'filtered', 'dead', 'parked']).optional(),
  code: name.optional(),
  since: count.optional(),
  until: count.optional(),
  limit,
});

export const calls: readonly Call[] = [
  get('/status', {}, (service) => service.status()),
  get('/nodes', {}, (service) => service.nodes()),
  get('/systems', {}, (service) => service.systems()),
  get('/systems/:name', {}, (service, _, path) => service.system(path('name'))),
  post('/systems/:name/test', {}, (service, _, path) => service.testSystem(path('name'))),
  post('/endpoints/:name/provision', { action: z.enum(['install', 'remove']), apply: z.boolean(), ...actor }, (service, { action, apply, ...who }, path) =>
    service.provision(path('name'), { action, apply }, by(who)),
  ),
  post('/endpoints/:name/reset', actor, (service, body, path) => service.reset(path('name'), by(body))),
  post('/systems/:name/pause', actor, (service, body, path) => service.pause(path('name'), by(body))),
  post('/systems/:name/resume', actor, (service, body, path) => service.resume(path('name'), by(body))),
  get('/routes', {}, (service) => service.routes()),
  get('/routes/:name', {}, (service, _, path) => service.route(path('name'))),
  get('/messages', search.shape, (service, query) => service.searchMessages(given(query))),
  get('/messages/find', { reference: name }, (service, query) => service.findMessages(query.reference)),
  get('/messages/:id/events', {}, (service, _, path) => service.events(path('id'))),
  get('/payloads/:reference', {}, async (service, _, path) => ({ content: writeContent(await service.payload(path('reference'))) })),
  get('/events', { after: count, limit }, (service, query) => service.tail(query.after, query.limit)),
  get('/dead-letters/groups', {}, (service) => service.deadLetterGroups()),
  get('/dead-letters', { reference: name, limit }, async (service, query) => (await service.deadLetters(query.reference, query.limit)).map(writeSummary)),
  get('/dead-letters/:id', {}, async (service, _, path) => writeDeadLetter(await service.deadLetter(path('id')))),
  post('/dead-letters/redeliver', { ids, ...actor }, (service, body) => service.redeliver(body.ids, by(body))),
  post('/dead-letters/discard', { ids, ...actor }, async (service, body) => ({ discarded: await service.discard(body.ids, by(body)) })),
  get('/ledger', ledgerQuery, (service, query) => service.ledger(given(query))),
  get('/ledger/:id', {}, async (service, _, path) => writeLedgerRecord(await service.ledgerRecord(path('id')))),
  post('/ledger/resolve', { ids, as: verdict, ...actor }, (service, body) => service.resolve(body.ids, body.as, by(body))),
  get('/parked', { endpoint: name.optional(), limit }, (service, query) => service.parkedLanes(given(query))),
  get('/parked/deliveries', { endpoint: name, lane: name, limit }, (service, query) => service.parkedDeliveries(query.endpoint, query.lane, query.limit)),
  get('/parked/deliveries/:id', {}, async (service, _, path) => writeParked(await service.parkedDelivery(path('id')))),
  post('/parked/release', { endpoint: name, lane: name, ...actor }, async (service, body) => ({ released: await service.releaseParked(body.endpoint, body.lane, by(body)) })),
  post('/parked/deliveries/:id/discard', actor, (service, body, path) => service.discardParked(path('id'), by(body))),
  get('/files', { ...filesQuery, state: z.enum(FILE_STATES).optional() }, (service, query) => service.files(given(query))),
  get('/files/find', { reference: name, endpoint: name.optional() }, (service, query) => service.file(query.reference, query.endpoint)),
  post('/files/release', { endpoint: name, id: name, ...actor }, (service, body) => service.releaseFile(body.endpoint, body.id, by(body))),
  post('/files/reprocess', { endpoint: name, id: name, ...actor }, (service, body) => service.reprocessFile(body.endpoint, body.id, by(body))),
  post('/reconcile', { endpoint: name.optional(), since: whole.optional(), limit: whole.pipe(z.number().min(1).max(MOST_ROWS)) }, (service, body) =>
    service.reconcile(given(body)),
  ),
  post('/reload', actor, (service, body) => service.reload(by(body))),
  get('/revisions', { limit }, (service, query) => service.revisions(query.limit)),
  post('/doctor', { systems: z.boolean(), selfTest: z.boolean(), integrity: z.boolean() }, (service, body) => service.doctor(body)),
];

type Answer<Shape extends z.ZodRawShape> = (service: Service, input: z.output<z.ZodObject<Shape>>, path: (parameter: string) => string) => Promise<unknown>;

function get<Shape extends z.ZodRawShape>(path: string, query: Shape, answer: Answer<Shape>): Call {
  const schema = z.strictObject(query);
  return { method: 'GET', path: API + path, answer: (service, request) => answer(service, schema.parse(request.query), parameters(request)) };
}

function post<Shape extends z.ZodRawShape>(path: string, body: Shape, answer: Answer<Shape>): Call {
  const schema = z.strictObject(body);
  const nothing = z.strictObject({});
  return {
    method: 'POST',
    path: API + path,
    answer: (service, request) => {
      nothing.parse(request.query);
      return answer(service, schema.parse(request.body), parameters(request));
    },
  };
}

function parameters(request: CallRequest): (parameter: string) => string {
  return (parameter) => name.parse(request.params[parameter]);
}

function by(body: { readonly who: string; readonly reason?: string | undefined }): Actor {
  return { who: body.who, ...(body.reason === undefined ? {} : { reason: body.reason }) };
}

/** Without the members that are undefined, as `exactOptionalPropertyTypes` wants it. */
function given<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };
}
