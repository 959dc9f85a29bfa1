// An FTP server that misbehaves on demand. Its files are in memory; paths are absolute, folders are those of its files.

import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { posix } from 'node:path';

export interface Oddities {
  /** Announces and knows MLSD and MLST; else there is LIST only. */
  mlst?: boolean;
  /** `-a` is the name of a file to it. */
  noDashA?: boolean;
  /** Its LIST is in the form of DOS, or in none that is known. */
  listing?: 'dos' | 'none';
  /** Lines it adds to each MLSD. */
  lines?: readonly string[];
  /** Commands it does not know: 502. */
  without?: readonly string[];
  /** Where it stops answering, connections staying open. */
  silent?: 'greeting' | 'command' | 'transfer';
  /** Cuts data connection, or both, in the middle of a transfer. */
  drop?: 'data' | 'control';
  /** Says 226 all the same after it has cut a transfer. */
  claimsSuccess?: boolean;
  drip?: boolean;
  /** Added to each size it tells. */
  lie?: number;
  /** Most connections; the next is told 421. */
  connections?: number;
  renameOver?: 'replaces' | 'denies';
  endless?: boolean;
  /** The address its PASV names. */
  passive?: string;
  latin1?: boolean;
}

export interface OddServer {
  readonly port: number;
  readonly files: Map<string, Buffer>;
  odd: Oddities;
  readonly commands: string[];
  readonly connections: number;
  readonly peak: number;
  /** Cuts all connections. */
  cut(): void;
  close(): Promise<void>;
}

type State = { -readonly [K in 'files' | 'odd' | 'commands' | 'connections' | 'peak']: OddServer[K] };

export async function startOddServer(odd: Oddities = {}): Promise<OddServer> {
  const state: State = { files: new Map<string, Buffer>(), odd, commands: [], connections: 0, peak: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    state.connections++;
    state.peak = Math.max(state.peak, state.connections);
    socket.on('error', () => undefined); // clients that go away in the middle are what the tests are about
    socket.once('close', () => {
      state.connections--;
      sockets.delete(socket);
    });
    if (state.odd.connections !== undefined && state.connections > state.odd.connections) socket.resume().end('421 There are too many connections\r\n');
    else if (state.odd.silent !== 'greeting') new Session(socket, state).start();
  });
  const port = await listening(server);
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return Object.assign(state, {
    port,
    cut,
    close: async () => {
      cut();
      await new Promise<void>((done) => server.close(() => done()));
    },
  });
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

class Session {
  private data: Promise<Socket> | undefined;
  private folder = '/';
  private from = '';
  private offset = 0;
  private text = '';

  constructor(
    private readonly socket: Socket,
    private readonly state: State,
  ) {}

  start(): void {
    this.socket.setNoDelay(true);
    this.socket.setMaxListeners(0);
    this.socket.setEncoding(this.encoding);
    this.say('220 odd');
    this.socket.on('data', (text: string) => {
      this.text += text;
      for (let end = this.text.indexOf('\r\n'); end >= 0; end = this.text.indexOf('\r\n')) {
        const line = this.text.slice(0, end);
        this.text = this.text.slice(end + 2);
        void this.command(line);
      }
    });
  }

  private get encoding(): 'latin1' | 'utf8' {
    return this.state.odd.latin1 ? 'latin1' : 'utf8';
  }

  private say(line: string): void {
    if (!this.socket.destroyed) this.socket.write(`${line}\r\n`, this.encoding);
  }

  private async command(line: string): Promise<void> {
    const { odd, files } = this.state;
    const [, verb = '', rest = ''] = /^(\S+) ?(.*)$/.exec(line) ?? [];
    this.state.commands.push(line.replace(/^PASS .*/, 'PASS'));
    if (odd.silent === 'command' && !['USER', 'PASS', 'OPTS', 'FEAT', 'TYPE', 'STRU', 'PWD', 'NOOP'].includes(verb)) return;
    if (odd.without?.includes(verb)) return this.say(`502 ${verb} not implemented`);
    const path = posix.resolve(this.folder, rest);
    switch (verb) {
      case 'USER':
        return this.say('331 password');
      case 'PASS':
        return this.say(rest === 'good' ? '230 in' : '530 Login incorrect.');
      case 'FEAT':
        return this.say(`211-Features:\r\n SIZE\r\n REST STREAM${odd.mlst ? '\r\n MLST type*;size*;modify*;' : ''}\r\n211 End`);
      case 'PWD':
        return this.say('257 "/" is the folder');
      case 'CWD':
        if (!this.isFolder(path)) return this.say('550 No such folder');
        this.folder = path;
        return this.say('250 ok');
      case 'EPSV':
        return this.say('500 EPSV not understood');
      case 'PASV':
        return this.passive();
      case 'LIST':
        return this.send(rest === '-a' && odd.noDashA ? '' : this.list(this.folder));
      case 'MLSD':
        return this.isFolder(path) ? this.send(this.mlsd(path)) : this.say('550 No such folder');
      case 'MLST': {
        const facts = this.isFolder(path) ? 'type=dir' : files.has(path) ? this.facts(path) : undefined;
        return this.say(facts === undefined ? '550 No such file' : `250-Listing\r\n ${facts}; ${path}\r\n250 End`);
      }
      case 'SIZE':
        return this.say(files.has(path) ? `213 ${this.sizeOf(path)}` : '550 Could not get file size.');
      case 'REST':
        this.offset = Number(rest);
        return this.say('350 ready');
      case 'RETR': {
        const content = files.get(path);
        const { offset } = this;
        this.offset = 0;
        return content ? this.send(content.subarray(offset)) : this.say('550 Failed to open file.');
      }
      case 'STOR':
        return this.receive(path);
      case 'RNFR':
        this.from = path;
        return this.say(files.has(path) ? '350 ready' : '550 RNFR command failed.');
      case 'RNTO': {
        const content = files.get(this.from);
        if (!content || !this.isFolder(posix.dirname(path)) || (files.has(path) && odd.renameOver !== 'replaces')) return this.say('550 Rename failed.');
        files.delete(this.from);
        files.set(path, content);
        return this.say('250 ok');
      }
      case 'DELE':
        return this.say(files.delete(path) ? '250 ok' : '550 Delete operation failed.');
      case 'MKD':
        files.set(`${path}/.`, Buffer.alloc(0));
        return this.say('257 made');
      case 'AUTH':
        return this.say('502 no TLS here');
      case 'QUIT':
        this.socket.end('221 bye\r\n');
        return;
      default:
        return this.say('200 ok');
    }
  }

