import { Alert, Badge, Button, Group, Select, SegmentedControl, Stack, Text } from '@mantine/core';
import { IconAlertTriangle, IconCircleCheck, IconPlayerRecord, IconPlayerStop } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, must, type Device, type Schemas } from '../../api/client';
import { Ago, SeverityMark } from '../../components/marks';
import { Card } from '../../components/page';
import { Failed, Loading } from '../../components/states';
import { arrayRows, DataTable } from '../../components/table';
import { attempt } from '../../lib/act';
import { absolute, bytes, clock, count, duration, plural } from '../../lib/format';
import { useNow } from '../../lib/live';
import { prefixOf } from './messages';

type Diagnosis = Schemas['Diagnosis'];
type Packet = Schemas['Packet'];

// Diagnose tells in words what is wrong with a device, what happened to it, and what its packets are.
export default function Diagnose({ device: d }: { device: Device }) {
  const [span, setSpan] = useState('24h');
  const query = useQuery({
    queryKey: ['diagnosis', d.id, span],
    queryFn: async () => (await must(api.GET('/api/v1/devices/{id}/diagnosis', { params: { path: { id: d.id }, query: { from: span } } }))).diagnosis,
    refetchInterval: 10_000,
    placeholderData: (old) => old,
  });
  const g = query.data;
  return (
    <Stack gap="md">
      {query.isError && <Failed error={query.error} again={() => void query.refetch()} />}
      {!g && !query.isError && <Loading />}
      {g && (
        <>
          <Card>
            <Group gap={12} wrap="nowrap" align="flex-start">
              {g.findings.length === 0 ? <IconCircleCheck size={22} color="var(--x-ok)" style={{ flex: 'none' }} /> : <IconAlertTriangle size={22} color="var(--x-warn)" style={{ flex: 'none' }} />}
              <div className="verdict"><div><Text fw={550}>{g.summary}</Text><Text size="xs" c="dimmed" mt={2}>What was looked at since {absolute(g.from).slice(0, 16)}.</Text></div>
              <SegmentedControl size="xs" aria-label="How far back" value={span} onChange={setSpan} data={[{ value: '1h', label: '1 h' }, { value: '24h', label: '1 day' }, { value: '7d', label: '7 days' }]} /></div>
            </Group>
          </Card>
          {g.findings.map((f) => <Finding key={f.trouble} finding={f} />)}
          <Timeline moments={g.timeline} prefix={prefixOf(d.channels)} />
        </>
      )}
      <Recorder device={d} />
    </Stack>
  );
}

function Finding({ finding: f }: { finding: Diagnosis['findings'][number] }) {
  return (
    <Alert color="yellow" variant="light" icon={<IconAlertTriangle size={18} />} title={f.cause}>
      <Text size="sm">{f.remedy}</Text>
      <Text size="xs" c="dimmed" mt={6}>{f.count === 1 ? 'Seen once' : `Seen ${count(f.count)} times`}, last <Ago time={f.last} />{f.count > 1 && <>, first <Ago time={f.first} /></>}.</Text>
      {f.example && <Text size="xs" mt={4} className="mono break">{f.example}</Text>}
    </Alert>
  );
}

const step = 60;

// Timeline has the newest moment first. Topics of the device's own channels are told by the channel's name.
function Timeline({ moments, prefix }: { moments: Diagnosis['timeline']; prefix: string }) {
  const [most, setMost] = useState(step);
  const newest = [...moments].sort((a, b) => b.time - a.time);
  let day = '';
  return (
    <Card title="What happened" actions={<Text size="xs" c="dimmed" className="num">{plural(moments.length, 'moment')}, the newest first</Text>}>
      {moments.length === 0 && <Text size="sm" c="dimmed">Nothing in this time.</Text>}
      <ol className="timeline">
        {newest.slice(0, most).map((m, i) => {
          const date = absolute(m.time).slice(0, 10);
          const head = date !== day ? date : null;
          day = date;
          return (
            <li key={m.id ?? `${m.time} ${i}`} data-severity={m.severity}>
              {head && <div className="timeline-day">{head}</div>}
              <div className="timeline-row">
                <time className="num" dateTime={new Date(m.time).toISOString()} title={absolute(m.time)}>{clock(m.time).slice(0, 8)}</time>
                <i aria-hidden="true" />
                <span className="break">{prefix ? m.text.replaceAll(prefix, '') : m.text}</span>
                {m.trouble ? <Badge size="sm" radius="sm" variant="default" tt="none" fw={500}>{m.trouble}</Badge> : m.severity && /warning|error|critical|alert|emergency/.test(m.severity) ? <SeverityMark severity={m.severity} /> : null}
              </div>
            </li>
          );
        })}
      </ol>
      {newest.length > most && <Button size="compact-sm" variant="subtle" mt={8} onClick={() => setMost(most + 5 * step)}>Show earlier ones</Button>}
    </Card>
  );
}

