import { type IncomingMessage, request } from 'node:http';
import type { HistoryQuery } from '../bus/store/contract.js';
import { type Actor, type Service, UnknownName } from '../console/service.js';
import { API, readDeadLetter, readLedgerRecord, readParked, type WireDeadLetter, type WireError, type WireLedgerRecord, type WireParked } from '../console/wire.js';
import { CommandFailure, coded, EXIT } from './failure.js';

const READ_MS = 60_000;
/** Tests of systems and redeliveries wait for systems outside. */
const CHANGE_MS = 600_000;
const MOST_BYTES = 256 * 1024 * 1024;

/** The running service, asked over its admin socket. @throws UnknownName, CommandFailure */
export function remoteService(socketPath: string): Service {
  const get = <T>(path: string, query: Query = {}): Promise<T> => call<T>(socketPath, 'GET', path + queryText(query));
  const post = <T>(path: string, body: object): Promise<T> => call<T>(socketPath, 'POST', path, body);
  const at = encodeURIComponent;
  return {
    status: () => get('/status'),
    nodes: () => get('/nodes'),
    systems: () => get('/systems'),
    system: (name) => get(`/systems/${at(name)}`),
    testSystem: (name) => post(`/systems/${at(name)}/test`, {}),
    provision: (endpoint, request, by) => post(`/endpoints/${at(endpoint)}/provision`, { ...request, ...asker(by) }),
    pause: (name, by) => post(`/systems/${at(name)}/pause`, asker(by)),
    resume: (name, by) => post(`/systems/${at(name)}/resume`, asker(by)),
    reset: (endpoint, by) => post(`/endpoints/${at(endpoint)}/reset`, asker(by)),
    routes: () => get('/routes'),
    route: (name) => get(`/routes/${at(name)}`),
    searchMessages: (query) => get('/messages', fields(query)),
    findMessages: (reference) => get('/messages/find', { reference }),
    events: (messageId) => get(`/messages/${at(messageId)}/events`),
    payload: async (reference) => Buffer.from((await get<{ readonly content: string }>(`/payloads/${at(reference)}`)).content, 'base64'),
    tail: (after, limit) => get('/events', { after, limit }),
    deadLetterGroups: () => get('/dead-letters/groups'),
    deadLetters: (reference, limit) => get('/dead-letters', { reference, limit }),
    deadLetter: async (id) => readDeadLetter(await get<WireDeadLetter>(`/dead-letters/${at(id)}`)),
    redeliver: (ids, by) => post('/dead-letters/redeliver', { ids, ...asker(by) }),
    discard: async (ids, by) => (await post<{ readonly discarded: number }>('/dead-letters/discard', { ids, ...asker(by) })).discarded,
    ledger: ({ state, endpoint, limit }) => get('/ledger', { state, endpoint, limit }),
    ledgerRecord: async (id) => readLedgerRecord(await get<WireLedgerRecord>(`/ledger/${at(id)}`)),
    resolve: (ids, verdict, by) => post('/ledger/resolve', { ids, as: verdict, ...asker(by) }),
    parkedLanes: ({ endpoint, limit }) => get('/parked', { endpoint, limit }),
    parkedDeliveries: (endpoint, lane, limit) => get('/parked/deliveries', { endpoint, lane, limit }),
    parkedDelivery: async (id) => readParked(await get<WireParked>(`/parked/deliveries/${at(id)}`)),
    releaseParked: async (endpoint, lane, by) => (await post<{ readonly released: number }>('/parked/release', { endpoint, lane, ...asker(by) })).released,
    discardParked: (id, by) => post(`/parked/deliveries/${at(id)}/discard`, asker(by)),
    files: ({ endpoint, state, since, limit }) => get('/files', { endpoint, state, since, limit }),
    file: (reference, endpoint) => get('/files/find', { reference, endpoint }),
    releaseFile: (endpoint, id, by) => post('/files/release', { endpoint, id, ...asker(by) }),
    reprocessFile: (endpoint, id, by) => post('/files/reprocess', { endpoint, id, ...asker(by) }),
    reconcile: (query) => post('/reconcile', query),
    reload: (by) => post('/reload', asker(by)),
    revisions: (limit) => get('/revisions', { limit }),
    doctor: (request) => post('/doctor', request),
  };
}

type Query = Readonly<Record<string, string | number | undefined>>;

function fields({ key, type, source, route, endpoint, state, code, since, until, limit }: HistoryQuery): Query {
  return { key, type, source, route, endpoint, state, code, since, until, limit };
}

function asker({ who, reason }: Actor): object {
  return { who, ...(reason === undefined ? {} : { reason }) };
}

function queryText(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  return parameters.size === 0 ? '' : `?${parameters}`;
}

async function call<T>(socketPath: string, method: 'GET' | 'POST', path: string, body?: object): Promise<T> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const signal = AbortSignal.timeout(method === 'GET' ? READ_MS : CHANGE_MS);
  let answer: { readonly status: number; readonly text: string };
  try {
    answer = await exchange(socketPath, method, API + path, text, signal);
  } catch (error) {
    throw unreachable(error, socketPath);
  }
  if (answer.status === 200) return parse<T>(answer.text);
  const failure = parse<Partial<WireError> | null>(answer.text);
  if (failure?.code === 'E552') throw new UnknownName(failure.message);
  throw new CommandFailure(failure?.message ?? `HTTP ${answer.status}`, { code: failure?.code ?? 'E556', ...(failure?.hint ? { hint: failure.hint } : {}) });
}

function exchange(socketPath: string, method: string, path: string, body: string | undefined, signal: AbortSignal): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const outgoing = request({ socketPath, method, path, headers, agent: false, signal, host: 'signalbox' }, (response) => {
      read(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
    });
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}

async function read(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MOST_BYTES) throw new Error(`the answer has more than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw coded('E556', 'the answer is no JSON', { cause: error });
  }
}

function unreachable(error: unknown, socketPath: string): CommandFailure {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTSOCK' || code === 'ENOTDIR') {
    return coded('E550', `nobody answers on ${socketPath}`, { exitCode: EXIT.notRunning, cause: error });
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new CommandFailure(`no right to open ${socketPath}`, { hint: 'Run the command as the user Signalbox runs as.', cause: error });
  }
  return coded('E556', code === 'ABORT_ERR' || code === 'ETIMEDOUT' ? 'no answer in time' : message, { cause: error });
}
