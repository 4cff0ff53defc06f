import { expect, test } from 'vitest';
import { tick } from './chart';

test('neighbours of an axis differ', () => {
  expect([2.9, 2.92, 2.94].map((n) => tick(n, 0.02))).toEqual(['2.90', '2.92', '2.94']);
  expect([0.25, 0.5].map((n) => tick(n, 0.25))).toEqual(['0.25', '0.50']);
  expect([0, 50].map((n) => tick(n, 50))).toEqual(['0', '50']);
  expect(tick(1_500_000, 500_000)).toBe('1.5M');
  expect(tick(0.5, 0.5)).toBe('0.5');
});
