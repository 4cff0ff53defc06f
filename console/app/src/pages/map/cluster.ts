// Where points stand on a map of a zoom, and which of them stand too close to be told apart.

export interface Place { id: string; name: string; connected: boolean; latitude: number; longitude: number; byAddress: boolean }

export interface Cluster { key: string; latitude: number; longitude: number; places: Place[]; online: number }

export interface Box { south: number; west: number; north: number; east: number }

const everywhere: Box = { south: -90, west: -540, north: 90, east: 540 };

const tile = 256;
const farthest = 85.0511; // degrees; the projection ends there

// mercator gives the place on the map of the web as parts of its width, from the north-west corner.
export function mercator(latitude: number, longitude: number): [x: number, y: number] {
  const sin = Math.sin((Math.max(-farthest, Math.min(farthest, latitude)) * Math.PI) / 180);
  return [(longitude + 180) / 360, 0.5 - Math.log((1 + sin) / (1 - sin)) / (4 * Math.PI)];
}

const projected = new WeakMap<readonly Place[], Float64Array>();

// positions are mercator's pairs for all places of a list, computed once for it.
function positions(places: readonly Place[]): Float64Array {
  let xy = projected.get(places);
  if (xy) return xy;
  xy = new Float64Array(places.length * 2);
  for (let i = 0; i < places.length; i++) [xy[2 * i], xy[2 * i + 1]] = mercator(places[i].latitude, places[i].longitude);
  projected.set(places, xy);
  return xy;
}

const rows = 2 ** 21; // more than there are at any zoom: a cell is column * rows + row

const cell = 64; // px

// clusters puts places of one cell of a grid together, and cells whose middles nearly touch. Only what is within a box
// counts, and two cells around it, which decide how those inside go together. One pass over all places: ten thousand take
// a few milliseconds, so it is done anew for every view.
export function clusters(places: readonly Place[], zoom: number, within: Box = everywhere): Cluster[] {
  const size = (tile * 2 ** zoom) / cell; // of the map, in cells
  const xy = positions(places);
  const [west, north] = mercator(within.north, within.west).map((v) => Math.floor(v * size) - 2);
  const [east, south] = mercator(within.south, within.east).map((v) => Math.floor(v * size) + 3);
  const cells = new Map<number, { key: number; x: number; y: number; places: Place[] }>();
  for (let i = 0; i < places.length; i++) {
    const x = xy[2 * i] * size, y = xy[2 * i + 1] * size;
    if (x < west || x >= east || y < north || y >= south) continue;
    const key = Math.floor(x) * rows + Math.floor(y);
    const c = cells.get(key);
    if (c) { c.x += x; c.y += y; c.places.push(places[i]); } else cells.set(key, { key, x, y, places: [places[i]] });
  }
  const done = new Set<number>();
  const list: Cluster[] = [];
  for (const c of [...cells.values()].sort((a, b) => b.places.length - a.places.length)) {
    if (done.has(c.key)) continue;
    done.add(c.key);
    let all = c.places;
    const n = c.places.length;
    for (let dx = -1; dx <= 1; dx++) {
      for (let dy = -1; dy <= 1; dy++) {
        const key = c.key + dx * rows + dy;
        const other = cells.get(key);
        if (!other || done.has(key) || Math.hypot(other.x / other.places.length - c.x / n, other.y / other.places.length - c.y / n) > 0.6) continue;
        done.add(key);
        all = all.concat(other.places);
      }
    }
    list.push(summary(c.key, all));
  }
  return list;
}

function summary(key: number, places: Place[]): Cluster {
  const n = places.length;
  let latitude = 0, longitude = 0, online = 0;
  for (const p of places) { latitude += p.latitude; longitude += p.longitude; if (p.connected) online++; }
  return { key: `${key} ${n} ${places[0].id}`, places, latitude: latitude / n, longitude: longitude / n, online };
}

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
