import { type ChildProcess, execFile, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, closeSync, existsSync, globSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** A private server on a free loopback port, from the Debian packages, in a directory of its own, stopped by its own process id. */
export interface Server<T> {
  readonly access: T;
  /** The server process, for tests that kill it. */
  readonly process: ChildProcess;
  /** Starts it again on the same port and data after it was killed or stopped. */
  restart(): Promise<void>;
  /** SIGKILL to all its processes; then `restart()`. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

const execute = promisify(execFile);
const asRoot = process.getuid?.() === 0;

/** A free port below the ephemeral range, so that no outgoing connection can take it between stop and restart. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const probe = createServer();
    const free = await new Promise<boolean>((done) => {
      probe.once('error', () => done(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => done(true)));
    });
    if (free) return port;
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}

interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly port: number;
  readonly directory: string;
  readonly startMs: number;
  readonly options?: SpawnOptions;
  readonly stopSignal?: NodeJS.Signals;
  /** Rejects while the server listens but takes no clients yet. */
  readonly ready?: () => Promise<unknown>;
  /** After the process has ended and before its directory goes. */
  readonly after?: () => void;
}

async function launch<T>(plan: Launch, access: T): Promise<Server<T>> {
  const log = join(plan.directory, 'log');
  const start = async (): Promise<ChildProcess> => {
    const begin = (): ChildProcess => {
      const out = openSync(log, 'a');
      const begun = spawn(plan.command, [...plan.args], { stdio: ['ignore', out, out], ...plan.options });
      closeSync(out);
      begun.unref();
      return begun;
    };
    let child = begin();
    const deadline = Date.now() + plan.startMs;
    const isUp = async (): Promise<boolean> =>
      (await answers(plan.port)) &&
      (plan.ready?.() ?? Promise.resolve()).then(
        () => true,
        () => false,
      );
    while (!(await isUp())) {
      // Processes of a PostgreSQL that was killed end a little later than it.
      const isEarly = child.exitCode !== null && readFileSync(log, 'utf8').slice(-400).includes('pre-existing shared memory block');
      if ((child.exitCode !== null && !isEarly) || Date.now() > deadline) throw new Error(`${plan.command} did not come up:\n${readFileSync(log, 'utf8').slice(-2000)}`);
      await sleep(25);
      if (isEarly) child = begin();
    }
    return child;
  };
  let child = await start();
  const end = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(plan.stopSignal ?? 'SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await once(child, 'exit');
    clearTimeout(late);
  };
  return {
    access,
    get process() {
      return child;
    },
    async restart() {
      await end();
      child = await start();
    },
    async kill() {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.ref();
      process.kill(plan.options?.detached ? -child.pid : child.pid, 'SIGKILL');
      await gone;
      while (await answers(plan.port)) await sleep(25);
    },
    async stop() {
      await end();
      plan.after?.();
      rmSync(plan.directory, { recursive: true, force: true });
    },
  };
}

export function newDirectory(name: string): string {
  return mkdtempSync(join(tmpdir(), `signalbox-${name}-`));
}

/** PostgreSQL and MariaDB refuse to run as root: as root they run as the user their package made. */
function asUser(name: string, directory: string): SpawnOptions {
  if (!asRoot) return {};
  const [uid, gid] = [Number(execFileSync('id', ['-u', name])), Number(execFileSync('id', ['-g', name]))];
  chownSync(directory, uid, gid);
  return { uid, gid, cwd: directory };
}

function need(found: string | undefined, what: string): string {
  if (!found || !existsSync(found)) throw new Error(`${what} is not installed; run test/services/install.sh as root`);
  return found;
}

export interface SshdAccess {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly privateKey: string;
  /** SHA-256 fingerprint of the host key: `SHA256:…`. */
  readonly hostKey: string;
  /** Local path of the folder a session starts in. */
  readonly directory: string;
}

export async function startSshd(): Promise<Server<SshdAccess>> {
  const command = need('/usr/sbin/sshd', 'openssh-server');
  const directory = newDirectory('sshd');
  const port = await freePort();
  for (const key of ['host', 'client']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, key)]);
  const files = join(directory, 'files');
  mkdirSync(files);
  if (asRoot) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const config = join(directory, 'config');
  writeFileSync(
    config,
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${directory}/host`,
      `PidFile ${directory}/pid`,
      `AuthorizedKeysFile ${directory}/client.pub`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'Subsystem sftp internal-sftp',
      `ForceCommand internal-sftp -d ${files}`,
      'MaxStartups 100',
      '',
    ].join('\n'),
  );
  const fingerprint = execFileSync('ssh-keygen', ['-lf', join(directory, 'host.pub')], { encoding: 'utf8' }).split(' ')[1] ?? '';
  const access = {
    host: '127.0.0.1',
    port,
    username: userInfo().username,
    privateKey: readFileSync(join(directory, 'client'), 'utf8'),
    hostKey: fingerprint,
    directory: files,
  };
  return launch({ command, args: ['-D', '-e', '-f', config], port, directory, startMs: 10_000 }, access);
}

export interface FtpAccess {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** PEM file of the certificate, which signed itself. */
  readonly ca: string;
  /** Local path of the folder a login starts in. */
  readonly directory: string;
}

/** vsftpd: LIST only, no MLSD, few words. With TLS it demands that transfers resume the session of the commands. */
export async function startVsftpd(tls: 'explicit' | 'implicit' | 'off', settings: readonly string[] = []): Promise<Server<FtpAccess>> {
  const command = need('/usr/sbin/vsftpd', 'vsftpd');
  const directory = newDirectory('vsftpd');
  const port = await freePort();
  const password = 'test-password';
  const [files, config, ca] = [join(directory, 'files'), join(directory, 'config'), join(directory, 'certificate.pem')];
  mkdirSync(files);
  writeFileSync(join(directory, 'passwords'), `${password}\n`);
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '30',
      '-subj',
      '/CN=ftp.test',
      '-addext',
      'subjectAltName=IP:127.0.0.1,DNS:localhost',
      '-keyout',
      join(directory, 'key.pem'),
      '-out',
      ca,
    ],
    { stdio: 'ignore' },
  );
  const secured = [
    'ssl_enable=YES',
    'allow_anon_ssl=YES',
    'force_anon_logins_ssl=YES',
    'force_anon_data_ssl=YES',
    'require_ssl_reuse=YES',
    'ssl_ciphers=HIGH',
    `implicit_ssl=${tls === 'implicit' ? 'YES' : 'NO'}`,
    `rsa_cert_file=${ca}`,
    `rsa_private_key_file=${directory}/key.pem`,
  ];
  writeFileSync(
    config,
    [
      'listen=YES',
      'listen_address=127.0.0.1',
      `listen_port=${port}`,
      'background=NO',
      'run_as_launching_user=YES',
      'anonymous_enable=YES',
      'local_enable=NO',
      // The only password that the one account without a line in /etc/passwd takes.
      'secure_email_list_enable=YES',
      `email_password_file=${directory}/passwords`,
      `anon_root=${files}`,
      'write_enable=YES',
      'anon_upload_enable=YES',
      'anon_mkdir_write_enable=YES',
      'anon_other_write_enable=YES',
      'anon_world_readable_only=NO',
      'anon_umask=022',
      'pasv_address=127.0.0.1',
      'seccomp_sandbox=NO',
      'delay_failed_login=0',
      `vsftpd_log_file=${directory}/vsftpd.log`,
      'dual_log_enable=NO',
      'xferlog_enable=NO',
      ...(tls === 'off' ? [] : secured),
      ...settings,
      '',
    ].join('\n'),
  );
  // It refuses a configuration that is not its own user's.
  return launch({ command, args: [config], port, directory, startMs: 10_000 }, { host: '127.0.0.1', port, user: 'anonymous', password, ca, directory: files });
}

export interface RabbitmqServer extends Server<{ readonly url: string }> {
  /** `rabbitmqctl` on this node. */
  control(...args: readonly string[]): Promise<string>;
}

interface RabbitmqPlan {
  readonly directory: string;
  readonly port: number;
  readonly distribution: number;
  readonly epmd: number;
  /** Where the cookie is; nodes of one cluster share it. */
  readonly home: string;
  readonly settings: readonly string[];
  readonly plugins: readonly string[];
  readonly after?: () => void;
}

/** @param settings more lines of rabbitmq.conf */
export async function startRabbitmq(settings: readonly string[] = [], plugins: readonly string[] = []): Promise<RabbitmqServer> {
  const directory = newDirectory('rabbitmq');
  const [port, distribution, epmd] = [await freePort(), await freePort(), await freePort()];
  const after = (): void => {
    execFileSync('epmd', ['-port', String(epmd), '-kill'], { env: { ...process.env, ERL_EPMD_ADDRESS: '127.0.0.1' }, stdio: 'ignore' });
  };
  return startRabbitmqNode({ directory, port, distribution, epmd, home: join(directory, 'home'), settings, plugins, after });
}

/** One node; its name is `sb<port>@localhost`. Starts an epmd unless one listens on that port. */
export async function startRabbitmqNode({ directory, port, distribution, epmd, home, settings, plugins, after }: RabbitmqPlan): Promise<RabbitmqServer> {
  const command = need(globSync('/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server')[0], 'rabbitmq-server');
  mkdirSync(home, { recursive: true });
  writeFileSync(join(directory, 'plugins'), `[${plugins.join(',')}].`);
  writeFileSync(join(directory, 'rabbitmq.conf'), `${['log.console = false', 'disk_free_limit.absolute = 50MB', ...settings, `listeners.tcp.1 = 127.0.0.1:${port}`].join('\n')}\n`);
  const env = {
    ...process.env,
    NODE_OPTIONS: '',
    HOME: home,
    LANG: 'C.UTF-8',
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(epmd),
    RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq'),
    RABBITMQ_DIST_PORT: String(distribution),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'plugins'),
    RABBITMQ_LOG_BASE: join(directory, 'log.d'),
    RABBITMQ_MNESIA_BASE: join(directory, 'mnesia'),
    RABBITMQ_NODENAME: `sb${port}@localhost`,
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 1 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}',
  };
  // The Erlang VM is a child of the start script: a process group of its own makes a kill reach both.
  const plan = { command, args: [], port, directory, startMs: 90_000, options: { env, detached: true }, ...(after ? { after } : {}) };
  const server = await launch(plan, { url: `amqp://guest:guest@127.0.0.1:${port}/` });
  const control = async (...args: readonly string[]): Promise<string> => (await execute(join(dirname(command), 'rabbitmqctl'), [...args], { env })).stdout;
  return Object.assign(server, { control });
}

