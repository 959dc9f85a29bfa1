import { chmod } from 'node:fs/promises';
import { TextDecoder } from 'node:util';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { ZodError } from 'zod';
import type { Logger } from '../../adapters/contract/services.js';
import { type Code, codes } from '../../bus/codes/index.js';
import { describe, failureOf, Misconfigured } from '../../bus/errors.js';
import { parseJson } from '../../bus/json.js';
import { type Service, UnknownName } from '../service.js';
import type { WireError } from '../wire.js';
import { type Call, calls } from './calls.js';
import { claimSocket, inUse } from './socket.js';

export interface AdminServerOptions {
  /** `<state>/signalbox.sock`. */
  readonly socketPath: string;
  readonly log: Logger;
}

export interface AdminServer {
  /** Resolves when the socket answers. @throws Misconfigured: another instance answers there, or the socket cannot be made */
  listen(): Promise<void>;
  /** Takes no new call, waits up to 5 s for those under way, removes the socket. Twice is fine. */
  close(): Promise<void>;
}

const CLOSE_MS = 5_000;

/** The admin API: HTTP and JSON over a unix socket that only the service's own user can open. */
export function createAdminServer(service: Service, { socketPath, log }: AdminServerOptions): AdminServer {
  const app = fastify({
    exposeHeadRoutes: false,
    bodyLimit: 8 * 1024 * 1024,
    requestTimeout: 30_000,
    routerOptions: { maxParamLength: 2_000 },
  });
  readStrictJson(app);
  answerErrors(app, log);
  for (const call of calls) serve(app, call, service);
  let closing: Promise<void> | undefined;
  return {
    async listen() {
      await claimSocket(socketPath);
      await app.ready();
      await bind(app, socketPath);
      log.info('admin-listening', `admin API on ${socketPath}`);
    },
    close() {
      closing ??= shut(app);
      return closing;
    },
  };
}

function serve(app: FastifyInstance, call: Call, service: Service): void {
  app.route({
    method: call.method,
    url: call.path,
    handler: async (request, reply) => {
      const answer = await call.answer(service, { params: request.params as Record<string, string>, query: request.query, body: request.body });
      return reply.header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(answer ?? null));
    },
  });
}

/** Bodies are JSON without duplicate members, trailing text or broken UTF-8; any other content type is refused. */
function readStrictJson(app: FastifyInstance): void {
  const utf8 = new TextDecoder('utf-8', { fatal: true });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseJson(utf8.decode(body as Buffer)));
    } catch (error) {
      done(Object.assign(new Error(`the body is no JSON: ${describe(error)}`), { statusCode: 400 }));
    }
  });
}

function answerErrors(app: FastifyInstance, log: Logger): void {
  app.setNotFoundHandler((request, reply) => refuse(reply, 404, 'E553', `the admin API has no call ${request.method} ${request.url.split('?', 1)[0]}`));
  app.setErrorHandler((error, request, reply) => {
    if (error instanceof UnknownName) return refuse(reply, 404, 'E552', error.message);
    if (error instanceof ZodError) return refuse(reply, 400, 'E554', error.issues.map((issue) => `${issue.path.join('.') || 'request'}: ${issue.message}`).join('; '));
    const failure = failureOf(error);
    if (failure) return refuse(reply, 409, failure.code, failure.message);
    const status = (error as { statusCode?: number }).statusCode ?? 500;
    if (status < 500) return refuse(reply, status, 'E554', describe(error));
    log.error('admin-failed', `${request.method} ${request.routeOptions.url ?? request.url}: ${describe(error)}`, Error.isError(error) ? { stack: error.stack } : {});
    // The text of an unexpected error may hold anything, so it stays in the log.
    return refuse(reply, 500, 'E500', 'an unexpected error; the log of the service has it');
  });
}

function refuse(reply: FastifyReply, status: number, code: Code, message: string): FastifyReply {
  const body: WireError = { code, message, hint: codes[code].fix };
  return reply.code(status).header('content-type', 'application/json; charset=utf-8').send(JSON.stringify(body));
}

async function bind(app: FastifyInstance, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    app.server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? inUse(path) : new Misconfigured('E555', describe(error), { cause: error }));
    });
    // `listen` binds at once, so the socket file never exists with more rights than 0600, whatever the umask of the process.
    const before = process.umask(0o177);
    try {
      app.server.listen(path, resolve);
    } finally {
      process.umask(before);
    }
  });
  await chmod(path, 0o600);
}

async function shut(app: FastifyInstance): Promise<void> {
  if (app.server.listening) {
    const limit = setTimeout(() => app.server.closeAllConnections(), CLOSE_MS);
    await new Promise<void>((resolve) => {
      app.server.close(() => resolve());
      app.server.closeIdleConnections();
    });
    clearTimeout(limit);
  }
  await app.close();
}
