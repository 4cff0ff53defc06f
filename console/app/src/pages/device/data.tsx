import { ActionIcon, Badge, Button, Chip, CloseButton, Group, Menu, Popover, Select, Text, Tooltip } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { IconArrowsDiff, IconChartLine, IconDownload, IconExternalLink, IconZoomOut } from '@tabler/icons-react';
import { useEffect, useMemo, useState } from 'react';
import { Link } from 'react-router';
import { topicPath, type Device } from '../../api/client';
import { useSession } from '../../api/session';
import { DevicePicker } from '../../components/pickers';
import { RangePicker } from '../../components/range-picker';
import { Empty, Failed, Loading } from '../../components/states';
import { save } from '../../lib/download';
import { useDeviceNames } from '../../lib/names';
import { isLive, rangeOf, spanOf, type Range } from '../../lib/range';
import { useURLState } from '../../lib/url-state';
import { seriesColors } from '../../theme';
import { align, toCSV, toNDJSON } from '../data/align';
import { Charts } from '../data/charts';
import type { Named } from '../data/legend';
import { formatSeries, functions, topicOf, useSeries, type SeriesID } from '../data/series';

const listOf = (text: string) => (text ? text.split(',').filter(Boolean) : []);
const shownAtFirst = 4;
const mostCompared = 6;