function Recorder({ device: d }: { device: Device }) {
  const client = useQueryClient();
  const now = useNow(1000);
  const [minutes, setMinutes] = useState('15');
  const key = ['recorder', d.id];
  const { data: r } = useQuery({
    queryKey: key,
    queryFn: async () => (await must(api.GET('/api/v1/devices/{id}/recorder', { params: { path: { id: d.id } } }))).recorder,
    refetchInterval: (q) => (q.state.data?.running ? 1500 : 15_000),
  });
  const call = (run: () => Promise<unknown>) => void attempt(run).then(() => client.invalidateQueries({ queryKey: key }));
  const path = { params: { path: { id: d.id } } };
  return (
    <Card title="Flight recorder" pad={false} actions={r && (r.running ? (
      <>
        <Text size="xs" c="dimmed" className="num">{r.until ? `on for ${duration(Math.max(0, r.until - now))} more` : 'on'}</Text>
        <Button size="compact-sm" variant="default" leftSection={<IconPlayerStop size={14} />} onClick={() => call(() => must(api.DELETE('/api/v1/devices/{id}/recorder', path)))}>Stop</Button>
      </>
    ) : (
      <>
        <Select size="xs" w={110} aria-label="For how long" value={minutes} onChange={(v) => setMinutes(v ?? '15')} data={[['5', '5 minutes'], ['15', '15 minutes'], ['60', '1 hour']].map(([value, label]) => ({ value, label }))} allowDeselect={false} />
        <Button size="compact-sm" leftSection={<IconPlayerRecord size={14} />} onClick={() => call(() => must(api.POST('/api/v1/devices/{id}/recorder', { ...path, body: { minutes: Number(minutes) } })))}>Record</Button>
      </>
    ))}>
      {r && r.packets.length > 0 ? <>
        {r.missed > 0 && <Text size="xs" c="dimmed" px="md" pt="sm">{count(r.missed)} earlier packets are no longer kept.</Text>}
        <Packets packets={r.packets} />
      </> : <Text size="sm" c="dimmed" p="md">{r?.running ? 'Waiting for a packet of the device…' : 'Shows every MQTT packet of the device, both ways, with how its payload begins; for what the log does not tell.'}</Text>}
    </Card>
  );
}

function Packets({ packets }: { packets: Packet[] }) {
  const newest = [...packets].reverse();
  return (
    <DataTable label="Packets" height={Math.min(420, 40 + newest.length * 41)} rows={arrayRows(newest.map((p, i) => ({ ...p, key: `${p.time} ${newest.length - i}` })))} rowKey={(p) => p.key} columns={[
      { key: 'time', header: 'Time', width: 112, cell: (p) => <span className="num">{clock(p.time)}</span> },
      { key: 'in', header: 'Way', width: 92, cell: (p) => (p.in ? '→ server' : '← device') },
      { key: 'type', header: 'Packet', width: 120, cell: (p) => <span className="mono">{p.type}</span> },
      { key: 'topic', header: 'Topic', width: 260, cell: (p) => <span className="mono" title={p.topic}>{p.topic?.split('/').slice(6).join('/') || p.topic}</span> },
      { key: 'head', header: 'Payload begins', width: 220, cell: (p) => <span className="mono">{p.head}</span> },
      { key: 'size', header: 'Size', width: 76, right: true, cell: (p) => bytes(p.size) },
    ]} />
  );
}
