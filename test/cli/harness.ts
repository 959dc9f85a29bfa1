import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAdminServer } from '../../console/server/server.js';
import { type FakeService, fakeService } from '../console/fake-service.js';
import { silentLog } from '../console/silent-log.js';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const NODE = join(ROOT, 'node_modules', '.bin', 'node');
const MAIN = join(ROOT, 'dist', 'cli', 'main.js');

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the real command line as a child process. */
export function signalbox(args: readonly string[], options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {}): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], TZ: 'UTC', ...options.env };
    const child = spawn(NODE, [MAIN, ...args], { env, cwd: options.cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
}

export interface Instance {
  readonly service: FakeService;
  readonly directory: string;
  /** Runs a command against this instance. */
  run(...args: readonly string[]): Promise<Ran>;
  close(): Promise<void>;
}

/** A fake service behind the real admin server, in a directory of its own. */
export async function startInstance(): Promise<Instance> {
  const directory = mkdtempSync(join(tmpdir(), 'signalbox-cli-'));
  const socketPath = join(directory, '.signalbox', 'signalbox.sock');
  const service = fakeService();
  const server = createAdminServer(service, { socketPath, log: silentLog() });
  await server.listen();
  return {
    service,
    directory,
    run: (...args) => signalbox(['--socket', socketPath, ...args], { cwd: directory }),
    async close() {
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** What no terminal may get from us: control characters except line ends, and characters that reorder or hide text. */
export const DANGEROUS = /[^\P{Cc}\n]|\p{Cf}|[\u2028\u2029]/u;
