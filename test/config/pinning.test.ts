import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { withConnectOption, writtenSystems } from '../../config/pinning.js';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'signalbox-pinning-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function pinned(text: string): Promise<string | undefined> {
  writeFileSync(join(directory, 'systems.yaml'), text);
  const system = (await writtenSystems(directory)).get('erp');
  if (!system) throw new Error('no system erp');
  return withConnectOption(system, 'erp', 'host_key', 'SHA256:new');
}

test('a missing option gets a line of its own; comments and everything else stay', async () => {
  const text =
    '# ours\nsystems:\n  erp: # the old one\n    adapter: sftp\n    connect:\n      # by the load balancer\n      host: erp.corp.local # not erp2\n      port: 2222\n    read: {}\n';
  expect(await pinned(text)).toBe(text.replace('host: erp', 'host_key: "SHA256:new"\n      host: erp'));
});

test('an option that is there is replaced, whatever its form', async () => {
  const block = (value: string): string => `systems:\n  erp:\n    adapter: sftp\n    connect:\n      host_key:${value}\n      host: h\n`;
  expect(await pinned(block(' SHA256:old # since 2024'))).toBe(block(' "SHA256:new" # since 2024'));
  expect(await pinned(block(' "SHA256:old"'))).toBe(block(' "SHA256:new"'));
  expect(await pinned(block(' [SHA256:a, SHA256:b]'))).toBe(block(' "SHA256:new"'));
  expect(await pinned(block('\n        - SHA256:a\n        - SHA256:b'))).toBe(block('\n        "SHA256:new"'));
  expect(await pinned(block(''))).toBe(block(' "SHA256:new"'));
});

test('on one line too; CRLF stays CRLF', async () => {
  expect(await pinned('systems: { erp: { adapter: sftp, connect: { host: h } } }\n')).toBe('systems: { erp: { adapter: sftp, connect: { host_key: "SHA256:new", host: h } } }\n');
  expect(await pinned('systems:\r\n  erp:\r\n    connect:\r\n      host: h\r\n')).toBe('systems:\r\n  erp:\r\n    connect:\r\n      host_key: "SHA256:new"\r\n      host: h\r\n');
});

test('a file that is not understood is not changed', async () => {
  expect(await pinned('systems:\n  erp:\n    connect:\n      host: h\n  broken: [\n')).toBeUndefined();
});

test('systems of all files are found, with what is written and not checked', async () => {
  writeFileSync(join(directory, 'a.yaml'), 'systems:\n  one: { adapter: sftp, connect: { host: h, port: 2222, user: "${secret:x}" } }\n');
  writeFileSync(join(directory, 'b.yaml'), 'systems:\n  two: { adapter: file }\nroutes: {}\n');
  const systems = await writtenSystems(directory);
  expect([...systems.keys()]).toEqual(['one']);
  expect(systems.get('one')).toMatchObject({ file: 'a.yaml', adapter: 'sftp', connect: { host: 'h', port: 2222 } });
});
