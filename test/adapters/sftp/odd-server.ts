// An SFTP server that misbehaves on demand. Its files are in memory; it announces no extension (no posix-rename, no fsync).

import { once } from 'node:events';
import { createServer } from 'node:net';
import ssh2, { type AuthContext, type Connection, type FileEntry, type SFTPWrapper } from 'ssh2';

const { STATUS_CODE, OPEN_MODE } = ssh2.utils.sftp;

export interface Oddities {
  /** Where it stops answering, the connection staying open. */
  silent?: 'session' | 'read' | 'list';
  /** Where it cuts the connection. */
  drop?: 'read' | 'write' | 'rename';
  /** Each read gives one byte, after a while. */
  drip?: boolean;
  /** Most SFTP sessions at a time. */
  sessions?: number;
  /** Added to each size it tells. */
  lie?: number;
  /** Left out of what it tells of a file. */
  without?: readonly ('size' | 'mtime' | 'mode')[];
  /** What a rename to a name that is taken does; a good server fails. */
  renameOver?: 'replaces' | 'denies';
  /** Says FAILURE for what is not there. */
  failureForMissing?: boolean;
  /** Loses what is written while another write is under way. */
  losesParallelWrites?: boolean;
  /** More names in each folder. */
  names?: readonly string[];
  /** Its listing begins again and again. */
  endless?: boolean;
}

export interface OddServer {
  readonly port: number;
  readonly files: Map<string, Buffer>;
  odd: Oddities;
  /** SFTP sessions that are open. */
  readonly sessions: number;
  /** Most that were open at a time. */
  readonly peak: number;
  /** Requests for a shell or a command. */
  readonly commands: number;
  /** Handles that are open. */
  readonly handles: number;
  /** Requests, in order, each with its path. */
  readonly requests: string[];
  close(): Promise<void>;
}

export const HOST_KEYS = [ssh2.utils.generateKeyPairSync('ed25519').private, ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 }).private];

export async function startOddServer(odd: Oddities = {}, algorithms: ssh2.Algorithms = {}, hostKeys = HOST_KEYS): Promise<OddServer> {
  const connections = new Set<Connection>();
  const state = { odd, files: new Map<string, Buffer>(), requests: [] as string[], sessions: 0, peak: 0, commands: 0, handles: 0 };
  const server = new ssh2.Server({ hostKeys, algorithms }, (client) => {
    connections.add(client);
    client.on('error', () => undefined); // clients that go away in the middle are what the tests are about
    client.once('close', () => connections.delete(client));
    client.on('authentication', (context: AuthContext) =>
      context.method === 'password' ? (context.password === 'good' ? context.accept() : context.reject()) : context.reject(['password']),
    );
    client.on('session', (accept) => {
      const session = accept();
      session.on('exec', (_, reject) => {
        state.commands++;
        reject();
      });
      session.on('shell', (_, reject) => {
        state.commands++;
        reject();
      });
      session.on('sftp', (take, reject) => {
        if (state.odd.sessions !== undefined && state.sessions >= state.odd.sessions) return reject();
        const sftp = take();
        state.sessions++;
        state.peak = Math.max(state.peak, state.sessions);
        client.once('close', () => {
          state.sessions--;
        });
        serve(sftp, client, state);
      });
    });
  });
  // Without noDelay each answer waits 40 ms for the acknowledgement of the one before.
  const listener = createServer({ noDelay: true }, (socket) => server.injectSocket(socket));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return Object.defineProperties(state, {
    port: { value: (listener.address() as { port: number }).port },
    close: {
      value: async () => {
        for (const connection of connections) connection.end();
        await new Promise<void>((done) => listener.close(() => done()));
      },
    },
  }) as typeof state & OddServer;
}

interface Handle {
  readonly path: string;
  page: readonly FileEntry[] | undefined;
}

interface State {
  odd: Oddities;
  readonly files: Map<string, Buffer>;
  readonly requests: string[];
  handles: number;
}

