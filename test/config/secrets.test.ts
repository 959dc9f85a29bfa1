import { chmod, chown, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Secret } from '../../adapters/contract/secret.js';
import { readSecret, redactor, type SecretResult } from '../../config/secrets.js';
import { directoryWith } from './support/directory.js';

const VALUE = 'correct horse/battery+staple';
const revealed = (result: SecretResult): string | undefined => ('secret' in result ? result.secret.reveal() : undefined);
const code = (result: SecretResult): string | undefined => ('problem' in result ? result.problem.code : result.warning?.code);

describe('providers', () => {
  test('systemd credentials come first, then files, then the environment with a warning', async () => {
    const root = await directoryWith({ 'credentials/a': 'from systemd\n', 'secrets/a': 'from file', 'secrets/b': 'from file\r\n' });
    const places = {
      credentialsDirectory: join(root, 'credentials'),
      secretsDirectory: join(root, 'secrets'),
      env: { SIGNALBOX_SECRET_A: 'from env', SIGNALBOX_SECRET_C_KEY: 'from env' },
    };
    expect(revealed(await readSecret('a', places))).toBe('from systemd');
    expect(revealed(await readSecret('b', places))).toBe('from file');
    const last = await readSecret('c-key', places);
    expect([revealed(last), code(last)]).toEqual(['from env', 'W100']);
    expect(code(await readSecret('d', places))).toBe('E115');
  });

  test('one trailing newline is stripped, nothing else', async () => {
    const root = await directoryWith({ 'secrets/a': ' spaced \n\n' });
    expect(revealed(await readSecret('a', { credentialsDirectory: undefined, secretsDirectory: join(root, 'secrets'), env: {} }))).toBe(' spaced \n');
  });

  test('unsafe and short ones are refused without printing the value', async () => {
    const root = await directoryWith({ 'secrets/open': VALUE, 'secrets/short': 'abcd\n', 'secrets/plain': VALUE, 'secrets/folder/x': VALUE });
    const secretsDirectory = join(root, 'secrets');
    await chmod(join(secretsDirectory, 'open'), 0o640);
    await symlink(join(secretsDirectory, 'plain'), join(secretsDirectory, 'link'));
    const places = { credentialsDirectory: undefined, secretsDirectory, env: { SIGNALBOX_SECRET_OPEN: VALUE } };
    const results = await Promise.all(['open', 'short', 'link', 'folder'].map((name) => readSecret(name, places)));
    expect(results.map(code)).toEqual(['E116', 'E117', 'E116', 'E116']);
    expect(JSON.stringify(results)).not.toContain('horse');
    await chmod(join(secretsDirectory, 'open'), 0o400);
    expect(revealed(await readSecret('open', places))).toBe(VALUE);
  });

  test('the file of another user is refused', async () => {
    const root = await directoryWith({ other: VALUE });
    // Only root can make a file of another user; for anyone else the file stays their own.
    const isRoot = process.getuid?.() === 0;
    if (isRoot) await chown(join(root, 'other'), 12_345, 12_345);
    expect(code(await readSecret('other', { credentialsDirectory: undefined, secretsDirectory: root, env: {} }))).toBe(isRoot ? 'E116' : undefined);
  });
});

describe('redactor', () => {
  const redact = redactor([new Secret('pw', VALUE), new Secret('key', 'a.b*c$d'), new Secret('quote', 'say "hi"\tnow')]);

  test.each([
    ['plain', VALUE, '[secret:pw]'],
    ['in a URL', `amqp://u:${encodeURIComponent(VALUE)}@h`, 'amqp://u:[secret:pw]@h'],
    ['in a form', `v=${new URLSearchParams({ v: VALUE }).toString().slice(2)}&x`, 'v=[secret:pw]&x'],
    ['with characters of a pattern', 'x a.b*c$d y a-b*c$d', 'x [secret:key] y a-b*c$d'],
    ['in JSON', JSON.stringify({ q: 'say "hi"\tnow' }), '{"q":"[secret:quote]"}'],
  ])('%s', (_, text, expected) => {
    expect(redact(text)).toBe(expected);
  });

  test.each(['', 'u:', 'us:', 'usr:'])('in base64 after "%s"', (lead) => {
    const text = redact(`Basic ${Buffer.from(`${lead}${VALUE}`).toString('base64')}`);
    expect(text).toContain('[secret:pw]');
    expect(Buffer.from(text.replace('[secret:pw]', '').replace('Basic ', ''), 'base64').toString()).not.toMatch(/horse|staple/);
  });

  test('without secrets the text stays as it is', () => {
    expect(redactor([])('text')).toBe('text');
  });
});
