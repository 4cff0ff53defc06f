import { describe, expect, test } from 'vitest';
import { deviceOf, filterFault, rowsOf, TopicTree, under } from './tree';

describe('the tree of topics', () => {
  test('counts messages at every level and joins levels without a choice', () => {
    const t = new TopicTree();
    t.add('xi/blue/d/1/temperature', 2);
    t.add('xi/blue/d/1/door', 1);
    t.add('xi/blue/d/2/door', 0);
    t.add('free', 5);
    expect(rowsOf(t.root, new Set()).map((r) => [r.label, r.node.messages, r.node.topics, r.leaf])).toEqual([['free', 5, 1, true], ['xi/blue/d', 3, 3, false]]);
    expect(rowsOf(t.root, new Set(['xi/blue/d', 'xi/blue/d/1'])).map((r) => [r.label, r.depth])).toEqual([['free', 0], ['xi/blue/d', 0], ['1', 1], ['door', 2], ['temperature', 2], ['2/door', 1]]);
  });
  test('is bounded, and empty levels are levels', () => {
    const t = new TopicTree(2);
    t.add('/a', 1); t.add('/b', 1);
    expect(t.add('c', 3)).toBeNull();
    t.add('/a', 1);
    expect([t.size, t.leftOut, t.root.messages]).toEqual([2, 3, 3]);
    expect(rowsOf(t.root, new Set([''])).map((r) => r.label)).toEqual(['', 'a', 'b']);
  });
  test('knows what is retained', () => {
    const t = new TopicTree();
    t.add('a', 1);
    t.setRetained(['a', 'b/c']);
    expect([t.find('a')?.retained, t.find('b/c')?.retained]).toEqual([true, true]);
    t.setRetained([]);
    expect(t.find('a')?.retained).toBe(false);
  });
});

test('topics and filters', () => {
  expect([under('a/b', 'a'), under('ab', 'a'), under('x', '')]).toEqual([true, false, true]);
  expect(deviceOf('xi/blue/v1/acc/d/00f551fd-147c-4da9-bfbc-6f09c6006f5e/t')).toBe('00f551fd-147c-4da9-bfbc-6f09c6006f5e');
  expect(['#', 'a/+/b', 'a/#', '+', '/'].map(filterFault)).toEqual([null, null, null, null, null]);
  expect(['', 'a/#/b', 'a#', 'a+/b'].every((f) => filterFault(f) !== null)).toBe(true);
});
