import { expect, test } from 'vitest';
import { moveTo, refusal, run, setField, tag, type Progress, type Target } from './bulk';

const device = (n: number, tags: string[] = []): Target => ({ id: `id-${n}`, name: `Device ${n}`, serialNumber: `SN-${n}`, tags, version: `v${n}`, deviceTemplateId: n % 2 ? 'odd' : 'even' });

test('a tag goes in once, others stay, and the etag guards the list', () => {
  expect(tag(['roof'], ['old'])(device(1, ['old', 'new']))).toEqual({ method: 'PUT', path: '/api/v1/devices/id-1', payload: { tags: ['new', 'roof'], etag: 'v1' } });
  expect(tag(['roof'], [])(device(1, ['roof']))).toBeNull();
});

test('a batch goes on after refusals and tells them', async () => {
  const seen: Progress[] = [];
  const sizes: number[] = [];
  const end = await run(Array.from({ length: 250 }, (_, i) => device(i)), moveTo(null), (p) => seen.push(p), new AbortController().signal,
    async (requests) => { sizes.push(requests.length); return requests.map((r) => (r.path.endsWith('-120') ? 'There is no device with this id.' : null)); });
  expect(sizes).toEqual([100, 100, 50]);
  expect(seen.map((p) => p.done)).toEqual([100, 200, 250, 250]);
  expect(end.failures).toEqual([{ target: device(120), reason: 'There is no device with this id.' }]);
});

test('a batch that never arrived fails as a whole, the next is tried', async () => {
  let n = 0;
  const end = await run(Array.from({ length: 150 }, (_, i) => device(i)), moveTo(null), () => {}, new AbortController().signal,
    async (requests) => { if (n++ === 0) throw new Error('away'); return requests.map(() => null); });
  expect(end.failures).toHaveLength(100);
  expect(end.failures[0].reason).toBe('away');
});

test('refusals in a batch are error bodies', () => {
  expect(refusal({ device: {} })).toBeNull();
  expect(refusal({ statusCode: 404, error: { details: [{ message: 'There is none.' }] } })).toBe('There is none.');
});

test('a field that a template does not have is told, not sent', async () => {
  let sent = 0;
  const end = await run([device(1), device(2)], setField('floor', 3, ['odd']), () => {}, new AbortController().signal, async (requests) => { sent += requests.length; return requests.map(() => null); });
  expect(sent).toBe(1);
  expect(end.failures).toEqual([{ target: device(2), reason: 'Its template has no field floor.' }]);
});
