import { expect, test } from 'vitest';
import { ago, durationText, nameOf, rangeOf, spanOf, stepFor } from './range';

const now = new Date(2026, 2, 1, 12, 0, 0).getTime();

test('spans are read from the address, and what is wrong there is the last day', () => {
  expect(spanOf({ from: '6h', to: '' }, now)).toEqual([now - 6 * 3_600_000, now]);
  expect(spanOf(rangeOf(1_700_000_000_000.4, 1_700_000_060_000.2), now)).toEqual([1_700_000_000_000, 1_700_000_060_001]);
  expect(spanOf({ from: '<b>', to: 'x' }, now)).toEqual([now - 86_400_000, now]);
  expect(spanOf({ from: '1700000060000', to: '1700000000000' }, now)).toEqual([1_699_999_940_000, 1_700_000_000_000]);
});

test('ranges have names', () => {
  expect(nameOf({ from: '24h', to: '' }, now)).toBe('Last 24 hours');
  expect(nameOf({ from: '45m', to: '' }, now)).toBe('Last 45m');
  expect(nameOf(rangeOf(now - 3_600_000, now), now)).toBe('03-01 11:00 – 12:00');
  expect(nameOf(rangeOf(now - 300 * 86_400_000, now), now)).toBe('2025-05-05 12:00 – 03-01 12:00');
  expect(nameOf(rangeOf(now - 86_400_000, now), now)).toBe('02-28 12:00 – 03-01 12:00');
});

test('steps cut a span into parts that can be read', () => {
  expect(durationText(stepFor(86_400_000, 60))).toBe('30m');
  expect(durationText(stepFor(3_600_000, 60))).toBe('1m');
  expect(durationText(stepFor(365 * 86_400_000, 60))).toBe('168h');
  expect(ago('90x')).toBeNull();
});
