import { Anchor, Group, Text, UnstyledButton } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { IconMapPin } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { lazy, Suspense, useMemo, useRef, useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { api, ApiError, must } from '../../api/client';
import { curl } from '../../components/hints';
import { Online } from '../../components/marks';
import { Page } from '../../components/page';
import { QueryInput } from '../../components/query-input';
import { Empty, Failed, Loading } from '../../components/states';
import { completeDirectory } from '../../lib/complete';
import { count, plural } from '../../lib/format';
import { useURLState } from '../../lib/url-state';
import { inside, type Box, type Place } from './cluster';
import './map.css';

const World = lazy(() => import('./world'));

const complete = completeDirectory('device');

export default function MapPage() {
  const [view, setView] = useURLState({ q: '', device: '' });
  const navigate = useNavigate();
  const wide = useMediaQuery('(min-width: 75em)', true, { getInitialValueInEffect: false });
  const [box, setBox] = useState<Box | null>(null);
  const query = useQuery({
    queryKey: ['positions', view.q],
    queryFn: async ({ signal }) => (await must(api.GET('/api/v1/devices/positions', { params: { query: { q: view.q || undefined } }, signal }))).positions,
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  });
  const places: Place[] = query.data?.results ?? [];
  const error = query.error instanceof ApiError && query.error.field === 'q' ? query.error : null;
  const nowhere = (query.data?.count ?? 0) - places.length;
  const byAddress = places.some((p) => p.byAddress);
  const online = useMemo(() => places.reduce((n, p) => n + (p.connected ? 1 : 0), 0), [places]);
  return (
    <Page
      fill title="Map" description="Where devices are, by their position fields or by their address."
      hints={[
        { title: 'Where devices are', command: curl('GET', `/api/v1/devices/positions?${new URLSearchParams(view.q ? { q: view.q } : {})}`) },
        { title: 'Devices of 5 km around a place', command: curl('GET', `/api/v1/devices?${new URLSearchParams({ q: 'near:52.37,4.89,5' })}`) },
        { title: 'Set the place of a device', command: curl('PUT', '/api/v1/devices/DEVICE', { latitude: 52.37, longitude: 4.89 }) },
      ]}
    >
      <Group gap={10} mb={10} align="flex-start">
        <QueryInput value={view.q} onChange={(q) => setView({ q, device: '' })} complete={complete} name="devices" label="Query" placeholder="all devices: words, connected:false, near:52.37,4.89,5 …" error={error?.message} />
        <Text size="sm" c="dimmed" className="num" lh="36px">{query.data ? <>{plural(places.length, 'device')}{nowhere > 0 && <>, <Link to={`/devices?${new URLSearchParams({ q: [view.q, 'NOT latitude:*'].filter(Boolean).join(' ') })}`}>{count(nowhere)} without a place</Link></>}</> : ''}</Text>
      </Group>
      {query.isError && !error && <Failed error={query.error} again={() => void query.refetch()} />}
      <div className="map-grid grow">
        {wide && <div className="card map-list"><InView places={places} box={box} chosen={view.device} onChoose={(device) => setView({ device })} /></div>}
        <div className="card map-card">
          <Suspense fallback={<Loading />}>
            <World places={places} fit={query.isPlaceholderData ? 'old' : `${view.q} ${query.isSuccess}`} chosen={view.device || null} onChoose={(id) => setView({ device: id ?? '' })} onView={setBox} go={(path) => void navigate(path)} />
          </Suspense>
          {query.isSuccess && places.length === 0 && (
            <div className="map-empty card"><Empty icon={IconMapPin} title={view.q ? 'None of these has a place' : 'No device has a place'}>Devices stand here once their fields latitude and longitude are set, or when a GeoLite database tells where their addresses are.</Empty></div>
          )}
          <div className="map-legend">
            <span><i className="map-dot on" />{count(online)} online</span>
            <span><i className="map-dot" />{count(places.length - online)} offline</span>
            {byAddress && <span><i className="map-dot by-address" />by address</span>}
          </div>
        </div>
      </div>
      {byAddress && <Text size="xs" c="dimmed" mt={6}>This product includes GeoLite data created by MaxMind, available from <Anchor href="https://www.maxmind.com" target="_blank" rel="noreferrer" size="xs">https://www.maxmind.com</Anchor>.</Text>}
    </Page>
  );
}

// InView lists the devices of the part that shows.
function InView({ places, box, chosen, onChoose }: { places: Place[]; box: Box | null; chosen: string; onChoose: (id: string) => void }) {
  const scroll = useRef<HTMLDivElement>(null);
  const sorted = useMemo(() => { const { compare } = new Intl.Collator(); return [...places].sort((a, b) => compare(a.name, b.name)); }, [places]);
  const list = useMemo(() => (box ? sorted.filter((p) => inside(p, box)) : sorted), [sorted, box]);
  const virtual = useVirtualizer({ count: list.length, getScrollElement: () => scroll.current, estimateSize: () => 34, overscan: 10 });
  return (
    <>
      <div className="card-head"><h2>In view</h2><Text size="xs" c="dimmed" className="num">{count(list.length)}</Text></div>
      <div ref={scroll} className="map-rows" tabIndex={0} role="region" aria-label="Devices in view">
        <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {virtual.getVirtualItems().map(({ index, start }) => {
            const p = list[index];
            return (
              <UnstyledButton key={p.id} className="tree-row map-row" data-chosen={p.id === chosen || undefined} style={{ transform: `translateY(${start}px)` }} onClick={() => onChoose(p.id)}>
                <Online connected={p.connected} label={false} /><span className="clip">{p.name}</span>
              </UnstyledButton>
            );
          })}
        </div>
      </div>
    </>
  );
}
