import { describe, expect, test } from '@jest/globals';
import { load, places } from './support/directory.js';

const STORE = (rest: string): string => `store:\n  directory: state\n  postgres: {host: db1, database: sb, user: me, password: "\${secret:store}"${rest}}\n`;
const SECRETS = { 'secrets/store': 'hunter22' };

describe('the store of several nodes', () => {
  test('is reached as it is written, verified when nothing is said', async () => {
    const { configuration, diagnostics } = await load({ 'a.yaml': STORE(''), ...SECRETS });
    expect(diagnostics).toEqual([]);
    const store = configuration?.settings.store;
    expect(store).toMatchObject({ kind: 'postgres', hosts: ['db1'], port: 5432, database: 'sb', user: 'me', schema: 'signalbox', tls: {}, connections: 8 });
    expect(store?.kind === 'postgres' && store.password.reveal()).toBe('hunter22');
    expect(configuration?.settings.stateDirectory).toMatch(/\/state$/);
    expect(configuration?.secrets.map(({ name }) => name)).toEqual(['store']);
    expect(JSON.stringify(configuration?.settings)).not.toContain('hunter22');
  });

  test('members, port, schema and authority', async () => {
    const text = STORE(', port: "${PGPORT}", schema: bus, tls: {ca: tls/ca.pem, servername: db}').replace('db1', '[db1, db2]');
    const { configuration, diagnostics } = await load({ 'a.yaml': text, ...SECRETS }, { env: { PGPORT: '6432' } });
    expect(diagnostics).toEqual([]);
    expect(configuration?.settings.store).toMatchObject({
      hosts: ['db1', 'db2'],
      port: 6432,
      schema: 'bus',
      tls: { caFile: expect.stringMatching(/^\/.*\/tls\/ca\.pem$/), servername: 'db' },
    });
    expect((await load({ 'a.yaml': STORE(', tls: "off"'), ...SECRETS })).configuration?.settings.store).toMatchObject({ tls: 'off' });
  });

  test('without it: SQLite', async () => {
    for (const text of ['version: 1\n', 'store: sqlite\n', 'store: {directory: x}\n'])
      expect((await load({ 'a.yaml': text })).configuration?.settings.store).toEqual({ kind: 'sqlite' });
  });

  test('mistakes are told where they are, and never show the password', async () => {
    const wrong = await load({ 'a.yaml': STORE(', schema: "My Schema", prot: 1').replace('${secret:store}', 'hunter22') });
    expect(places(wrong).map((place) => place.slice(0, 4))).toEqual(expect.arrayContaining(['E113', 'E104']));
    expect(wrong.text).toContain('expected a lower-case name');
    expect(wrong.text).not.toContain('hunter22');
    expect((await load({ 'a.yaml': 'store: {directory: "${secret:store}"}\n', ...SECRETS })).configuration).toBeUndefined();
  });
});
