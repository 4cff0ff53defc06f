import { describe, expect, test } from 'vitest';
import { align, figures, gapAfter, toCSV, toNDJSON } from './align';
import { formatSeries, intervalOf, parametersOf, parseSeries, split } from './series';

test('series survive the address, whatever their names are', () => {
  const list = [{ device: 'd1', channel: 'a/b' }, { device: 'd2', channel: 'x,y', category: 'lat:1' }, { device: 'd3', channel: 'c', category: '' }];
  expect(parseSeries(formatSeries(list))).toEqual(list);
  expect(parseSeries('%zz:x,,d')).toEqual([]);
});

describe('align', () => {
  test('courses with times of their own share an axis', () => {
    const a = align([{ times: [1, 3], values: [10, 30] }, { times: [2, 3], values: [5, 6], low: [4, 5], high: [6, 7] }]);
    expect(a.times).toEqual([1, 2, 3]);
    expect(a.columns[0]).toEqual({ values: [10, undefined, 30] });
    expect(a.columns[1]).toEqual({ values: [undefined, 5, 6], low: [undefined, 4, 5], high: [undefined, 6, 7] });
  });
  test('a line breaks off where something is missing', () => {
    const a = align([{ times: [0, 10, 20, 30, 200, 210], values: [1, 1, 1, 1, 2, 2] }]);
    expect(a.times).toEqual([0, 10, 20, 30, 115, 200, 210]);
    expect(a.columns[0].values[4]).toBeNull();
    expect(gapAfter([0, 1])).toBe(Infinity);
  });
  test('100,000 points are aligned at once', () => {
    const courses = Array.from({ length: 10 }, (_, n) => ({ times: Array.from({ length: 10_000 }, (_, i) => i * 10 + n), values: Array.from({ length: 10_000 }, (_, i) => i) }));
    expect(align(courses).times.length).toBe(100_000);
  });
});

test('the interval follows the range and the width', () => {
  expect(intervalOf({ every: '', from: 0, to: 86_400_000, width: 1000 })).toBe('5m');
  expect(intervalOf({ every: 'raw', from: 0, to: 1, width: 1 })).toBeNull();
  expect(parametersOf({ series: [{ device: 'd', channel: 'c' }], from: 1, to: 2, every: '1h', fn: 'max', band: true, width: 1 }, 'acc')).toMatchObject({ topic: ['xi/blue/v1/acc/d/d/c'], interval: '1h', aggregate: 'max,min' });
});

test('categories are courses of their own unless one is asked for', () => {
  const rows = [{ time: 1000, category: 'lat', avg: 1, min: 0, max: 2 }, { time: 1000, category: 'lon', avg: 5, min: 5, max: 5 }, { time: 2000, category: 'lat' }];
  const answer = new Map([['t', rows]]);
  const all = split([{ device: 'd', channel: 'c' }], answer as never, () => 't', { fn: 'avg', band: true }, false);
  expect(all.map((s) => [s.category, s.course.values, s.course.low])).toEqual([['lat', [1], [0]], ['lon', [5], [5]]]);
  expect(split([{ device: 'd', channel: 'c', category: 'lon' }], answer as never, () => 't', { fn: 'avg', band: false }, false)).toHaveLength(1);
});

test('exports', () => {
  const c = { times: [1, 2], values: [1.5, -2] };
  expect(toCSV(['=cmd()', 'a,"b"'], align([c, { times: [2], values: [7] }]))).toBe(`time,'=cmd(),"a,""b"""\r\n1970-01-01T00:00:01.000Z,1.5,\r\n1970-01-01T00:00:02.000Z,-2,7\r\n`);
  expect(toNDJSON(['n'], [{ times: [1], values: [2] }])).toBe('{"series":"n","time":"1970-01-01T00:00:01.000Z","value":2}\n');
  expect(figures(c)).toEqual({ last: -2, min: -2, max: 1.5, avg: -0.25, count: 2 });
});
