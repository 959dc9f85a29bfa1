// The one HTTP listener of the process. Paths are compared as they stand on the wire, byte for byte: nothing is decoded, folded or
// normalised, so there is no second spelling of a path. Bodies stay bytes; nothing is parsed here.
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { HttpHost, HttpReply, HttpRequest, HttpRoute, Logger } from '../../adapters/contract/index.js';
import { describe, Misconfigured } from '../errors.js';
import { headersOf, queryOf, readBody, TooLarge } from './http-request.js';
import { settledWithin } from './settled-within.js';

export interface HttpHostOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Certificate chain and key: PEM text or the path of a PEM file. */
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly log: Logger;
  readonly limits?: HttpLimits;
  /** Called after each answer, for metrics; `path` is undefined when no route had it. */
  readonly observe?: (answer: { readonly path: string | undefined; readonly status: number; readonly ms: number }) => void;
}

/** Bounds against slow and many callers. Milliseconds. */
export interface HttpLimits {
  /** Until all headers are there. Default 10 s. */
  readonly headersMs?: number;
  /** Until the whole request is there. Default 30 s. */
  readonly requestMs?: number;
  /** Connections at once. Default 1000. */
  readonly connections?: number;
  /** Between two requests of a connection. Default 5 s. */
  readonly keepAliveMs?: number;
}

export interface RunningHttpHost extends HttpHost {
  /** Listens. Routes may be added before and after. @throws Misconfigured */
  start(): Promise<{ readonly port: number }>;
  /** A page for machines: `/livez`, `/metrics`. */
  get(path: string, handle: HttpRoute['handle']): { close(): Promise<void> };
  /** New requests get 503; waits for those under way, then aborts them; closes. Twice is fine. */
  stop(drainMs: number): Promise<void>;
}

export function createHttpHost(options: HttpHostOptions): RunningHttpHost {
  return new Host(options);
}

/** Stands in where no `listen:` is configured. */
export const absentHttpHost: HttpHost = {
  serve: async ({ path }) => {
    throw new Misconfigured('E467', `${path} cannot be served: no listener is configured`);
  },
};

type Served = Omit<HttpRoute, 'method'> & { readonly method: string; readonly underWay: Set<Promise<unknown>> };

