import { expect, test } from 'vitest';
import { formsOf, hexDump, preview } from './payload';

const bytes = (s: string) => new TextEncoder().encode(s);

test('bytes as hexdump writes them', () => {
  expect(hexDump(bytes('0123456789abcdef\n<'))).toBe(
    '000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef\n' +
    '000010  0a 3c                                             .<');
});

test('which forms fit', () => {
  expect([formsOf(bytes('{"a":1}')), formsOf(bytes('hello')), formsOf(Uint8Array.of(0xff, 0))]).toEqual([['json', 'text', 'hex'], ['text', 'hex'], ['hex']]);
});

test('in one line', () => {
  expect(preview(bytes('{\n  "a": 1\n}'))).toBe('{ "a": 1 }');
  expect(preview(Uint8Array.of(0xc3, 0x28))).toBe('c3 28');
});
