import { expect, test } from 'vitest';
import coarse from 'world-atlas/countries-110m.json';
import { mercator } from './cluster';
import { ringsOf, trace, unwrap, type Ring } from './outline';

test('a ring over the date line stays in one piece', () => {
  const unwrapped = (...x: number[]) => { const xy = new Float64Array(x); unwrap(xy); return [...xy].map((v) => Math.round(v * 100) / 100); };
  expect(unwrapped(0.97, 0.3, 0.01, 0.3, 0.03, 0.25, 0.99, 0.25, 0.97, 0.3)).toEqual([0.97, 0.3, 1.01, 0.3, 1.03, 0.25, 0.99, 0.25, 0.97, 0.3]);
  expect(unwrapped(0, 1, 1, 1, 0.5, 0.8)).toEqual([0, 1, 1, 1, 0.5, 0.8]);
});

// A Raster takes what is drawn and tells which points are land, by the rule that canvases fill by.
class Raster {
  rings: [number, number][][] = [];
  moveTo(x: number, y: number) { this.rings.push([[x, y]]); }
  lineTo(x: number, y: number) { this.rings.at(-1)!.push([x, y]); }
  land(x: number, y: number) {
    let winding = 0;
    for (const r of this.rings) {
      r.forEach(([x1, y1], i) => {
        const [x2, y2] = r[(i + 1) % r.length];
        if ((y1 <= y) === (y2 <= y)) return;
        if (x1 + ((y - y1) / (y2 - y1)) * (x2 - x1) > x) winding += y2 > y1 ? 1 : -1;
      });
    }
    return winding !== 0;
  }
}

const whole = (rings: Ring[], size: number, left: number, top: number, width: number): Raster => {
  const pen = new Raster();
  for (let copy = Math.floor(left / size) - 1; copy <= Math.floor((left + width) / size) + 1; copy++) {
    for (const r of rings) for (let i = 0; i < r.xy.length; i += 2) pen[i ? 'lineTo' : 'moveTo']((r.xy[i] + copy) * size - left, r.xy[i + 1] * size - top);
  }
  return pen;
};

test('arcs become rings: those of a topology that is known', async () => {
  const { feature } = await import('topojson-client');
  const world = feature(coarse as never, (coarse as unknown as { objects: { countries: never } }).objects.countries) as unknown as GeoJSON.FeatureCollection<GeoJSON.Polygon | GeoJSON.MultiPolygon>;
  const wanted = world.features.flatMap((f) => (f.geometry.type === 'Polygon' ? f.geometry.coordinates : f.geometry.coordinates.flat()));
  const rings = await ringsOf(coarse);
  expect(rings.length).toBe(wanted.length);
  rings.forEach((r, n) => {
    expect(r.xy.length / 2, `ring ${n}`).toBe(wanted[n].length);
    wanted[n].forEach(([lon, lat], i) => {
      const [x, y] = mercator(lat, lon);
      const beside = r.xy[2 * i] - x; // worlds, over the date line
      expect(Math.abs(beside - Math.round(beside)) + Math.abs(r.xy[2 * i + 1] - y), `ring ${n}, point ${i}`).toBeLessThan(1e-9);
    });
  });
});

test('what is left out changes nothing that shows', async () => {
  const rings = await ringsOf(coarse);
  expect(rings.length).toBeGreaterThan(150);
  for (const [zoom, left, top] of [[2, -300, 100], [4, 1900, 1200], [6, 8300, 5200], [6, 16200, 3600], [9, 70_000, 43_000], [12, 561_000, 344_500]]) {
    const size = 256 * 2 ** zoom;
    const pen = new Raster();
    const drawn = trace(pen, rings, size, left, top, 600, 400);
    const all = whole(rings, size, left, top, 600);
    for (let x = 20; x < 600; x += 58) {
      for (let y = 20; y < 400; y += 40) {
        if (pen.land(x + 0.3, y + 0.4) !== all.land(x + 0.3, y + 0.4)) expect.fail(`zoom ${zoom}: another ground at ${x} ${y}`);
      }
    }
    if (zoom >= 6) expect(drawn, `points at zoom ${zoom}`).toBeLessThan(1200);
  }
});
