import { describe, expect, test } from '@jest/globals';
import { codes } from '../../bus/codes/index.js';
import { describe as describeError, failureOf, InvalidMessage, kindOf, Misconfigured, NotConnected, TryAgain } from '../../bus/errors.js';
import { nearest } from '../../bus/finding.js';

describe('failures', () => {
  test('are recognised by their symbol, also from another copy of the package', () => {
    const foreign = Object.assign(new Error('busy'), { code: 'E400', [Symbol.for('signalbox.failure')]: 'try-again' });
    const failure = failureOf(foreign);
    expect(failure && kindOf(failure)).toBe('try-again');
    expect(failureOf(new Error('a bug'))).toBeUndefined();
    expect(failureOf(null)).toBeUndefined();
  });

  test('say what happens next', () => {
    expect([new NotConnected('E400', 'x'), new TryAgain('E400', 'x'), new InvalidMessage('E300', 'x'), new Misconfigured('E400', 'x')].map(kindOf)).toEqual([
      'not-connected',
      'try-again',
      'invalid-message',
      'misconfigured',
    ]);
  });

  test('carry the hint of their code', () => {
    expect(new NotConnected('E400', 'refused').hint).toBe(codes.E400.fix);
  });

  test('are described with their causes, each text once', () => {
    const root = new Error('connect ECONNREFUSED');
    expect(describeError(new NotConnected('E400', 'opening legacy', { cause: new Error('login failed', { cause: root }) }))).toBe(
      'opening legacy: login failed: connect ECONNREFUSED',
    );
    expect(describeError(new NotConnected('E400', 'opening legacy: connect ECONNREFUSED', { cause: root }))).toBe('opening legacy: connect ECONNREFUSED');
  });
});

describe('the code table', () => {
  test('every entry says what it is, what it means and what to do', () => {
    for (const [code, entry] of Object.entries(codes)) {
      expect(code).toMatch(/^[EW]\d{3}$/);
      // Lower case, but for proper names; no full stop.
      expect(entry.title).toMatch(/^([^A-Z]|YAML|CSV|JSON|HTTP|SQL|RabbitMQ|SSH|SFTP).*[^.]$/);
      expect(entry.meaning.length).toBeGreaterThan(20);
      expect(entry.fix.length).toBeGreaterThan(10);
    }
  });
});

describe('nearest', () => {
  test.each([
    ['CTRYY', ['ORD_NO', 'CTRY', 'CUR'], 'CTRY'],
    ['ctry', ['CTRY', 'CUR'], 'CTRY'],
    ['tpye', ['type', 'tape'], 'type'],
    ['zzz', ['type', 'tape'], undefined],
    ['adapter', [], undefined],
  ])('%s among %j is %s', (name, known, expected) => {
    expect(nearest(name, known)).toBe(expected);
  });
});
