// Where points stand on a map of a zoom, and which of them stand too close to be told apart.

export interface Place { id: string; name: string; connected: boolean; latitude: number; longitude: number; byAddress: boolean }

export interface Cluster { key: string; latitude: number; longitude: number; places: Place[]; online: number }

const tile = 256;
const farthest = 85.0511; // degrees; the projection ends there

// project gives the pixels of Web Mercator, as Leaflet has them.
export function project(latitude: number, longitude: number, zoom: number): [x: number, y: number] {
  const size = tile * 2 ** zoom;
  const sin = Math.sin((Math.max(-farthest, Math.min(farthest, latitude)) * Math.PI) / 180);
  return [((longitude + 180) / 360) * size, (0.5 - Math.log((1 + sin) / (1 - sin)) / (4 * Math.PI)) * size];
}

// clusters puts places of one cell of a grid together, and cells whose middles nearly touch. One pass over all places: ten
// thousand take a few milliseconds, so it is done anew for every zoom.
export function clusters(places: readonly Place[], zoom: number, cell = 64): Cluster[] {
  const cells = new Map<string, { x: number; y: number; places: Place[] }>();
  for (const p of places) {
    const [x, y] = project(p.latitude, p.longitude, zoom);
    const key = `${Math.floor(x / cell)} ${Math.floor(y / cell)}`;
    const c = cells.get(key);
    if (c) { c.x += x; c.y += y; c.places.push(p); } else cells.set(key, { x, y, places: [p] });
  }
  const done = new Set<string>();
  const list: Cluster[] = [];
  for (const [key, c] of [...cells].sort((a, b) => b[1].places.length - a[1].places.length)) {
    if (done.has(key)) continue;
    done.add(key);
    const all = [...c.places];
    const [column, row] = key.split(' ').map(Number);
    const [x, y] = [c.x / c.places.length, c.y / c.places.length];
    for (let dx = -1; dx <= 1; dx++) {
      for (let dy = -1; dy <= 1; dy++) {
        const beside = `${column + dx} ${row + dy}`;
        const other = cells.get(beside);
        if (!other || done.has(beside) || Math.hypot(other.x / other.places.length - x, other.y / other.places.length - y) > cell * 0.6) continue;
        done.add(beside);
        all.push(...other.places);
      }
    }
    list.push(summary(key, all));
  }
  return list;
}

function summary(key: string, places: Place[]): Cluster {
  const n = places.length;
  return {
    key: `${key} ${n} ${places[0].id}`, places,
    latitude: places.reduce((s, p) => s + p.latitude, 0) / n, longitude: places.reduce((s, p) => s + p.longitude, 0) / n,
    online: places.reduce((s, p) => s + (p.connected ? 1 : 0), 0),
  };
}

export interface Box { south: number; west: number; north: number; east: number }

// around is the box that holds places, null for none.
export function around(places: readonly Place[]): Box | null {
  if (places.length === 0) return null;
  const b = { south: 90, west: 180, north: -90, east: -180 };
  for (const p of places) {
    b.south = Math.min(b.south, p.latitude); b.north = Math.max(b.north, p.latitude);
    b.west = Math.min(b.west, p.longitude); b.east = Math.max(b.east, p.longitude);
  }
  return b;
}

export const inside = (p: Place, b: Box) => p.latitude >= b.south && p.latitude <= b.north && p.longitude >= b.west && p.longitude <= b.east;

// zoomFor is the lowest zoom from `from` on at which a place stands alone, or the highest there is.
export function zoomFor(places: readonly Place[], p: Place, from: number, most: number): number {
  for (let zoom = Math.ceil(from); zoom < most; zoom++) {
    if (clusters(places, zoom).some((c) => c.places.length === 1 && c.places[0].id === p.id)) return zoom;
  }
  return most;
}

// unwrap lets a ring go on over the date line where it would jump to the other side of the map. Around a pole it has to jump.
export function unwrap(ring: [number, number][]): [number, number][] {
  if (ring.some(([, y]) => Math.abs(y) > 89)) return ring;
  let by = 0;
  return ring.map(([x, y], i) => {
    if (i > 0) {
      const step = x - ring[i - 1][0];
      if (step > 180) by -= 360;
      if (step < -180) by += 360;
    }
    return [x + by, y];
  });
}
