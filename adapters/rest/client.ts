import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { Agent, type Dispatcher } from 'undici';
import { describe, InvalidMessage, Misconfigured, NotConnected, TryAgain } from '../contract/index.js';
import type { Connect } from './config.js';

export interface Answer {
  readonly status: number;
  /** Lower-cased names; the first of repeated ones. */
  readonly headers: Readonly<Record<string, string>>;
  /** Decoded leniently: for JSON, and for people. */
  readonly text: string;
  /** The answer was longer than `max_answer`, or ended early; `text` is its beginning. */
  readonly cut: boolean;
}

export interface Request {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `base`, encoded, query included. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** On a connection of its own: one that the partner closed while it was idle looks like a lost answer. */
  readonly fresh?: boolean;
}

/**
 * One endpoint's connections to a partner. Follows no redirect, decodes no compression, sends where `base` says and nowhere else.
 * Throws only failures of the contract.
 */
export class RestClient {
  readonly origin: URL;
  private readonly prefix: string;
  private agent: Agent | undefined;

  /** @throws Misconfigured */
  constructor(private readonly options: Connect) {
    if (options.base === undefined) throw new Misconfigured('E400', 'the system has no `base` address');
    this.origin = new URL(options.base);
    this.prefix = this.origin.pathname.replace(/\/$/, '');
    authorization(options);
  }

  /** @throws Misconfigured when the certificate authority cannot be read, NotConnected when nobody answers */
  async open(signal: AbortSignal): Promise<void> {
    await this.reach(signal);
    await this.agent?.destroy();
    this.agent = await this.createAgent();
  }

  /** @throws NotConnected, TryAgain, Misconfigured, InvalidMessage; what the status means is the caller's to say */
  async request(request: Request, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    const agent = this.agent;
    if (!agent) throw new NotConnected('E400', 'the endpoint is not open');
    const late = AbortSignal.timeout(this.options.timeout);
    let written = false;
    const noticing = agent.compose(
      noticeStart(() => {
        written = true;
      }),
    );
    try {
      const response = await noticing.request({
        origin: this.origin.origin,
        path: `${this.prefix}${request.path}`,
        method: request.method,
        headers: { accept: 'application/json', 'accept-encoding': 'identity', ...authorization(this.options), ...request.headers },
        body: request.body ?? null,
        ...(request.fresh ? { reset: true } : {}),
        signal: AbortSignal.any([signal, late]),
      });
      return { status: response.statusCode, headers: headersOf(response.headers), ...(await this.read(response.body)) };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw this.translate(error, written);
    }
  }

  /** DNS and TCP, for `open` and the connection test. @throws NotConnected */
  async reach(signal: AbortSignal): Promise<void> {
    await this.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = connectTcp({ host: this.host, port: this.port, timeout: this.connectMs });
    const abort = () => socket.destroy(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    socket.on('connect', resolve).on('error', reject);
    socket.on('timeout', () => socket.destroy(new Error(`no answer within ${this.connectMs} ms`)));
    try {
      if (signal.aborted) abort();
      await promise;
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      throw new NotConnected('E400', `cannot connect to ${this.origin.host}`, { cause });
    } finally {
      signal.removeEventListener('abort', abort);
      socket.destroy();
    }
  }

  /** @returns the address. @throws NotConnected */
  async resolve(): Promise<string> {
    try {
      return (await lookup(this.host)).address;
    } catch (cause) {
      throw new NotConnected('E400', `the name ${this.host} cannot be resolved`, { cause });
    }
  }

  /** A short piece of an answer for people, without our own credentials and without control characters. */
  excerpt(answer: Answer): string {
    if ((answer.headers['content-encoding'] ?? 'identity') !== 'identity') return '(compressed)';
    let text = answer.text;
    for (const value of Object.values(authorization(this.options))) {
      for (const part of [value, value.replace(/^\S+ /, '')]) text = text.replaceAll(part, '***');
    }
    const { basic } = this.options;
    if (basic) text = text.replaceAll(basic.password.reveal(), '***');
    const clean = text.replace(/\s+/g, ' ').replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (each) => `\\u{${(each.codePointAt(0) ?? 0).toString(16)}}`);
    return clean.length > 200 ? `${clean.slice(0, 199)}…` : clean;
  }

  async close(): Promise<void> {
    const agent = this.agent;
    this.agent = undefined;
    await agent?.destroy();
  }

  private get host(): string {
    return this.origin.hostname.replace(/^\[|\]$/g, '');
  }

  private get port(): number {
    return Number(this.origin.port || (this.origin.protocol === 'https:' ? 443 : 80));
  }

