import { describe, expect, test } from '@jest/globals';
import { load, places } from './support/directory.js';

describe('the bus', () => {
  test('a cluster with its authority and our certificate, files below the configuration', async () => {
    const text = 'bus:\n  urls: ["amqps://mq1:5671/sb", "amqps://mq2:5671/sb"]\n  tls: {ca: tls/ca.pem, cert: /etc/sb.pem, key: /etc/sb.key, servername: mq}\n';
    const { configuration, diagnostics } = await load({ 'a.yaml': text });
    expect(diagnostics).toEqual([]);
    expect(configuration?.settings.bus).toEqual({
      kind: 'rabbitmq',
      urls: ['amqps://mq1:5671/sb', 'amqps://mq2:5671/sb'],
      prefix: 'signalbox',
      tls: { caFile: expect.stringMatching(/^\/.*\/tls\/ca\.pem$/), certFile: '/etc/sb.pem', keyFile: '/etc/sb.key', servername: 'mq' },
    });
  });

  test('a certificate without its key, and TLS for a connection that has none, are told', async () => {
    const wrong = await load({ 'a.yaml': 'bus: {urls: ["amqps://mq1"], tls: {cert: sb.pem}}\n' });
    expect(wrong.configuration).toBeUndefined();
    expect(wrong.text).toContain('expected `cert` and `key` together');
    const plain = await load({ 'a.yaml': 'bus: {urls: ["amqp://mq1"], tls: {ca: ca.pem}}\n' });
    expect(places(plain).map((place) => place.slice(0, 4))).toEqual(['E118']);
    expect(plain.text).toContain('amqps://');
  });
});
