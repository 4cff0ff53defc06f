import { describe, expect, test } from 'vitest';
import { delimiterOf, guess, parse, rewrite } from './csv';

test('what parts the cells', () => {
  expect([delimiterOf('a,b;c,d'), delimiterOf('a;b;c\n1,2,3,4'), delimiterOf('a\tb'), delimiterOf('"a,b,c";d')]).toEqual([',', ';', '\t', ';']);
});

test('quotes, blank lines, both ends of lines', () => {
  expect(parse('\ufeffa,b\r\n"1, ""x""","2\n3"\n\nlast,', ',')).toEqual([['a', 'b'], ['1, "x"', '2\n3'], ['last', '']]);
  expect(parse('a\nb\nc', ',', 2)).toEqual([['a'], ['b']]);
});

describe('rewrite', () => {
  test('names go, rows stay', () => {
    expect(rewrite('Serial No,"odd, name",x\n1,2,3\n', ',', ['serialNumber', '', 'name'])).toEqual({ body: 'serialNumber,column2,name\n1,2,3\n', map: 'column2:' });
  });
  test('semicolons become commas', () => {
    expect(rewrite('a;b\n1,5;"x;y"\n', ';', ['latitude', 'name']).body).toBe('latitude,name\n"1,5",x;y\n');
  });
});

test('guesses', () => {
  const fields = ['serialNumber', 'name', 'organization', 'latitude', 'longitude', 'floor', 'location'];
  expect(guess(['Serial No.', 'Device Name', 'lat', 'LNG', 'Floor', 'Group', 'colour', 'Name'], fields)).toEqual(
    ['serialNumber', '', 'latitude', 'longitude', 'floor', 'organization', '', 'name']);
});
