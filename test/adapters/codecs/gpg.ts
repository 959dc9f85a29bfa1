// The real gpg, with a folder and an agent of its own.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '../../../adapters/contract/index.js';

export interface GpgKeys {
  readonly private: Secret;
  readonly public: string;
}

export class Gpg {
  /** Only this one is removed. */
  readonly home = mkdtempSync(join(tmpdir(), 'signalbox-gpg-'));

  constructor() {
    // What a passphrase costs to try is not what is tested.
    writeFileSync(join(this.home, 'gpg-agent.conf'), 's2k-count 1024\n');
  }

  readonly run = (options: readonly string[], input: string | Uint8Array = ''): Buffer => {
    const quiet = ['--homedir', this.home, '--batch', '--yes', '--quiet', '--no-tty', '--trust-model', 'always', '--pinentry-mode', 'loopback', '--passphrase', 'pw'];
    return execFileSync('gpg', [...quiet, ...options], { input, stdio: ['pipe', 'pipe', 'pipe'], maxBuffer: 64 * 1024 * 1024 });
  };

  /** Makes `name@example.com`. @param how what follows the address in --quick-generate-key, after options */
  key(name: string, how: readonly string[] = ['future-default', 'default', 'never'], options: readonly string[] = []): GpgKeys {
    const address = `${name}@example.com`;
    this.run([...options, '--quick-generate-key', address, ...how]);
    return this.keys(name);
  }

  keys(name: string): GpgKeys {
    const address = `${name}@example.com`;
    return { private: new Secret(name, this.run(['--armor', '--export-secret-keys', address]).toString()), public: this.run(['--armor', '--export', address]).toString() };
  }

  close(): void {
    execFileSync('gpgconf', ['--homedir', this.home, '--kill', 'gpg-agent']);
    rmSync(this.home, { recursive: true, force: true });
  }
}

export const unlock = (keys: GpgKeys, passphrase = 'pw') => ({ key: keys.private, passphrase: new Secret('pw', passphrase) });
