import { expect, test } from 'vitest';
import { add, fits, most, prefixOf, see, type Seen } from './messages';

const message = (topic: string, payload: string, id = 1) => ({ id, time: 0, topic, payload: new TextEncoder().encode(payload), qos: 0, retain: false, dup: false });

test('who a message is for', () => {
  const sent = new Map([['p/led', ['on']]]);
  expect(see(message('p/led', 'on'), 'p/', sent).way).toBe('own');
  expect(see(message('p/led', 'on'), 'p/', sent).way).toBe('in'); // the second is somebody else's
  expect(see(message('p/_updates/fields', '{}'), 'p/', sent)).toMatchObject({ way: 'out', channel: '_updates/fields' });
});

test('the list is bounded, the newest first', () => {
  const come = Array.from({ length: most + 5 }, (_, i) => see(message('p/t', String(i), i), 'p/', new Map()));
  const list = add([], come);
  expect([list.length, list[0].line]).toEqual([most, String(most + 4)]);
});

test('filter', () => {
  const m: Seen = see(message('p/temperature', '{"unit":"C"}'), 'p/', new Map());
  expect([fits(m, ''), fits(m, 'TEMP unit'), fits(m, 'humidity')]).toEqual([true, true, false]);
});

test('prefix', () => expect(prefixOf([{ channel: 'xi/blue/v1/a/d/b/_set/fields', channelTemplateName: '_set/fields' }])).toBe('xi/blue/v1/a/d/b/'));
