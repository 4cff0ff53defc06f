import { expect, test } from 'vitest';
import { around, clusters, inside, mercator, zoomFor, type Place } from './cluster';

const place = (id: string, latitude: number, longitude: number, connected = true): Place => ({ id, name: id, connected, latitude, longitude, byAddress: false });

test('places that are close at one zoom are apart at another', () => {
  const list = [place('a', 52.37, 4.89), place('b', 52.38, 4.9, false), place('c', 47.4, 8.5)];
  const far = clusters(list, 5);
  expect(far.map((c) => [c.places.length, c.online]).sort()).toEqual([[1, 1], [2, 1]]);
  expect(clusters(list, 16)).toHaveLength(3);
  expect(clusters(list, 1)).toHaveLength(1);
});

test('no place is lost or counted twice', () => {
  const list = Array.from({ length: 10_000 }, (_, i) => place(String(i), ((i * 7919) % 1700) / 10 - 85, ((i * 104729) % 3600) / 10 - 180));
  for (const zoom of [1, 4, 9]) {
    const ids = clusters(list, zoom).flatMap((c) => c.places.map((p) => p.id));
    expect(new Set(ids).size).toBe(10_000);
    expect(ids.length).toBe(10_000);
  }
});

test('what stands in a view goes together as it does among all places', () => {
  const list = Array.from({ length: 5_000 }, (_, i) => place(String(i), 40 + ((i * 7919) % 1000) / 100, ((i * 104729) % 1000) / 100));
  const box = { south: 44, west: 4, north: 46, east: 6 };
  const inner = { south: 44.2, west: 4.2, north: 45.8, east: 5.8 };
  const alone = (c: { places: Place[] }) => c.places.every((p) => inside(p, inner));
  const keys = (l: ReturnType<typeof clusters>) => l.filter(alone).map((c) => c.key).sort();
  const some = clusters(list, 12, box);
  expect(some.length).toBeLessThan(500);
  expect(keys(some)).toEqual(keys(clusters(list, 12)));
  expect(keys(some).length).toBeGreaterThan(10);
});

test('the projection is that of the web', () => {
  expect(mercator(0, 0)).toEqual([0.5, 0.5]);
  expect(mercator(85.0511287798, -180).map((v) => Math.round(v * 1e5))).toEqual([0, 0]);
});

test('boxes', () => {
  const box = around([place('a', 1, 2), place('b', -3, 5)])!;
  expect(box).toEqual({ south: -3, west: 2, north: 1, east: 5 });
  expect([inside(place('c', 0, 3), box), inside(place('d', 2, 3), box), around([])]).toEqual([true, false, null]);
});

test('a chosen place is shown alone where that is possible', () => {
  const list = [place('a', 52.37, 4.89), place('b', 52.38, 4.9), place('same', 52.38, 4.9)];
  expect(zoomFor(list, list[0], 8, 15)).toBeGreaterThan(8);
  expect(zoomFor(list, list[1], 8, 15)).toBe(15);
});
