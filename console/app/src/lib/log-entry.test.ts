import { describe, expect, test } from 'vitest';
import { countBySeverity, factsOf, fill, stack, term, whyPath, withSeverities, withTerm} from './log-entry';
import type { LogEntry } from './logs';

const entry = (e: Partial<LogEntry>): LogEntry => ({ id: '1', accountId: 'a', sourceId: 'd1', sourceType: 'deviceId', message: 'm', severity: 'error', sourceTimestamp: 1, serviceTimestamp: 1, incidents: [], ...e } as LogEntry);

describe('queries', () => {
  test('a value is filtered for and out', () => {
    expect(withTerm('', term('code', 'E 1"'))).toBe('code:"E 1\\""');
    expect(withTerm('fan', term('code', '4', true))).toBe('fan -code:4');
    expect(withTerm('fan -code:4', term('code', '4'))).toBe('fan code:4');
    expect(withTerm('a OR b', term('tag', 'x'))).toBe('(a OR b) tag:x');
    expect(withTerm('tag:x', term('tag', 'x'))).toBe('tag:x');
  });
  test('severities narrow what was asked', () => {
    expect(withSeverities('', ['error'])).toBe('severity:error');
    expect(withSeverities('a OR b', ['error', 'alert'])).toBe('(a OR b) (severity:error OR severity:alert)');
    expect(withSeverities('fan', [])).toBe('fan');
  });
});

test('a histogram has all its bars, the worst at the bottom', () => {
  const buckets = fill([{ time: 120, count: 3, severities: { error: 1, debug: 2 } }], 60, 70, 200);
  expect(buckets.map((b) => b.time)).toEqual([60, 120, 180]);
  expect(stack(buckets, () => true)).toEqual([{ severity: 'debug', values: [0, 3, 0] }, { severity: 'error', values: [0, 1, 0] }]);
  expect(stack(buckets, (s) => s === 'debug')).toEqual([{ severity: 'debug', values: [0, 2, 0] }]);
  expect(countBySeverity(buckets)).toEqual({ error: 1, debug: 2 });
});

test('members have the name that a query knows, and none where it cannot ask', () => {
  const facts = factsOf(entry({ tags: ['a', 'b'], custom: { remote: '10.0.0.1', nested: { x: 1 }, 'odd name': 1, empty: '' } }));
  expect(facts.map((f) => [f.label, f.value, f.member])).toEqual([
    ['Source', 'd1', 'source'], ['Source type', 'deviceId', 'type'], ['Tag', 'a', 'tag'], ['Tag', 'b', 'tag'],
    ['remote', '10.0.0.1', 'custom.remote'], ['nested', '{"x":1}', undefined], ['odd name', '1', undefined], ['empty', '', undefined],
  ]);
});

test('refusals lead to their reason', () => {
  expect(whyPath(entry({}))).toBeNull();
  expect(whyPath(entry({ tags: ['refused'], custom: { action: 'publish', topic: 'a/b' } }))).toBe('/access?principal=d1&action=publish&object=a%2Fb');
  expect(whyPath(entry({ tags: ['refused'], custom: { action: 'connect', topic: '' } }))).toBe('/devices/d1/diagnose');
});