export interface DatabaseAccess {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** `settings`: for a server of one's own, as `wal_level=logical`. */
export async function startPostgres(settings: readonly string[] = []): Promise<Server<DatabaseAccess>> {
  const bin = need(globSync('/usr/lib/postgresql/*/bin').sort().at(-1), 'postgresql');
  const directory = newDirectory('postgres');
  const port = await freePort();
  const options = asUser('postgres', directory);
  const data = join(directory, 'data');
  const password = 'test-password';
  writeFileSync(join(directory, 'password'), `${password}\n`, { mode: 0o644 });
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'signalbox', '-A', 'scram-sha-256', '--pwfile', join(directory, 'password'), '-E', 'UTF8', '--locale', 'C.UTF-8'], {
    ...options,
    stdio: 'ignore',
  });
  const args = [
    '-D',
    data,
    '-p',
    String(port),
    '-k',
    directory,
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    'max_connections=200',
    '-c',
    'max_wal_size=256MB',
    ...settings.flatMap((setting) => ['-c', setting]),
  ];
  return launch(
    {
      command: join(bin, 'postgres'),
      args,
      port,
      directory,
      startMs: 20_000,
      options,
      stopSignal: 'SIGINT',
      ready: () => execute(join(bin, 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port)]),
    },
    { host: '127.0.0.1', port, user: 'signalbox', password, database: 'postgres' },
  );
}

export async function startMariadb(): Promise<Server<DatabaseAccess>> {
  const command = need('/usr/sbin/mariadbd', 'mariadb-server');
  const directory = newDirectory('mariadb');
  const port = await freePort();
  const options = asUser('mysql', directory);
  const data = join(directory, 'data');
  execFileSync('mariadb-install-db', ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db'], { ...options, stdio: 'ignore' });
  const init = join(directory, 'init.sql');
  writeFileSync(init, "CREATE DATABASE IF NOT EXISTS signalbox CHARACTER SET utf8mb4;\nGRANT ALL ON *.* TO 'signalbox'@'%' IDENTIFIED BY 'test-password' WITH GRANT OPTION;\n", {
    mode: 0o644,
  });
  const args = [
    '--no-defaults',
    `--datadir=${data}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    `--socket=${directory}/socket`,
    `--init-file=${init}`,
    '--skip-log-bin',
    '--skip-name-resolve',
    '--innodb-buffer-pool-size=64M',
  ];
  return launch({ command, args, port, directory, startMs: 20_000, options }, { host: '127.0.0.1', port, user: 'signalbox', password: 'test-password', database: 'signalbox' });
}