  private isFolder(path: string): boolean {
    return path === '/' || [...this.state.files.keys()].some((each) => each.startsWith(`${path}/`));
  }

  private sizeOf(path: string): number {
    return Math.max(0, (this.state.files.get(path)?.length ?? 0) + (this.state.odd.lie ?? 0));
  }

  private facts(path: string): string {
    return `type=file;size=${this.sizeOf(path)};modify=20260301080000`;
  }

  private names(folder: string): readonly string[] {
    const base = folder === '/' ? '/' : `${folder}/`;
    const below = [...this.state.files.keys()].filter((path) => path.startsWith(base)).map((path) => path.slice(base.length));
    return [...new Set(below.map((path) => path.split('/')[0] ?? ''))].filter((name) => name !== '.');
  }

  private mlsd(folder: string): string {
    const lines = this.names(folder).map((name) => `${this.state.files.has(posix.join(folder, name)) ? this.facts(posix.join(folder, name)) : 'type=dir'}; ${name}`);
    return ['type=cdir; .', 'type=pdir; ..', ...(this.state.odd.lines ?? []), ...lines, ''].join('\r\n');
  }

  private list(folder: string): string {
    const { listing } = this.state.odd;
    const lines = this.names(folder).map((name) => {
      const [isFolder, size] = [!this.state.files.has(posix.join(folder, name)), this.sizeOf(posix.join(folder, name))];
      if (listing === 'dos') return `03-01-26  08:00AM ${isFolder ? '      <DIR>         ' : String(size).padStart(20)} ${name}`;
      if (listing === 'none') return `FILE=${name} ;; BYTES=${size}`;
      return `${isFolder ? 'd' : '-'}rw-r--r--    1 ftp      ftp  ${String(size).padStart(12)} Mar 01 08:00 ${name}`;
    });
    return lines.map((line) => `${line}\r\n`).join('');
  }

  private async passive(): Promise<void> {
    const server = createServer();
    const port = await listening(server);
    this.data = new Promise((resolve) => {
      server.once('connection', (socket) => {
        socket.on('error', () => undefined);
        server.close();
        resolve(socket);
      });
    });
    this.socket.once('close', () => server.close());
    this.say(`227 Entering Passive Mode (${(this.state.odd.passive ?? '127.0.0.1').replaceAll('.', ',')},${port >> 8},${port & 255}).`);
  }

  private async send(content: string | Uint8Array): Promise<void> {
    const { odd } = this.state;
    const data = await this.data;
    if (!data) return this.say('425 no data connection');
    this.say('150 here it comes');
    const bytes = typeof content === 'string' ? Buffer.from(content, this.encoding) : content;
    if (odd.silent === 'transfer') {
      data.write(bytes.subarray(0, 1_000));
      return;
    }
    const closed = closedOf(data);
    data.resume(); // a socket nobody reads does not notice its end
    if (odd.drip) await drip(data, bytes);
    else if (odd.endless) {
      while (!data.destroyed) if (!data.write(bytes)) await Promise.race([new Promise((done) => data.once('drain', done)), closed]);
      return this.say('426 aborted');
    } else if (odd.drop && bytes.length > 1_000) {
      data.write(bytes.subarray(0, 1_000), () => {
        if (odd.drop === 'control') this.socket.destroy();
        if (odd.claimsSuccess) data.end();
        else data.resetAndDestroy();
      });
      await closed;
      return this.say(odd.claimsSuccess ? '226 done' : '426 aborted');
    } else data.write(bytes);
    data.end();
    await closed;
    this.say('226 done');
  }

  private async receive(path: string): Promise<void> {
    const { odd, files } = this.state;
    const data = await this.data;
    if (!data || !this.isFolder(posix.dirname(path))) {
      data?.destroy();
      return this.say('553 Could not create file.');
    }
    this.say('150 go on');
    if (odd.silent === 'transfer') return;
    const parts: Buffer[] = [];
    data.on('data', (part: Buffer) => {
      parts.push(part);
      if (!odd.drop) return;
      if (odd.drop === 'control') this.socket.destroy();
      data.resetAndDestroy();
    });
    await closedOf(data);
    files.set(path, Buffer.concat(parts));
    this.say(odd.drop ? '426 aborted' : '226 done');
  }
}

function closedOf(socket: Socket): Promise<unknown> {
  return new Promise((done) => socket.once('close', done));
}

async function drip(data: Socket, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length && !data.destroyed; at++) {
    data.write(bytes.subarray(at, at + 1));
    await new Promise((done) => setTimeout(done, 20));
  }
}
