import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { instantOf, isZone, localOf } from '../../../adapters/sql/zone.js';

const berlin = (repeated: 'earlier' | 'later' | 'refuse') => ({ name: 'Europe/Berlin', repeated });

describe('zones', () => {
  test('D9 the hour that summer time jumps over is no instant, the hour it repeats is the one the configuration says', () => {
    expect(instantOf('2026-03-29T01:59:59.999999999', berlin('earlier'))).toEqual({ instant: '2026-03-29T00:59:59.999999999Z' });
    for (const minute of ['02:00:00', '02:30:00', '02:59:59']) expect(instantOf(`2026-03-29T${minute}`, berlin('earlier'))).toBe('gap');
    expect(instantOf('2026-03-29T03:00:00', berlin('earlier'))).toEqual({ instant: '2026-03-29T01:00:00Z' });
    expect(instantOf('2026-10-25T02:30:00', berlin('earlier'))).toEqual({ instant: '2026-10-25T00:30:00Z' });
    expect(instantOf('2026-10-25T02:30:00', berlin('later'))).toEqual({ instant: '2026-10-25T01:30:00Z' });
    expect(instantOf('2026-10-25T02:30:00', berlin('refuse'))).toBe('repeated');
    expect(instantOf('2026-10-25T03:00:00', berlin('refuse'))).toEqual({ instant: '2026-10-25T02:00:00Z' });
  });

  test.each(['Pacific/Chatham', 'Asia/Kathmandu', 'Pacific/Apia', 'America/St_Johns', 'UTC'])('D8 every hour of a season in %s comes back the same', (name) => {
    const zone = { name, repeated: 'earlier' } as const;
    const lost: string[] = [];
    for (let at = Date.parse('2011-09-01T00:00:00Z'); at < Date.parse('2012-01-10T00:00:00Z'); at += 1_800_000) {
      const shown = localOf(at, '000001', zone);
      const found = instantOf(shown, zone);
      // In the hour that is shown twice the earlier one is meant.
      if (typeof found === 'string' || localOf(Date.parse(found.instant), '000001', zone) !== shown || Date.parse(found.instant) > at) lost.push(shown);
    }
    expect(lost).toEqual([]);
  });

  test('D8 the zone of the host has no part in it', () => {
    const module = join(import.meta.dirname, '../../../adapters/sql/zone.js');
    const script = `const { instantOf, localOf } = await import(${JSON.stringify(module)}); const zone = { name: 'Europe/Berlin', repeated: 'earlier' };
      console.log(JSON.stringify([instantOf('2026-03-01T08:00:00.5', zone), localOf(Date.UTC(2026, 6, 1), undefined, zone), new Date(0).getHours()]));`;
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], { env: { ...process.env, TZ: 'Pacific/Chatham' }, encoding: 'utf8' });
    expect(JSON.parse(out)).toEqual([{ instant: '2026-03-01T07:00:00.5Z' }, '2026-07-01T02:00:00', 12]);
  });

  test('a zone is known by its IANA name', () => {
    expect(['Europe/Berlin', 'UTC', 'Etc/GMT+5', 'Mars/Olympus', ''].map(isZone)).toEqual([true, true, true, false, false]);
  });
});