function serve(sftp: SFTPWrapper, client: Connection, state: State): void {
  const handles = new Map<string, Handle>();
  let number = 0;
  let writing = 0;
  client.once('close', () => {
    state.handles -= handles.size;
  });
  const noted = (request: string, path: string): boolean => {
    state.requests.push(`${request} ${path}`);
    return state.odd.silent !== 'session';
  };
  const open = (id: number, path: string): void => {
    const handle = Buffer.from(String(++number));
    handles.set(handle.toString(), { path, page: undefined });
    state.handles++;
    sftp.handle(id, handle);
  };
  const missing = (id: number): void => sftp.status(id, state.odd.failureForMissing ? STATUS_CODE.FAILURE : STATUS_CODE.NO_SUCH_FILE);
  const isFolder = (path: string): boolean => path === '/' || path === '.' || [...state.files.keys()].some((each) => each.startsWith(`${path}/`));
  const attributes = (path: string) => {
    const content = state.files.get(path) ?? (state.odd.names?.some((name) => path.endsWith(`/${name}`)) ? Buffer.from('n\n1\n') : undefined);
    const { lie = 0, without = [] } = state.odd;
    return {
      ...(without.includes('mode') ? {} : { mode: content ? 0o100644 : 0o040755 }),
      ...(without.includes('size') ? {} : { size: Math.max(0, (content?.length ?? 0) + (content ? lie : 0)) }),
      ...(without.includes('mtime') ? {} : { atime: 1_700_000_000, mtime: 1_700_000_000 }),
    } as ssh2.Attributes;
  };
  const page = (folder: string): readonly FileEntry[] => {
    const names = new Set([...state.files.keys()].filter((path) => path.startsWith(folder)).map((path) => path.slice(folder.length).split('/')[0] ?? ''));
    return [...names, ...(state.odd.names ?? [])].map((filename) => ({
      filename,
      longname: `${isFolder(folder + filename) ? 'd' : '-'}rw-r--r-- 1 a b 0 Jan 1 00:00 ${filename}`,
      attrs: attributes(folder + filename),
    }));
  };
  sftp.on('OPENDIR', (id, path) => {
    if (noted('opendir', path)) isFolder(path) ? open(id, path) : missing(id);
  });
  sftp.on('READDIR', (id, handle) => {
    const open = handles.get(handle.toString());
    if (!open || state.odd.silent === 'list') return;
    if (open.page && !state.odd.endless) return void sftp.status(id, STATUS_CODE.EOF);
    open.page ??= page(open.path === '.' ? '' : `${open.path}/`);
    sftp.name(id, [...open.page]);
  });
  const tell = (id: number, path: string): void => {
    if (noted('stat', path)) state.files.has(path) || isFolder(path) ? sftp.attrs(id, attributes(path)) : missing(id);
  };
  sftp.on('LSTAT', tell);
  sftp.on('STAT', tell);
  sftp.on('OPEN', (id, path, flags) => {
    if (!noted('open', path)) return;
    if (flags & OPEN_MODE.WRITE) state.files.set(path, Buffer.alloc(0));
    state.files.has(path) ? open(id, path) : missing(id);
  });
  sftp.on('READ', (id, handle, offset, length) => {
    const content = state.files.get(handles.get(handle.toString())?.path ?? '');
    if (!content) return void sftp.status(id, STATUS_CODE.FAILURE);
    if (state.odd.drop === 'read' && offset > 0) return void client.end();
    if (state.odd.silent === 'read' && offset > 0) return;
    if (offset >= content.length) sftp.status(id, STATUS_CODE.EOF);
    else if (state.odd.drip) setTimeout(() => sftp.data(id, content.subarray(offset, offset + 1)), 20);
    else sftp.data(id, content.subarray(offset, offset + length));
  });
  sftp.on('WRITE', (id, handle, offset, data) => {
    const path = handles.get(handle.toString())?.path ?? '';
    if (state.odd.drop === 'write') return void client.end();
    writing++;
    setImmediate(() => {
      const content = state.files.get(path) ?? Buffer.alloc(0);
      const whole = Buffer.concat([content, Buffer.alloc(Math.max(0, offset + data.length - content.length))]);
      if (writing === 1 || !state.odd.losesParallelWrites) {
        data.copy(whole, offset);
        state.files.set(path, whole);
      }
      writing--;
      sftp.status(id, STATUS_CODE.OK);
    });
  });
  sftp.on('CLOSE', (id, handle) => {
    if (handles.delete(handle.toString())) state.handles--;
    sftp.status(id, STATUS_CODE.OK);
  });
  sftp.on('RENAME', (id, from, to) => {
    if (!noted('rename', `${from} ${to}`)) return;
    if (state.odd.drop === 'rename') return void client.end();
    const content = state.files.get(from);
    if (!content) return missing(id);
    if (state.files.has(to) && state.odd.renameOver !== 'replaces') {
      return void sftp.status(id, state.odd.renameOver === 'denies' ? STATUS_CODE.PERMISSION_DENIED : STATUS_CODE.FAILURE);
    }
    state.files.delete(from);
    state.files.set(to, content);
    sftp.status(id, STATUS_CODE.OK);
  });
  sftp.on('REMOVE', (id, path) => {
    if (noted('remove', path)) state.files.delete(path) ? sftp.status(id, STATUS_CODE.OK) : missing(id);
  });
  sftp.on('MKDIR', (id, path) => {
    if (!noted('mkdir', path)) return;
    state.files.set(`${path}/.`, Buffer.alloc(0));
    sftp.status(id, STATUS_CODE.OK);
  });
}