  private get connectMs(): number {
    return Math.min(10_000, this.options.timeout);
  }

  private async createAgent(): Promise<Agent> {
    return new Agent({
      connect: { timeout: this.connectMs, rejectUnauthorized: true, minVersion: 'TLSv1.2', ...(this.options.ca === undefined ? {} : { ca: await authority(this.options.ca) }) },
      headersTimeout: this.options.timeout,
      bodyTimeout: this.options.timeout,
      maxHeaderSize: 16 * 1024,
      pipelining: 1,
      allowH2: false,
    });
  }

  private async read(body: Dispatcher.ResponseData['body']): Promise<Pick<Answer, 'text' | 'cut'>> {
    const parts: Buffer[] = [];
    let size = 0;
    let cut = false;
    for await (const part of body as AsyncIterable<Buffer>) {
      parts.push(part.subarray(0, this.options.max_answer - size));
      size += part.byteLength;
      cut = size > this.options.max_answer;
      if (cut) break; // leaving the loop destroys the rest
    }
    return { text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.concat(parts)), cut };
  }

  /** @param written the request, or its beginning, may have reached the partner */
  private translate(error: unknown, written: boolean): Error {
    const code = codeOf(error);
    const place = this.origin.host;
    const outcome = written ? ({ outcome: 'unknown' } as const) : {};
    if (code === 'TimeoutError' || code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') {
      return new TryAgain('E476', `${place} did not answer within ${this.options.timeout} ms`, outcome);
    }
    if (!written && /^(CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_TLS_|ERR_SSL_|HOSTNAME_MISMATCH|INVALID_CA|EPROTO)/.test(code)) {
      return new Misconfigured('E477', `the TLS connection to ${place} is not trusted (${code})`, { cause: error });
    }
    if (code === 'UND_ERR_INVALID_ARG' || code === 'ERR_INVALID_CHAR') return new InvalidMessage('E361', 'the request holds a character that cannot be sent', { cause: error });
    if (/^(HPE_|UND_ERR_(HEADERS_OVERFLOW|RES_|RESPONSE|REQ_|BODY))/.test(code)) return new TryAgain('E475', `${place} answered with something that is no HTTP (${code})`, outcome);
    return new NotConnected('E400', `${place}: ${describe(error)}`, { cause: error, ...outcome });
  }
}

/** Calls `started` when a connection is there and the request is about to be written to it: until then the partner certainly has nothing of it. */
function noticeStart(started: () => void): Dispatcher.DispatcherComposeInterceptor {
  return (dispatch) => (options, handler) =>
    dispatch(options, {
      onRequestStart(controller, context) {
        handler.onRequestStart?.(controller, context);
        if (!controller.aborted) started();
      },
      onRequestUpgrade: (...parts) => handler.onRequestUpgrade?.(...parts),
      onResponseStart: (...parts) => handler.onResponseStart?.(...parts),
      onResponseData: (...parts) => handler.onResponseData?.(...parts),
      onResponseEnd: (...parts) => handler.onResponseEnd?.(...parts),
      onResponseError: (...parts) => handler.onResponseError?.(...parts),
    });
}

function authorization(options: Connect): Record<string, string> {
  const { bearer, basic, api_key } = options;
  if (bearer) return { authorization: `Bearer ${sendable(bearer.reveal(), bearer.name)}` };
  if (basic) return { authorization: `Basic ${Buffer.from(`${basic.user}:${basic.password.reveal()}`).toString('base64')}` };
  return api_key ? { [api_key.header]: sendable(api_key.value.reveal(), api_key.value.name) } : {};
}

function sendable(value: string, name: string): string {
  if (!/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value))
    throw new Misconfigured('E478', `the secret ${name} is empty or holds characters that cannot stand in a header, such as a line break`);
  return value;
}

async function authority(ca: string): Promise<string> {
  if (ca.includes('-----BEGIN ')) return ca;
  try {
    return await readFile(ca, 'utf8');
  } catch (cause) {
    throw new Misconfigured('E477', `the certificate authority ${ca} cannot be read`, { cause });
  }
}

function headersOf(headers: Dispatcher.ResponseData['headers']): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), (Array.isArray(value) ? value[0] : value) ?? '']));
}

/** The first code or name in the chain of causes that says something. */
function codeOf(error: unknown): string {
  for (let at = error; typeof at === 'object' && at !== null; at = 'cause' in at ? at.cause : undefined) {
    if ('code' in at && typeof at.code === 'string') return at.code;
    if ('name' in at && at.name === 'TimeoutError') return at.name;
  }
  return '';
}
