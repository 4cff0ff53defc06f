// The outline of the world: rings of countries in Mercator's plane, and how they get onto a canvas.
import type { GeometryCollection, Topology } from 'topojson-specification';
import { mercator } from './cluster';

// A Ring is x, y, x, y, … as mercator has them, and the box that they are in. Over the date line it goes on beyond 1 or below 0.
export interface Ring { xy: Float64Array; west: number; north: number; east: number; south: number }

const atOnce = 8; // ms of work, before something else gets its turn

// ringsOf reads the countries of an outline, in parts: the finer one is much for one go. An arc is a border of two of them,
// and is taken to the map's plane once.
export async function ringsOf(topology: unknown): Promise<Ring[]> {
  const t = topology as Topology<{ countries: GeometryCollection }>;
  const arcs = t.arcs.map((): Float64Array | null => null);
  const arc = (i: number) => (arcs[i] ??= project(t, i));
  const rings: Ring[] = [];
  let began = performance.now();
  for (const country of t.objects.countries.geometries) {
    const shapes = country.type === 'Polygon' ? [country.arcs] : country.type === 'MultiPolygon' ? country.arcs : [];
    for (const shape of shapes) for (const ring of shape) rings.push(ringOf(ring, arc));
    if (performance.now() - began > atOnce) {
      await new Promise((go) => setTimeout(go));
      began = performance.now();
    }
  }
  return rings;
}

// project gives the points of an arc, each of which is kept as its distance from the one before.
function project(t: Topology, arc: number): Float64Array {
  const { scale, translate } = t.transform!;
  const points = t.arcs[arc];
  const xy = new Float64Array(points.length * 2);
  let x = 0, y = 0;
  points.forEach((p, i) => {
    x += p[0]; y += p[1];
    [xy[2 * i], xy[2 * i + 1]] = mercator(y * scale[1] + translate[1], x * scale[0] + translate[0]);
  });
  return xy;
}

// ringOf puts arcs together; ~i is arc i from its end. Each begins where the one before ends.
function ringOf(indexes: number[], arc: (i: number) => Float64Array): Ring {
  const parts = indexes.map((i) => arc(i < 0 ? ~i : i));
  const xy = new Float64Array(parts.reduce((n, p) => n + p.length - 2, 2));
  let at = 0;
  parts.forEach((p, n) => {
    const back = indexes[n] < 0;
    for (let i = n === 0 ? 0 : 2; i < p.length; i += 2, at += 2) {
      const from = back ? p.length - 2 - i : i;
      xy[at] = p[from]; xy[at + 1] = p[from + 1];
    }
  });
  unwrap(xy);
  const ring = { xy, west: Infinity, north: Infinity, east: -Infinity, south: -Infinity };
  for (let i = 0; i < xy.length; i += 2) {
    if (xy[i] < ring.west) ring.west = xy[i];
    if (xy[i] > ring.east) ring.east = xy[i];
    if (xy[i + 1] < ring.north) ring.north = xy[i + 1];
    if (xy[i + 1] > ring.south) ring.south = xy[i + 1];
  }
  return ring;
}

// unwrap lets a ring go on over the date line where it would jump to the other side of the map. Around a pole it has to jump.
export function unwrap(xy: Float64Array) {
  const pole = mercator(89, 0)[1]; // where the plane ends
  for (let i = 1; i < xy.length; i += 2) if (xy[i] <= pole || xy[i] >= 1 - pole) return;
  let by = 0, before = xy[0];
  for (let i = 2; i < xy.length; i += 2) {
    const step = xy[i] - before;
    before = xy[i];
    if (step > 0.5) by--;
    if (step < -0.5) by++;
    xy[i] += by;
  }
}

type Pen = Pick<CanvasRenderingContext2D, 'moveTo' | 'lineTo'>;

const margin = 4; // px beyond the canvas, where lines may run that are not in the outline

// trace draws what of the rings shows on a canvas: left and top are its corner and size the width of the world, all in px. The
// world goes on to both sides. It returns how many points it took.
export function trace(pen: Pen, rings: readonly Ring[], size: number, left: number, top: number, width: number, height: number): number {
  let drawn = 0;
  const right = left + width + margin, bottom = top + height + margin;
  const first = Math.floor((left - margin) / size) - 1, last = Math.floor(right / size) + 1;
  for (let copy = first; copy <= last; copy++) {
    const dx = copy * size;
    for (const r of rings) {
      if (r.east * size + dx < left - margin || r.west * size + dx > right || r.south * size < top - margin || r.north * size > bottom) continue;
      if ((r.east - r.west) * size < 0.7 && (r.south - r.north) * size < 0.7) continue; // less than a px
      drawn += traceRing(pen, r.xy, size, dx - left, -top, width, height);
    }
  }
  return drawn;
}

// traceRing leaves out points that make no difference: within half a px of the last, and those between two points on one side
// of the canvas, which a straight line can stand for.
function traceRing(pen: Pen, xy: Float64Array, size: number, dx: number, dy: number, width: number, height: number): number {
  const n = xy.length;
  const firstX = xy[0] * size + dx, firstY = xy[1] * size + dy;
  let x = firstX, y = firstY;
  let beyond = side(x, y, width, height); // sides that all points since the last drawn one have in common, and that one
  let left = false, leftX = 0, leftY = 0; // the latest point that was left out
  let drawn = 1;
  pen.moveTo(x, y);
  for (let i = 2; i < n; i += 2) {
    const nextX = xy[i] * size + dx, nextY = xy[i + 1] * size + dy;
    const at = side(nextX, nextY, width, height);
    if ((at & beyond) !== 0) {
      beyond &= at;
      left = true; leftX = nextX; leftY = nextY;
      continue;
    }
    if (at === 0 && beyond === 0 && Math.abs(nextX - x) < 0.5 && Math.abs(nextY - y) < 0.5) continue;
    if (left) { pen.lineTo(leftX, leftY); drawn++; left = false; }
    pen.lineTo(nextX, nextY);
    drawn++;
    x = nextX; y = nextY; beyond = at;
  }
  pen.lineTo(firstX, firstY); // closePath takes Chromium longer than all the rest
  return drawn + 1;
}

// side tells on which sides of the canvas a point lies: bits for west, east, north and south; 0 is on it.
const side = (x: number, y: number, width: number, height: number) =>
  (x < -margin ? 1 : x > width + margin ? 2 : 0) | (y < -margin ? 4 : y > height + margin ? 8 : 0);
