import { expect, test } from 'vitest';
import { channelError } from './make';

test('names of channels', () => {
  expect(['temperature', 'room/1', 'größe'].map(channelError)).toEqual([undefined, undefined, undefined]);
  for (const bad of ['', ' ', 'a+', '#', '_log', '/a', 'a/', 'a\u0000']) expect(channelError(bad), bad).toBeDefined();
});
