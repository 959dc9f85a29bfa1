import { describe, expect, test } from '@jest/globals';
import { Trend } from './gauges.js';
import { randomFrom } from './random.js';

describe('the trend of the memory in a soak', () => {
  test('is the slope of the line through the points, whatever the noise', () => {
    const random = randomFrom(1);
    const trend = new Trend();
    for (let minute = 0; minute <= 120; minute++) trend.add(minute / 60, 180 + (minute / 60) * 7 + (random() - 0.5) * 4);
    expect(trend.hours).toBe(2);
    expect(trend.slope).toBeGreaterThan(6);
    expect(trend.slope).toBeLessThan(8);
  });

  test('says nothing about too little, and starts again with a new process', () => {
    const trend = new Trend();
    trend.add(0, 100);
    trend.add(1, 200);
    expect(trend.slope).toBeUndefined();
    trend.add(2, 300);
    expect(trend.slope).toBeCloseTo(100);
    trend.restart();
    expect([trend.slope, trend.hours]).toEqual([undefined, 0]);
  });

  test('the same seed gives the same numbers', () => {
    const [one, two] = [randomFrom(42), randomFrom(42)];
    expect(Array.from({ length: 5 }, one)).toEqual(Array.from({ length: 5 }, two));
  });
});
