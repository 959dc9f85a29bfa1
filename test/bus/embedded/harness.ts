import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Broker } from '../../../bus/broker.js';
import { EmbeddedBroker } from '../../../bus/embedded/embedded-broker.js';
import type { BrokerHarness, BrokerPlace, Load } from '../../kit/broker/index.js';
import { clock, recorder } from '../../kit/broker/services.js';

export const embedded: BrokerHarness = {
  severalNodes: false,
  knowsWaiting: true,
  backlog: 100_000,
  place: async (): Promise<BrokerPlace> => {
    const root = mkdtempSync(join(tmpdir(), 'signalbox-bus-'));
    let copies = 0;
    const directory = (): string => join(root, String(copies));
    return {
      open: async () => {
        const broker = new EmbeddedBroker({ directory: directory(), clock, log: recorder() });
        await broker.open(new AbortController().signal);
        return broker;
      },
      // The files as they are at this moment are what a killed process leaves behind. A process of its own copies them: opening
      // and closing the file in this one would release the lock of the broker.
      crash: async (broker: Broker) => {
        const from = directory();
        copies++;
        execFileSync('cp', ['-r', from, directory()]);
        await broker.close();
      },
      killUnderLoad: (channel) => killUnderLoad(directory(), channel),
      dispose: async () => rmSync(root, { recursive: true, force: true }),
    };
  },
};

async function killUnderLoad(directory: string, channel: string): Promise<Load> {
  const script = fileURLToPath(new URL('./publisher-process.js', import.meta.url));
  const child = spawn(process.execPath, [script, directory, channel], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    if (text.length > 200_000) child.kill('SIGKILL');
  });
  await once(child, 'close');
  const lines = text.slice(0, text.lastIndexOf('\n')).split('\n');
  const named = (word: string): string[] => lines.filter((line) => line.startsWith(word)).map((line) => line.slice(word.length + 1));
  return { confirmed: named('confirm'), attempted: named('attempt') };
}
