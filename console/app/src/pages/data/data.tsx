import { ActionIcon, Button, Checkbox, Drawer, Group, Menu, SegmentedControl, Select, Text, Tooltip } from '@mantine/core';
import { useDisclosure, useElementSize, useMediaQuery } from '@mantine/hooks';
import { IconChartLine, IconDownload, IconLink, IconPlus, IconZoomOut } from '@tabler/icons-react';
import { useEffect, useMemo, useState } from 'react';
import { useSession } from '../../api/session';
import { curl } from '../../components/hints';
import { Page } from '../../components/page';
import { RangePicker } from '../../components/range-picker';
import { Empty, Failed, Loading } from '../../components/states';
import { topicPath } from '../../api/client';
import { said } from '../../lib/act';
import { save } from '../../lib/download';
import { count, shellQuote } from '../../lib/format';
import { useDeviceNames } from '../../lib/names';
import { isLive, rangeOf, spanOf, type Range } from '../../lib/range';
import { useURLState } from '../../lib/url-state';
import { seriesColors } from '../../theme';
import { align, toCSV, toNDJSON } from './align';
import { Charts } from './charts';
import { SeriesTable, type Named } from './legend';
import { SeriesPicker } from './picker';
import { formatSeries, functions, intervalOf, parametersOf, parseSeries, sameSeries, topicOf, useSeries, type SeriesID } from './series';
import { TableView } from './table-view';

const defaults = { s: '', from: '24h', to: '', every: '', fn: 'avg', band: '', split: '', view: '' };

const intervals = [
  { value: '', label: 'Automatic' }, { value: 'raw', label: 'Single points' }, ...['10s', '1m', '5m', '15m', '1h', '6h', '1d', '7d', '1mo'].map((v) => ({ value: v, label: v.replace(/mo$/, ' month').replace(/(\d)([a-z])$/, '$1 $2') })),
];

// useAsOf is the moment that "now" means. It moves on by itself while the span ends now.
function useAsOf(live: boolean, step: number): [number, () => void] {
  const [asOf, setAsOf] = useState(Date.now);
  useEffect(() => {
    if (!live) return;
    const timer = setInterval(() => { if (!document.hidden) setAsOf(Date.now()); }, step);
    return () => clearInterval(timer);
  }, [live, step]);
  return [asOf, () => setAsOf(Date.now())];
}

