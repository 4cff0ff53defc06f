import { ActionIcon, Badge, Button, Drawer, Group, Stack, Text, TextInput, Tooltip } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconAntennaBars5, IconPlayerPause, IconPlayerPlay, IconTrash, IconUser } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import type { Device } from '../../api/client';
import { ID } from '../../components/code';
import { Payload, type PayloadForm } from '../../components/payload';
import { Empty } from '../../components/states';
import { arrayRows, DataTable, type Column } from '../../components/table';
import { absolute, bytes, clock, count } from '../../lib/format';
import { useMQTT, type MQTTState } from '../../lib/mqtt';
import { add, fits, most, prefixOf, see, type Seen, type Way } from './messages';
import { Publish } from './publish';

const ways: Record<Way, { label: string; icon: typeof IconArrowUp; color: string }> = {
  in: { label: 'from the device, or to it by somebody', icon: IconArrowDown, color: 'var(--mantine-color-anchor)' },
  out: { label: 'from the platform to the device', icon: IconArrowUp, color: 'var(--x-warn)' },
  own: { label: 'published on this page', icon: IconUser, color: 'var(--mantine-color-dimmed)' },
};

const states: Record<MQTTState, string> = { connecting: 'Connecting…', connected: 'Live', offline: 'Cut off, trying again', refused: 'The server refused the connection' };

const columns: Column<Seen>[] = [
  { key: 'time', header: 'Time', width: 112, cell: (m) => <span className="num">{clock(m.time)}</span> },
  { key: 'channel', header: 'Channel', width: 190, cell: (m) => { const w = ways[m.way]; return <span className="way"><w.icon size={14} color={w.color} role="img" aria-label={w.label} /><span className="mono clip">{m.channel}</span></span>; } },
  { key: 'payload', header: 'Payload', width: 320, cell: (m) => <span className="mono">{m.line || <Text span size="xs" c="dimmed">(empty)</Text>}</span> },
  { key: 'flags', header: '', width: 130, wide: true, cell: (m) => <Group gap={4} wrap="nowrap" justify="flex-end">{m.retain && <Badge size="xs" variant="light" tt="none">retained</Badge>}<Text span size="xs" c="dimmed" className="num">QoS {m.qos}</Text></Group> },
  { key: 'size', header: 'Size', width: 76, right: true, wide: true, cell: (m) => <Text span size="xs" c="dimmed">{bytes(m.payload.length)}</Text> },
];

// Live shows the messages on all channels of the device as they come, and publishes.
export default function Live({ device: d }: { device: Device }) {
  const prefix = prefixOf(d.channels);
  const [list, setList] = useState<Seen[]>([]);
  const [paused, setPaused] = useState(false);
  const [waiting, setWaiting] = useState(0);
  const [total, setTotal] = useState(0);
  const [filter, setFilter] = useState('');
  const [open, setOpen] = useState<Seen | null>(null);
  const [form, setForm] = useState<PayloadForm>('json');
  const [refused, setRefused] = useState<string | null>(null);
  const [ready, setReady] = useState(false); // what is published from now on will be here
  const buffer = useRef<Seen[]>([]);
  const sent = useRef(new Map<string, string[]>());
  const connection = useMQTT(true, (m) => {
    buffer.current.push(see(m, prefix, sent.current));
    if (buffer.current.length > most) buffer.current.shift();
    setTotal((n) => n + 1);
  });
  useEffect(() => {
    void connection.subscribe(`${prefix}#`, 0).then((reason) => { setRefused(reason); setReady(reason === null); });
  }, [prefix]);
  // Messages may come by the hundred a second: the list is drawn a few times a second.
  useEffect(() => {
    const timer = setInterval(() => {
      setWaiting(paused ? buffer.current.length : 0);
      if (!paused && buffer.current.length > 0) { const come = buffer.current.splice(0); setList((old) => add(old, come)); }
    }, 200);
    return () => clearInterval(timer);
  }, [paused]);
  const shown = filter.trim() ? list.filter((m) => fits(m, filter.trim())) : list;
  return (
    <>
      <div className="card table-card grow">
        <div className="bar">
          <span className="live-state"><span className={connection.state === 'connected' && !paused ? 'dot on' : connection.state === 'refused' ? 'dot bad' : 'dot warn'} />{paused ? 'Paused' : ready ? states[connection.state] : states.connecting}</span>
          <TextInput size="xs" placeholder="Filter by channel or payload" aria-label="Filter messages" value={filter} onChange={(e) => setFilter(e.currentTarget.value)} style={{ flex: '1 1 160px', maxWidth: 320 }} />
          <Text size="xs" c="dimmed" className="num">{paused ? `${count(waiting)} new` : filter.trim() ? `${count(shown.length)} of ${count(list.length)}` : count(total)}</Text>
          <span style={{ flex: 1 }} />
          <Tooltip label={paused ? 'Go on' : 'Pause'}><ActionIcon aria-label={paused ? 'Go on' : 'Pause'} onClick={() => setPaused(!paused)}>{paused ? <IconPlayerPlay size={16} /> : <IconPlayerPause size={16} />}</ActionIcon></Tooltip>
          <Tooltip label="Clear the list"><ActionIcon aria-label="Clear the list" onClick={() => { setList([]); setTotal(0); buffer.current = []; }}><IconTrash size={16} /></ActionIcon></Tooltip>
        </div>
        <DataTable label="Messages" height="100%" rows={arrayRows(shown)} columns={columns} rowKey={(m) => String(m.id)} onRow={setOpen} current={open ? String(open.id) : undefined} empty={
          <Empty icon={IconAntennaBars5} title={refused ?? (filter.trim() && list.length > 0 ? 'No message has this' : ready ? 'Waiting for messages' : 'Connecting…')} action={filter.trim() ? <Button size="xs" variant="default" onClick={() => setFilter('')}>Show all</Button> : undefined}>
            {d.connected ? 'What the device publishes, and what it is sent, appears here as it comes.' : 'The device is offline. What it publishes appears here as soon as it connects.'}
          </Empty>} />
      </div>
      <Publish device={d} connected={connection.state === 'connected'} publish={(topic, payload, options) => {
        const mine = sent.current.get(topic) ?? [];
        mine.push(payload.replace(/\s+/g, ' ').slice(0, 400));
        sent.current.set(topic, mine.slice(-20));
        return connection.publish(topic, payload, options);
      }} />
      <Drawer opened={open !== null} onClose={() => setOpen(null)} size="lg" title="Message">
        {open && (
          <Stack>
            <dl className="facts">
              <dt>Topic</dt><dd><ID id={open.topic} /></dd>
              <dt>Time</dt><dd className="num">{absolute(open.time)}.{String(open.time % 1000).padStart(3, '0')}</dd>
              <dt>QoS</dt><dd>{open.qos}{open.retain && ', retained'}{open.dup && ', sent again'}</dd>
              <dt>Size</dt><dd className="num">{bytes(open.payload.length)}</dd>
              <dt>Way</dt><dd>{ways[open.way].label}</dd>
            </dl>
            <Payload payload={open.payload} form={form} onForm={setForm} />
          </Stack>
        )}
      </Drawer>
    </>
  );
}
