// The map itself: Leaflet over an outline of the world that comes with the console. No tile is fetched from anywhere.
import { useComputedColorScheme } from '@mantine/core';
import L from 'leaflet';
import 'leaflet/dist/leaflet.css';
import { useEffect, useRef } from 'react';
import outline from 'world-atlas/countries-110m.json';
import { around, clusters, zoomFor, type Box, type Cluster, type Place } from './cluster';
import { Ground } from './ground';
import { ringsOf, type Ring } from './outline';

interface Props {
  places: Place[];
  fit: string; // another value fits the map to the places
  chosen: string | null; // a device to go to
  onChoose: (id: string | null) => void;
  onView: (box: Box) => void;
  go: (path: string) => void;
}

const fineFrom = 5; // the zoom from which the outline has more detail
let coarse: Promise<Ring[]> | undefined;
let fine: Promise<Ring[]> | undefined;

const boxOf = (b: L.LatLngBounds): Box => ({ south: b.getSouth(), west: b.getWest(), north: b.getNorth(), east: b.getEast() });

const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export default function World(props: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const map = useRef<L.Map | null>(null);
  const marks = useRef<L.LayerGroup | null>(null);
  const latest = useRef(props);
  useEffect(() => { latest.current = props; });
  const scheme = useComputedColorScheme('light');

  useEffect(() => {
    const m = L.map(holder.current!, { minZoom: 1, maxZoom: 15, zoomSnap: 0.5, worldCopyJump: true, attributionControl: false, maxBounds: [[-85, -360], [85, 360]] }).setView([25, 10], 2);
    L.control.scale({ imperial: false }).addTo(m);
    marks.current = L.layerGroup().addTo(m);
    map.current = m;
    const moved = () => {
      latest.current.onView(boxOf(m.getBounds()));
      draw();
    };
    m.on('moveend', moved);
    const watch = new ResizeObserver(() => m.invalidateSize({ pan: false }));
    watch.observe(holder.current!);
    return () => { watch.disconnect(); m.remove(); map.current = null; };
  }, []);

  // The outline, in the colours of the scheme.
  useEffect(() => {
    const m = map.current!;
    const ground = new Ground({ land: css('--x-map-land'), line: css('--x-map-line') });
    let over = false;
    const show = (rings: Promise<Ring[]>, from: number) => rings.then((r) => { if (!over) ground.show(r, from); }, () => {});
    const refine = () => {
      if (m.getZoom() < fineFrom) return;
      m.off('zoomend', refine);
      void show(fine ??= import('world-atlas/countries-50m.json').then((w) => ringsOf(w.default)), fineFrom);
    };
    ground.addTo(m);
    void show(coarse ??= ringsOf(outline), 0).then(() => { if (!over) { m.on('zoomend', refine); refine(); } });
    return () => { over = true; m.off('zoomend', refine); ground.remove(); };
  }, [scheme]);

  // draw puts the marks of what is in view, and of a margin around it.
  function draw() {
    const m = map.current;
    const group = marks.current;
    if (!m || !group) return;
    const view = m.getBounds().pad(0.3);
    const list = clusters(latest.current.places, m.getZoom(), boxOf(view)).filter((c) => view.contains([c.latitude, c.longitude]));
    const wanted = new Map(list.map((c) => [`${c.key} ${c.online} ${c.places.length === 1 && c.places[0].id === latest.current.chosen}`, c]));
    group.eachLayer((l) => { const key = (l.options as { key?: string }).key!; if (wanted.has(key)) wanted.delete(key); else group.removeLayer(l); });
    for (const [key, c] of wanted) group.addLayer(markOf(c, key, m, latest));
  }
  useEffect(draw, [props.places, props.chosen, scheme]);

  useEffect(() => {
    const box = around(props.places);
    if (box && map.current) map.current.fitBounds([[box.south, box.west], [box.north, box.east]], { padding: [40, 40], maxZoom: 9, animate: false });
  }, [props.fit]);

  useEffect(() => {
    const p = props.places.find((o) => o.id === props.chosen);
    const m = map.current;
    if (!p || !m) return;
    m.setView([p.latitude, p.longitude], zoomFor(props.places, p, Math.max(m.getZoom(), 8), m.getMaxZoom()));
    openPopup(m, [p], [p.latitude, p.longitude], latest);
  }, [props.chosen]);

  return <div ref={holder} className="world" role="region" aria-label="Map of devices" />;
}

type Latest = { current: Props };

// markOf is the mark of a cluster: a button, so that keys reach it.
function markOf(c: Cluster, key: string, m: L.Map, latest: Latest): L.Marker {
  const one = c.places.length === 1 ? c.places[0] : null;
  const el = document.createElement('span');
  const size = one ? 16 : c.places.length < 10 ? 30 : c.places.length < 100 ? 36 : c.places.length < 1000 ? 42 : 48;
  if (one) {
    el.className = `map-dot ${one.connected ? 'on' : ''} ${one.byAddress ? 'by-address' : ''} ${one.id === latest.current.chosen ? 'chosen' : ''}`;
  } else {
    el.className = 'map-cluster';
    el.style.setProperty('--online', `${(c.online / c.places.length) * 100}%`);
    el.append(document.createElement('b'));
    el.firstElementChild!.textContent = c.places.length < 10_000 ? String(c.places.length) : `${Math.round(c.places.length / 1000)}k`;
  }
  const title = one ? `${one.name}, ${one.connected ? 'online' : 'offline'}` : `${c.places.length} devices, ${c.online} online`;
  const marker = L.marker([c.latitude, c.longitude], { key, title, alt: title, keyboard: true, icon: L.divIcon({ html: el, className: 'map-mark', iconSize: [size, size] }) } as L.MarkerOptions);
  marker.on('add', () => marker.getElement()?.setAttribute('aria-label', title));
  const act = () => {
    const box = around(c.places)!;
    const apart = box.north - box.south > 0.0005 || box.east - box.west > 0.0005;
    if (!one && apart && m.getZoom() < m.getMaxZoom()) m.fitBounds([[box.south, box.west], [box.north, box.east]], { padding: [60, 60] });
    else openPopup(m, c.places, [c.latitude, c.longitude], latest);
  };
  marker.on('click', act);
  return marker;
}

const listed = 30; // devices of one popup

// openPopup tells of devices at a place. All text is set as text: it comes from devices.
function openPopup(m: L.Map, places: Place[], at: L.LatLngTuple, latest: Latest) {
  const box = document.createElement('div');
  box.className = 'map-popup';
  for (const p of places.slice(0, listed)) {
    const row = document.createElement('div');
    const dot = document.createElement('span');
    dot.className = p.connected ? 'dot on' : 'dot';
    const link = document.createElement('a');
    link.href = `/devices/${p.id}`;
    link.textContent = p.name;
    link.addEventListener('click', (e) => { if (!e.ctrlKey && !e.metaKey) { e.preventDefault(); latest.current.go(`/devices/${p.id}`); } });
    row.append(dot, link);
    box.append(row);
  }
  const note = document.createElement('div');
  note.className = 'map-note';
  note.textContent = places.length > listed ? `and ${places.length - listed} more` : places.length > 1 ? `${places.length} devices at one place`
    : `${places[0].latitude.toFixed(4)}, ${places[0].longitude.toFixed(4)}${places[0].byAddress ? ', by its address' : ''}`;
  box.append(note);
  L.popup({ closeButton: true, autoPan: true, maxHeight: 260, offset: [0, -4] }).setLatLng(at).setContent(box).openOn(m);
}