export default function DataPage() {
  const { accountId } = useSession();
  const [view, setView] = useURLState(defaults);
  // The router takes its time with a new address; what is ticked must not wait for it.
  const [list, setList] = useState(view.s);
  useEffect(() => setList(view.s), [view.s]);
  const asked = useMemo(() => parseSeries(list), [list]);
  const [asOf, refresh] = useAsOf(isLive(view), 30_000);
  const [from, to] = useMemo(() => spanOf(view, asOf), [view.from, view.to, asOf]);
  const { ref, width } = useElementSize();
  const wanted = { series: asked, from, to, every: view.every, fn: view.fn, band: view.band === '1' && view.every !== 'raw', width };
  const data = useSeries(wanted, accountId);

  const names = useDeviceNames(asked.map((s) => s.device));
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const series: Named[] = useMemo(() => (data.data?.shown ?? []).map((s, i) => {
    const deviceName = names.get(s.device) ?? s.device.slice(0, 8);
    return { ...s, deviceName, name: `${s.channel}${s.category === undefined ? '' : ` · ${s.category}`}, ${deviceName}`, color: seriesColors[i % seriesColors.length], hidden: hidden.has(s.key) };
  }), [data.data, names, hidden]);

  const [zoomed, setZoomed] = useState<Range[]>([]);
  const zoom = (a: number, b: number) => { setZoomed([...zoomed, { from: view.from, to: view.to }]); setView(rangeOf(a, b)); };
  const zoomOut = () => {
    const back = zoomed.at(-1);
    setZoomed(zoomed.slice(0, -1));
    setView(back ?? rangeOf(from - (to - from) / 2, Math.min(Date.now(), to + (to - from) / 2)));
  };
  const choose = (next: SeriesID[]) => { setList(formatSeries(next)); setView({ s: formatSeries(next) }); };
  const remove = (s: Named) => choose(asked.flatMap((a) => {
    if (a.device !== s.device || a.channel !== s.channel || (a.category !== undefined && a.category !== s.category)) return [a];
    // One category of a series that shows all of them: the others stay.
    return a.category === undefined ? series.filter((o) => o.device === a.device && o.channel === a.channel && !sameSeries(o, s)).map((o) => ({ device: o.device, channel: o.channel, category: o.category ?? '' })) : [];
  }));

  const wide = useMediaQuery('(min-width: 62em)', true, { getInitialValueInEffect: false });
  const [picking, { open: pick, close: picked }] = useDisclosure();
  const interval = intervalOf(wanted);
  const aligned = data.data?.aligned;
  const visible = series.filter((s) => !s.hidden);
  const fileName = (ext: string) => `data-${new Date(from).toISOString().slice(0, 10)}.${ext}`;

  return (
    <Page
      title="Data explorer" description="Series of any devices side by side."
      hints={[
        { title: 'What is shown', command: curl('POST', '/api/v4/query', parametersOf({ ...wanted, width: width || 800 }, accountId)) },
        ...asked.slice(0, 1).flatMap((s) => [
          { title: 'All points of the first series, as a file', command: curl('GET', `/api/v4/data/${topicPath(topicOf(accountId, s))}?format=csv&startDateTime=${from}&endDateTime=${to}`) },
          { title: 'On the command line', command: `xively data get ${s.device} ${shellQuote(s.channel)} --from ${isLive(view) ? view.from : new Date(from).toISOString()}` },
        ]),
      ]}
      actions={(
        <>
          <Button variant="default" leftSection={<IconLink size={16} />} onClick={() => { void navigator.clipboard?.writeText(location.href).then(() => said('The address of this view is in the clipboard.')); }}>Share</Button>
          <Menu position="bottom-end">
            <Menu.Target><Button variant="default" leftSection={<IconDownload size={16} />} disabled={visible.length === 0}>Export</Button></Menu.Target>
            <Menu.Dropdown>
              <Menu.Label>What is shown</Menu.Label>
              <Menu.Item onClick={() => save(fileName('csv'), [toCSV(visible.map((s) => s.name), align(visible.map((s) => s.course)))], 'text/csv')}>CSV, a column for each series</Menu.Item>
              <Menu.Item onClick={() => save(fileName('ndjson'), [toNDJSON(visible.map((s) => s.name), visible.map((s) => s.course))], 'application/x-ndjson')}>NDJSON, a line for each point</Menu.Item>
              <Menu.Label>All points of</Menu.Label>
              {asked.slice(0, 12).map((s) => (
                <Menu.Item key={formatSeries([s])} component="a" download={`${s.channel}.csv`} href={`/api/v4/data/${topicPath(topicOf(accountId, s))}?${new URLSearchParams({ format: 'csv', startDateTime: String(from), endDateTime: String(to), ...(s.category && { category: s.category }) })}`}>{s.channel}, {names.get(s.device) ?? s.device.slice(0, 8)}</Menu.Item>
              ))}
            </Menu.Dropdown>
          </Menu>
        </>
      )}
    >
      <div className="data-page">
        {wide ? <div className="card data-side"><SeriesPicker chosen={asked} onChange={choose} /></div> : (
          <Drawer opened={picking} onClose={picked} title="Series" padding={0} styles={{ header: { padding: '12px 16px' } }}><SeriesPicker chosen={asked} onChange={choose} /></Drawer>
        )}
        <div style={{ minWidth: 0 }}>
          <Group gap={8} mb={10}>
            {!wide && <Button variant="default" leftSection={<IconPlus size={16} />} onClick={pick}>Series</Button>}
            <Select aria-label="Function" w={180} data={functions.map(([v, label]) => ({ value: v, label }))} value={view.fn} onChange={(fn) => setView({ fn: fn ?? 'avg' })} disabled={interval === null} allowDeselect={false} />
            <Select aria-label="Interval" w={140} data={intervals} value={view.every} onChange={(every) => setView({ every: every ?? '' })} allowDeselect={false} />
            <Checkbox label="Min–max band" checked={wanted.band} disabled={interval === null} onChange={(e) => setView({ band: e.currentTarget.checked ? '1' : '' })} />
            <Group gap={6} ml="auto" wrap="nowrap" miw={0}>
              <Tooltip label={zoomed.length > 0 ? 'Back to the span before (double click)' : 'Show twice the span'}><ActionIcon variant="default" size={36} aria-label="Zoom out" onClick={zoomOut}><IconZoomOut size={16} /></ActionIcon></Tooltip>
              <RangePicker range={view} onChange={(r) => { setZoomed([]); setView(r); }} onRefresh={refresh} busy={data.isFetching} />
            </Group>
          </Group>
          <section className="card">
            <div className="card-head" style={{ flexWrap: 'wrap' }}>
              <SegmentedControl size="xs" aria-label="View" data={[{ value: '', label: 'Chart' }, { value: 'table', label: 'Table' }]} value={view.view} onChange={(v) => setView({ view: v })} />
              {view.view === '' && series.length > 1 && <SegmentedControl size="xs" aria-label="Charts" data={[{ value: '', label: 'One chart' }, { value: 'channel', label: 'By channel' }, { value: 'series', label: 'One each' }]} value={view.split} onChange={(split) => setView({ split })} />}
              <Text size="xs" c="dimmed" className="num only-wide" ml="auto">{data.data && asked.length > 0 ? `${count(data.data.points)} points${interval ? `, one for ${interval}` : ''}, ${Math.round(data.data.ms)} ms` : ''}</Text>
            </div>
            <div ref={ref} className={view.view === 'table' ? undefined : 'data-chart'}>
              {asked.length === 0 && <Empty icon={IconChartLine} title="Choose what to look at" action={!wide && <Button onClick={pick}>Choose series</Button>}>Open a device and tick its channels. Series of several devices can be in one chart; the address keeps the view, to share it.</Empty>}
              {asked.length > 0 && data.isError && <Failed error={data.error} again={() => void data.refetch()} />}
              {asked.length > 0 && data.isPending && <Loading />}
              {asked.length > 0 && data.data && (aligned!.times.length === 0 ? (
                <Empty icon={IconChartLine} title="No points in this span" action={<Button variant="default" onClick={() => { setZoomed([]); setView({ from: '30d', to: '' }); }}>Show the last 30 days</Button>} />
              ) : view.view === 'table' ? <TableView series={series} aligned={aligned!} /> : (
                <Charts series={series} aligned={aligned!} range={[from / 1000, to / 1000]} split={view.split} height={wide ? 420 : 300} onZoom={zoom} onReset={zoomOut} />
              ))}
            </div>
            {asked.length > 0 && series.length > 0 && <div className="data-legend"><SeriesTable series={series} onHide={(key) => setHidden((old) => { const next = new Set(old); if (!next.delete(key)) next.add(key); return next; })} onRemove={remove} /></div>}
          </section>
        </div>
      </div>
    </Page>
  );
}
