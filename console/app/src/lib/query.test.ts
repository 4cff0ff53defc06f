import { describe, expect, test } from 'vitest';
import { and, charAt, chosen, quoted, toggled, tokens, without } from './query';

test('blanks in quotes and parentheses do not part terms', () => {
  expect(tokens('name:"living room"  (a OR "b c")  -x')).toEqual(['name:"living room"', '(a OR "b c")', '-x']);
  expect(tokens('name:"a \\" b" c')).toEqual(['name:"a \\" b"', 'c']);
});

describe('toggled', () => {
  test('a second value of a field is an alternative', () => {
    const one = toggled('kitchen', 'tags', 'tags:=roof');
    expect(one).toBe('kitchen tags:=roof');
    const two = toggled(one, 'tags', 'tags:="my shed"');
    expect(two).toBe('kitchen (tags:=roof OR tags:="my shed")');
    expect(chosen(two, 'tags')).toEqual(['tags:=roof', 'tags:="my shed"']);
    expect(toggled(two, 'tags', 'tags:=roof')).toBe('kitchen tags:="my shed"');
    expect(without(two, 'tags')).toBe('kitchen');
  });
  test('what was typed with OR keeps its meaning', () => {
    expect(toggled('a OR b', 'connected', 'connected:=true')).toBe('(a OR b) connected:=true');
    expect(toggled('(a:1 AND a:2)', 'a', 'a:=3')).toBe('(a:1 AND a:2) a:=3');
  });
});

test('joining', () => {
  expect(and('', 'x')).toBe('x');
  expect(and('a', 'b OR c')).toBe('a (b OR c)');
});

test('words of a query', () => {
  expect([quoted('plain-1'), quoted('two words'), quoted('a"b\\'), quoted('OR'), quoted('-5'), quoted('größe')]).toEqual(
    ['plain-1', '"two words"', '"a\\"b\\\\"', '"OR"', '"-5"', 'größe']);
});

test('bytes and characters', () => expect(charAt('größe x', 8)).toBe(6));
