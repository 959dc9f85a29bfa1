// The thread of one connection: answers one request after the other.
import { parentPort } from 'node:worker_threads';
import { OdbcConnection } from './connection.js';
import { type Library, loadLibrary } from './library.js';
import { type Answer, OdbcError, type Request } from './protocol.js';

let connection: OdbcConnection | undefined;
let library: Library | undefined;

parentPort?.on('message', ({ id, request }: { readonly id: number; readonly request: Request }) => {
  try {
    parentPort?.postMessage(answer(id, request));
  } catch (error) {
    const { state, native } = error instanceof OdbcError ? error : { state: undefined, native: 0 };
    const message = Error.isError(error) ? (error as Error).message : String(error);
    parentPort?.postMessage({ id, error: { message, state, native } } satisfies Answer);
  }
  if (request.to === 'close') parentPort?.close();
});

function answer(id: number, request: Request): Answer {
  switch (request.to) {
    case 'open':
      connection = new OdbcConnection(request.opening);
      return { id, opened: connection.opened };
    case 'begin':
      open().begin(request.readOnly, request.isolation);
      return { id, done: true };
    case 'query':
      return { id, result: open().query(request.sql, request.binds, request.seconds, request.most) };
    case 'catalogue':
      return { id, result: open().catalogue(request.call) };
    case 'end':
      open().end(request.commit);
      return { id, done: true };
    case 'cancel':
      library ??= loadLibrary(request.library);
      library.cancel(request.statement);
      return { id, done: true };
    case 'close':
      connection?.close();
      connection = undefined;
      return { id, done: true };
  }
}

function open(): OdbcConnection {
  if (!connection) throw new OdbcError('08003', 0, 'the connection is not open');
  return connection;
}
