import { expect, test } from 'vitest';
import { align, figures, toCSV, toNDJSON } from './align';
import { textsOf } from './series';
import { statesOf, staysOf } from './texts';

const point = (time: number, stringValue: string | null, category = '') => ({ time, stringValue, category, numericValue: null });

test('texts become a course, oldest first, of the category that was asked for', () => {
  const newest = [point(3000, 'off'), point(2000, 'on', 'b'), point(1500, null), point(1000, 'on')];
  expect(textsOf({ device: 'd', channel: 'c' }, newest as never, true)).toEqual({ times: [1, 3], values: [], texts: ['on', 'off'], more: true });
  expect(textsOf({ device: 'd', channel: 'c', category: 'b' }, newest as never, false)?.texts).toEqual(['on']);
  expect(textsOf({ device: 'd', channel: 'c', category: 'x' }, newest as never, false)).toBeUndefined();
});

test('a text holds until another one comes', () => {
  const stays = staysOf({ times: [1, 2, 5, 9], values: [], texts: ['on', 'on', 'off', 'on'] }, 10);
  expect(stays).toEqual([{ from: 1, to: 5, text: 'on' }, { from: 5, to: 9, text: 'off' }, { from: 9, to: 10, text: 'on' }]);
  expect(statesOf(stays)).toEqual(['on', 'off']);
  expect(statesOf(Array.from({ length: 9 }, (_, i) => ({ from: i, to: i + 1, text: `state ${i}` })))).toBeNull();
  expect(statesOf([{ from: 0, to: 1, text: 'Somebody wrote a whole sentence here.' }])).toBeNull();
});

test('texts stand beside numbers in tables and files', () => {
  const courses = [{ times: [1, 3], values: [10, 30] }, { times: [2, 3], values: [], texts: ['on', '=off'] }];
  const a = align(courses);
  expect(a.columns[1].texts).toEqual([undefined, 'on', '=off']);
  expect(a.columns[1].values.every((v) => v === undefined)).toBe(true);
  expect(toCSV(['n', 't'], a)).toBe("time,n,t\r\n1970-01-01T00:00:01.000Z,10,\r\n1970-01-01T00:00:02.000Z,,on\r\n1970-01-01T00:00:03.000Z,30,'=off\r\n");
  expect(toNDJSON(['n', 't'], courses)).toContain('{"series":"t","time":"1970-01-01T00:00:02.000Z","value":"on"}');
  expect(figures(courses[1])).toEqual({ count: 2 });
});
