// A small map of the world with one mark. The outline is in the program: no request leaves the server.
import { Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { feature } from 'topojson-client';

type Ring = [number, number][];

let outline: Promise<Ring[]> | undefined;

const load = () => (outline ??= import('world-atlas/countries-110m.json').then((m) => {
  const topology = (m as { default?: unknown }).default ?? m;
  const world = feature(topology as never, (topology as { objects: { countries: never } }).objects.countries) as unknown as { features: { geometry: { type: string; coordinates: Ring[] | Ring[][] } }[] };
  return world.features.flatMap((f) => (f.geometry.type === 'Polygon' ? f.geometry.coordinates as Ring[] : (f.geometry.coordinates as Ring[][]).flat()));
}));

// A plain projection, stretched so that shapes near the mark look right.
export default function Place({ latitude, longitude, byAddress, label }: { latitude: number; longitude: number; byAddress: boolean; label: string }) {
  const [rings, setRings] = useState<Ring[]>([]);
  useEffect(() => { void load().then(setRings); }, []);
  const stretch = Math.max(0.25, Math.cos((latitude * Math.PI) / 180));
  const [w, h] = [44, 16]; // degrees in view
  const x = (lon: number) => (lon - longitude) * stretch;
  const y = (lat: number) => latitude - lat;
  const near = rings.filter((r) => r.some(([lon, lat]) => Math.abs(x(lon)) < w && Math.abs(y(lat)) < h));
  const d = near.map((r) => `M${r.map(([lon, lat]) => `${x(lon).toFixed(2)},${y(lat).toFixed(2)}`).join('L')}Z`).join('');
  return (
    <>
      <svg className="place" viewBox={`${-w / 2} ${-h / 2} ${w} ${h}`} preserveAspectRatio="xMidYMid slice" role="img" aria-label={`${label} on a map`}>
        <path d={d} className="land" />
        <circle r={0.75} className="halo" /><circle r={0.32} className="mark" />
      </svg>
      <Text size="xs" c="dimmed" px="md" py={8} className="num">{latitude.toFixed(4)}, {longitude.toFixed(4)}{byAddress && ' · by its address, to the city at best'}</Text>
    </>
  );
}
