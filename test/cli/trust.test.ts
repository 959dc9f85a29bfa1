import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { services } from '../services/services.js';
import { signalbox } from './harness.js';

const WRONG = `SHA256:${'A'.repeat(43)}`;
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-trust-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const run = (...args: readonly string[]) => signalbox(['systems', 'trust', ...args, '-c', directory]);
const written = (): string => readFileSync(join(directory, 'systems.yaml'), 'utf8');
async function configure(option: string): Promise<string> {
  const { host, port, hostKey } = await services.sshd();
  writeFileSync(
    join(directory, 'systems.yaml'),
    `systems:\n  erp:\n    adapter: sftp\n    connect:\n${option}      host: ${host} # behind the firewall\n      port: ${port}\n      user: u\n  drop: { adapter: file, connect: { root: /tmp } }\n`,
  );
  return hostKey;
}

test('a system without a host key: shows what the server has, says how to verify it, changes nothing', async () => {
  const hostKey = await configure('');
  const before = written();
  const { code, out, err } = await run('erp');
  expect(code).toBe(1);
  expect(out).toMatch(new RegExp(`ssh-ed25519 +${hostKey.replaceAll('+', '\\+')} +no`));
  expect(err).toContain('ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub');
  expect(err).toContain('signalbox systems trust erp --write');
  expect(written()).toBe(before);
});

test('with --write the fingerprint is in the file, the comments are still there, and the next look is content', async () => {
  const hostKey = await configure('');
  expect((await run('erp', '--write')).code).toBe(2); // nobody to ask
  const { code, err } = await run('erp', '--write', '--yes');
  expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining('host_key of erp is') });
  expect(written()).toContain(`      host_key: "${hostKey}"\n      host: 127.0.0.1 # behind the firewall\n`);
  expect(readdirSync(directory)).toEqual(['systems.yaml']);
  const again = await run('erp', '-o', 'json');
  expect(again.code).toBe(0);
  expect(JSON.parse(again.out)).toEqual([{ kind: 'ssh-ed25519', fingerprint: hostKey, option: 'host_key', pinned: true }]);
});

test('a key that is not the pinned one is a warning with both, and is replaced only on request', async () => {
  const hostKey = await configure(`      host_key: "${WRONG}"\n`);
  const { code, out, err } = await run('erp');
  expect(code).toBe(1);
  expect(err).toContain('WARNING');
  expect(err).toContain(WRONG);
  expect(out).toContain(hostKey);
  expect((await run('erp', '--write', '--yes')).code).toBe(0);
  expect(written()).toContain(`host_key: "${hostKey}"`);
  expect(written()).not.toContain(WRONG);
});

test('systems that are not there, have nothing to pin, or do not answer', async () => {
  await configure('');
  expect((await run('erq')).err).toContain('did you mean `erp`?');
  expect((await run('drop')).err).toContain('error[E481]');
  writeFileSync(join(directory, 'systems.yaml'), 'systems:\n  erp: { adapter: sftp, connect: { host: 127.0.0.1, port: 1 } }\n');
  expect((await run('erp')).err).toContain('error[E400]');
});