const PATH = /^(\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+$/;
/** A path given up a moment ago is being swapped by a reload more often than gone: its callers shall come again. */
const SWAP_MS = 60_000;
const MOST_DISCARDED = 8 * 1024 * 1024;
/** For answers on their way when the listener closes. */
const LAST_ANSWERS_MS = 1_000;

class Host implements RunningHttpHost {
  private readonly routes = new Map<string, Served>();
  private readonly left = new Map<string, number>();
  private readonly stopping = new AbortController();
  private app: FastifyInstance | undefined;
  private draining = false;

  constructor(private readonly options: HttpHostOptions) {}

  async serve(route: HttpRoute): Promise<{ close(): Promise<void> }> {
    return this.add({ ...route, underWay: new Set() });
  }

  get(path: string, handle: HttpRoute['handle']): { close(): Promise<void> } {
    return this.add({ method: 'GET', path, maxBodyBytes: 0, handle, underWay: new Set() });
  }

  async start(): Promise<{ readonly port: number }> {
    const { host, port, tls, limits = {} } = this.options;
    const server = {
      headersTimeout: limits.headersMs ?? 10_000,
      requestTimeout: limits.requestMs ?? 30_000,
      connectionsCheckingInterval: Math.min(1_000, limits.headersMs ?? 1_000),
      maxHeaderSize: 16 * 1024,
    };
    const common = {
      requestTimeout: server.requestTimeout,
      keepAliveTimeout: limits.keepAliveMs ?? 5_000,
      forceCloseConnections: 'idle' as const,
      exposeHeadRoutes: false,
      rewriteUrl: () => '/', // the router never sees what came; `answer` compares the original
    };
    try {
      const app = tls
        ? fastify({ ...common, https: { ...server, cert: await pem(tls.cert), key: await pem(tls.key), minVersion: 'TLSv1.2' } })
        : fastify({ ...common, http: server });
      const instance = app as FastifyInstance;
      instance.server.maxConnections = limits.connections ?? 1_000;
      instance.removeAllContentTypeParsers();
      instance.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
      instance.setErrorHandler((error: { readonly statusCode?: number }, request, reply) => this.refuse(error, request, reply));
      instance.setNotFoundHandler((request, reply) => this.send(reply, request, undefined, plain(404, 'not found'), performance.now()));
      instance.route({ method: ['GET', 'HEAD', 'POST', 'PUT'], url: '/', handler: (request, reply) => this.answer(request, reply) });
      this.app = instance;
      await instance.listen({ host, port });
    } catch (cause) {
      await this.app?.close();
      this.app = undefined;
      throw new Misconfigured('E469', `cannot listen on ${host}:${port}`, { cause });
    }
    const address = this.app.server.address();
    return { port: typeof address === 'object' && address !== null ? address.port : port };
  }

  async stop(drainMs: number): Promise<void> {
    this.draining = true;
    const underWay = [...this.routes.values()].flatMap((route) => [...route.underWay]);
    await settledWithin(drainMs, Promise.allSettled(underWay));
    this.stopping.abort(new Error('the HTTP listener stops'));
    const app = this.app;
    this.app = undefined;
    if (!app) return;
    const closed = app.close();
    await settledWithin(LAST_ANSWERS_MS, closed);
    app.server.closeAllConnections();
    await closed;
  }

  private add(route: Served): { close(): Promise<void> } {
    const key = `${route.method} ${route.path}`;
    if (!PATH.test(route.path)) throw new Misconfigured('E468', `${route.path} is no plain path`);
    if (this.routes.has(key)) throw new Misconfigured('E468', `${key} is taken`);
    this.routes.set(key, route);
    this.left.delete(route.path);
    return {
      close: async () => {
        if (this.routes.get(key) === route) {
          this.routes.delete(key);
          this.left.set(route.path, performance.now());
        }
        await Promise.allSettled(route.underWay);
      },
    };
  }

  private async answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const began = performance.now();
    const [path = '', query = ''] = splitOnce(request.originalUrl, '?');
    const route = this.routes.get(`${request.method === 'HEAD' ? 'GET' : request.method} ${path}`);
    if (!route) return this.send(reply, request, undefined, this.unrouted(path), began);
    if (this.draining) return this.send(reply, request, route.path, busy(), began);
    const work = this.handle(route, request, path, query);
    route.underWay.add(work);
    try {
      return await this.send(reply, request, route.path, await work, began);
    } finally {
      route.underWay.delete(work);
    }
  }

  private async handle(route: Served, request: FastifyRequest, path: string, query: string): Promise<HttpReply> {
    const headers = headersOf(request.raw.rawHeaders);
    if ((headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity') return plain(415, 'content-encoding is not supported');
    let body: Uint8Array;
    try {
      body = await readBody(request.raw, route.maxBodyBytes);
    } catch (error) {
      return error instanceof TooLarge ? plain(413, 'the body is too large') : plain(400, 'the body is incomplete');
    }
    const made: HttpRequest = { method: request.method, path, headers, query: queryOf(query), body, remoteAddress: request.ip };
    try {
      return await route.handle(made, this.stopping.signal);
    } catch (error) {
      this.options.log.error('http.handler-failed', Error.isError(error) ? ((error as Error).stack ?? String(error)) : String(error), { path: route.path });
      return plain(500, 'internal error');
    }
  }

  private unrouted(path: string): HttpReply {
    if (this.draining) return busy();
    const since = this.left.get(path);
    if (since !== undefined && performance.now() - since < SWAP_MS) return busy();
    const allowed = [...this.routes.values()].filter((route) => route.path === path).map((route) => route.method);
    return allowed.length > 0 ? { ...plain(405, 'method not allowed'), headers: { allow: allowed.join(', ') } } : plain(404, 'not found');
  }

  private refuse(error: { readonly statusCode?: number }, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const status = error.statusCode ?? 500;
    if (status >= 500) this.options.log.error('http.failed', describe(error));
    return this.send(reply, request, undefined, plain(status, status === 415 ? 'unsupported media type' : status >= 500 ? 'internal error' : 'bad request'), performance.now());
  }

  private send(reply: FastifyReply, request: FastifyRequest, path: string | undefined, answer: HttpReply, began: number): FastifyReply {
    this.options.observe?.({ path, status: answer.status, ms: performance.now() - began });
    reply.code(answer.status).header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
    if (answer.body !== undefined) reply.header('content-type', 'application/json; charset=utf-8');
    for (const [name, value] of Object.entries(answer.headers ?? {})) reply.header(name, value);
    if (this.draining || !discard(request.raw)) reply.header('connection', 'close');
    return reply.send(answer.body);
  }
}

/**
 * Lets the rest of a refused body run into nothing, so that the caller gets to read the answer; false when it is too much to wait for,
 * and the connection has to end.
 */
function discard(request: IncomingMessage): boolean {
  if (request.complete) return true;
  if (request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > MOST_DISCARDED) return false;
  request.resume();
  return true;
}

function busy(): HttpReply {
  return { ...plain(503, 'try again later'), headers: { 'retry-after': '5' } };
}

function plain(status: number, error: string): HttpReply {
  return { status, body: `{"error":"${error}"}` };
}

async function pem(text: string): Promise<string> {
  return text.includes('-----BEGIN ') ? text : readFile(text, 'utf8');
}

function splitOnce(text: string, by: string): readonly string[] {
  const at = text.indexOf(by);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