// Data is a chart for each channel of the device, beside other devices if wanted.
export default function Data({ device: d }: { device: Device }) {
  const { accountId } = useSession();
  const channels = d.channels.filter((c) => c.persistenceType === 'timeSeries').map((c) => c.channelTemplateName);
  const [view, setView] = useURLState({ channels: '', with: '', from: '24h', to: '', fn: 'avg', every: '' });
  const chosen = useMemo(() => (view.channels ? listOf(view.channels).filter((c) => channels.includes(c)) : channels.slice(0, shownAtFirst)), [view.channels, channels.join()]);
  const others = useMemo(() => listOf(view.with), [view.with]);
  const [asOf, setAsOf] = useState(Date.now);
  const live = isLive(view);
  useEffect(() => {
    if (!live) return;
    const timer = setInterval(() => { if (!document.hidden) setAsOf(Date.now()); }, 20_000);
    return () => clearInterval(timer);
  }, [live]);
  const [from, to] = useMemo(() => spanOf(view, asOf), [view.from, view.to, asOf]);
  const { ref, width } = useElementSize();
  const asked: SeriesID[] = useMemo(() => chosen.flatMap((channel) => [d.id, ...others].map((device) => ({ device, channel }))), [chosen, others, d.id]);
  const band = others.length === 0 && view.every !== 'raw';
  const data = useSeries({ series: asked, from, to, every: view.every, fn: view.fn, band, width }, accountId);
  const names = useDeviceNames(others);
  const nameOf = (id: string) => (id === d.id ? d.name || d.serialNumber : names.get(id) ?? id.slice(0, 8));
  const series: Named[] = useMemo(() => (data.data?.shown ?? []).map((s) => ({
    ...s, hidden: false, deviceName: nameOf(s.device), color: seriesColors[[d.id, ...others].indexOf(s.device) % seriesColors.length],
    name: `${s.channel}${s.category === undefined ? '' : ` · ${s.category}`}, ${nameOf(s.device)}`,
  })), [data.data, names, others, d]);
  const [zoomed, setZoomed] = useState<Range[]>([]);
  const zoom = (a: number, b: number) => { setZoomed([...zoomed, { from: view.from, to: view.to }]); setView(rangeOf(a, b)); };
  const zoomOut = () => {
    const back = zoomed.at(-1);
    setZoomed(zoomed.slice(0, -1));
    setView(back ?? rangeOf(from - (to - from) / 2, Math.min(Date.now(), to + (to - from) / 2)));
  };
  const empty = data.data && data.data.aligned.times.length === 0;
  const fileName = (ext: string) => `${d.serialNumber.replace(/[^\w.-]+/g, '_')}-${new Date(from).toISOString().slice(0, 10)}.${ext}`;
  if (channels.length === 0) return <div className="card"><Empty icon={IconChartLine} title="No channel keeps points" action={<Button variant="default" component={Link} to={`/model/devices/${d.deviceTemplateId}`}>Open its template</Button>}>Give the template a channel with the persistence “time series”; what the device publishes there is kept and charted.</Empty></div>;
  return (
    <>
      <Group gap={8} mb="sm">
        <Select aria-label="Function" w={150} data={functions.map(([value, label]) => ({ value, label }))} value={view.fn} onChange={(fn) => setView({ fn: fn ?? 'avg' })} disabled={view.every === 'raw'} allowDeselect={false} />
        <Select aria-label="Interval" w={140} value={view.every} onChange={(every) => setView({ every: every ?? '' })} allowDeselect={false}
          data={[{ value: '', label: 'Automatic' }, { value: 'raw', label: 'Single points' }, { value: '1m', label: '1 minute' }, { value: '15m', label: '15 minutes' }, { value: '1h', label: '1 hour' }, { value: '1d', label: '1 day' }]} />
        <Compare device={d} others={others} onChange={(list) => setView({ with: list.join(',') })} />
        <Group gap={6} ml="auto" wrap="nowrap" miw={0}>
          <Tooltip label={zoomed.length > 0 ? 'Back to the span before (double click)' : 'Show twice the span'}><ActionIcon variant="default" size={36} aria-label="Zoom out" onClick={zoomOut}><IconZoomOut size={16} /></ActionIcon></Tooltip>
          <RangePicker range={view} onChange={(r) => { setZoomed([]); setView(r); }} onRefresh={() => setAsOf(Date.now())} busy={data.isFetching} />
          <Menu position="bottom-end">
            <Menu.Target><Tooltip label="Export"><ActionIcon variant="default" size={36} aria-label="Export"><IconDownload size={16} /></ActionIcon></Tooltip></Menu.Target>
            <Menu.Dropdown>
              <Menu.Label>What is shown</Menu.Label>
              <Menu.Item disabled={!data.data} onClick={() => save(fileName('csv'), [toCSV(series.map((s) => s.name), align(series.map((s) => s.course)))], 'text/csv')}>CSV, a column for each series</Menu.Item>
              <Menu.Item disabled={!data.data} onClick={() => save(fileName('ndjson'), [toNDJSON(series.map((s) => s.name), series.map((s) => s.course))], 'application/x-ndjson')}>NDJSON, a line for each point</Menu.Item>
              <Menu.Label>All points of</Menu.Label>
              {chosen.map((c) => <Menu.Item key={c} component="a" download={`${c}.csv`} href={`/api/v4/data/${topicPath(topicOf(accountId, { device: d.id, channel: c }))}?${new URLSearchParams({ format: 'csv', startDateTime: String(from), endDateTime: String(to) })}`}>{c}</Menu.Item>)}
            </Menu.Dropdown>
          </Menu>
        </Group>
      </Group>
      <Group gap={6} mb="sm" justify="space-between">
        <Chip.Group multiple value={chosen} onChange={(list) => setView({ channels: channels.filter((c) => list.includes(c)).join(',') })}>
          <Group gap={6} role="group" aria-label="Channels">{channels.map((c) => <Chip key={c} value={c} size="xs" variant="light">{c}</Chip>)}</Group>
        </Chip.Group>
        <Button component={Link} to={`/data?${new URLSearchParams({ s: formatSeries(asked), from: view.from, ...(view.to && { to: view.to }) })}`} size="compact-sm" variant="subtle" rightSection={<IconExternalLink size={13} />}>Data explorer</Button>
      </Group>
      {others.length > 0 && (
        <Group gap="6px 14px" mb="sm">
          {[d.id, ...others].map((id, i) => (
            <span key={id} className="compared"><i style={{ background: seriesColors[i % seriesColors.length] }} />{nameOf(id)}
              {id !== d.id && <CloseButton size="xs" aria-label={`Take ${nameOf(id)} out`} onClick={() => setView({ with: others.filter((o) => o !== id).join(',') })} />}
            </span>
          ))}
        </Group>
      )}
      <section className="card data-charts" ref={ref}>
        {data.isError && <Failed error={data.error} again={() => void data.refetch()} />}
        {data.isPending && !data.isError && <Loading />}
        {empty && <Empty icon={IconChartLine} title="No points in this span" action={<Button variant="default" onClick={() => { setZoomed([]); setView({ from: '30d', to: '' }); }}>Show the last 30 days</Button>} />}
        {data.data && !empty && <Charts series={series} aligned={data.data.aligned} range={[from / 1000, to / 1000]} split="channel" height={chosen.length > 1 ? 380 : 360} onZoom={zoom} onReset={zoomOut} />}
      </section>
    </>
  );
}

function Compare({ device: d, others, onChange }: { device: Device; others: string[]; onChange: (ids: string[]) => void }) {
  const [open, setOpen] = useState(false);
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-start" shadow="md" width={300} trapFocus>
      <Popover.Target><Button variant="default" leftSection={<IconArrowsDiff size={16} />} onClick={() => setOpen(!open)} rightSection={others.length > 0 ? <Badge size="sm" circle>{others.length}</Badge> : undefined}>Compare</Button></Popover.Target>
      <Popover.Dropdown>
        <DevicePicker label="Compare with" value={null} comboboxProps={{ withinPortal: false }} disabled={others.length >= mostCompared} data-autofocus
          onChange={(id) => { if (id && id !== d.id && !others.includes(id)) { onChange([...others, id]); setOpen(false); } }} />
        <Text size="xs" c="dimmed" mt={8}>Channels of the same name are drawn in one chart. Up to {mostCompared} devices.</Text>
      </Popover.Dropdown>
    </Popover>
  );
}
