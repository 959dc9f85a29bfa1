import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, newDirectory, type RabbitmqServer, startRabbitmqNode } from './servers.js';

export interface ClusterNode extends RabbitmqServer {
  /** `sb12345@localhost`, as `rabbitmqctl` says it. */
  readonly name: string;
  readonly url: string;
}

/** One queue as its cluster sees it. */
export interface ClusterQueue {
  readonly name: string;
  readonly leader: string;
  readonly members: readonly string[];
  /** Members whose node runs. */
  readonly online: readonly string[];
  readonly messages: number;
}

export interface RabbitmqCluster {
  readonly nodes: readonly ClusterNode[];
  readonly urls: readonly string[];
  /** `rabbitmqctl` on a node that runs. */
  control(...args: readonly string[]): Promise<string>;
  queues(): Promise<readonly ClusterQueue[]>;
  version(): Promise<string>;
  /** @throws when no node has that name */
  node(name: string): ClusterNode;
  stop(): Promise<void>;
}

/**
 * A RabbitMQ cluster of three nodes on this machine: private names, ports, cookie and epmd, data in a folder that is removed. The epmd is a
 * child of this process and not the daemon that the first node would leave behind.
 */
export async function startRabbitmqCluster(size = 3, settings: readonly string[] = []): Promise<RabbitmqCluster> {
  const directory = newDirectory('cluster');
  const home = join(directory, 'home');
  mkdirSync(home);
  writeFileSync(join(home, '.erlang.cookie'), `SIGNALBOX${process.pid}${Date.now()}`, { mode: 0o400 });
  const epmd = await startEpmd();
  const places = await Promise.all(Array.from({ length: size }, async () => ({ port: await freePort(), distribution: await freePort() })));
  const names = places.map(({ port }) => `sb${port}@localhost`);
  const formation = names.map((name, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${name}`);
  const small = ['cluster_formation.peer_discovery_backend = classic_config', ...formation, 'vm_memory_high_watermark.absolute = 1GB', 'net_ticktime = 10', ...settings];
  const start = async (index: number): Promise<ClusterNode> => {
    const { port, distribution } = places[index] ?? { port: 0, distribution: 0 };
    const own = join(directory, `node${index + 1}`);
    mkdirSync(own);
    const server = await startRabbitmqNode({ directory: own, port, distribution, epmd: epmd.port, home, settings: small, plugins: [] });
    return Object.assign(server, { name: names[index] ?? '', url: server.access.url });
  };
  const started: ClusterNode[] = [];
  const stop = async (): Promise<void> => {
    // What is killed cannot hang; nobody needs the data any more.
    await Promise.all(started.map((node) => node.kill()));
    epmd.process.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const results = await Promise.allSettled(places.map((_, index) => start(index).then((node) => started.push(node))));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    started.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name));
  } catch (error) {
    await stop();
    throw error;
  }
  const control = async (...args: readonly string[]): Promise<string> => {
    const alive = started.find(({ process: { exitCode, signalCode } }) => exitCode === null && signalCode === null);
    if (!alive) throw new Error('no node of the cluster runs');
    return alive.control(...args);
  };
  return {
    nodes: started,
    urls: started.map(({ url }) => url),
    control,
    queues: async () => {
      const rows = JSON.parse(await control('list_queues', 'name', 'leader', 'members', 'online', 'messages', '--formatter', 'json', '--silent')) as ClusterQueue[];
      return rows.map((row) => ({ ...row, messages: Number(row.messages) }));
    },
    version: async () => (await control('version', '--silent')).trim(),
    node: (name) => {
      const found = started.find((node) => node.name === name);
      if (!found) throw new Error(`no node ${name}`);
      return found;
    },
    stop,
  };
}

async function startEpmd(): Promise<{ readonly port: number; readonly process: ChildProcess }> {
  const port = await freePort();
  const child = spawn('epmd', ['-port', String(port), '-address', '127.0.0.1'], { stdio: 'ignore' });
  const failed = once(child, 'exit').then(() => {
    throw new Error('epmd ended; run test/services/install.sh as root');
  });
  const up = async (): Promise<void> => {
    while (!(await listens(port))) await sleep(25);
  };
  await Promise.race([up(), failed]);
  failed.catch(() => undefined); // it ends when the cluster does
  child.unref();
  return { port, process: child };
}

function listens(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}
