import { describe, expect, test } from 'vitest';
import { absolute, bytes, duration, relative, shellQuote, value } from './format';

test('relative times read as people say them', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  const ago = (s: number) => relative(now - s * 1000, now);
  expect([2, 40, 120, 7200, 86400, 86400 * 9, 86400 * 60, 86400 * 800].map(ago)).toEqual(
    ['just now', '40 s ago', '2 min ago', '2 h ago', '1 day ago', '9 days ago', '2 months ago', '2 years ago']);
  expect(ago(-300)).toBe('in 5 min');
});

describe('numbers', () => {
  test('values keep the digits that matter', () => {
    expect([0, 0.00001, 0.1234567, 21.456, 1234.56, 3e12, null, NaN].map(value)).toEqual(['0', '1.00e-5', '0.1235', '21.46', '1,234.6', '3.00e+12', '–', '–']);
  });
  test('sizes', () => expect([0, 1023, 1024, 5_000_000, 3e11].map(bytes)).toEqual(['0 B', '1023 B', '1.0 KiB', '4.8 MiB', '279 GiB']));
  test('durations', () => expect([4000, 61_000, 3_600_000, 90_000_000].map(duration)).toEqual(['4 s', '1 min 1 s', '1 h 0 min', '1 day 1 h']));
});

test('a device name cannot leave its word of a shell command', () => {
  expect(shellQuote("it's; rm -rf /")).toBe(`'it'\\''s; rm -rf /'`);
  expect(shellQuote('plain-1.2/x')).toBe('plain-1.2/x');
});

test('absolute sorts as text', () => expect(absolute(new Date(2026, 0, 2, 3, 4, 5))).toBe('2026-01-02 03:04:05'));
