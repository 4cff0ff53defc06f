import { Button, Drawer, Group, SegmentedControl, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconPlugConnected, IconSearch } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { Link } from 'react-router';
import { api, must, type Schemas } from '../../api/client';
import { confirm } from '../../components/confirm';
import { ID } from '../../components/code';
import { Ago, Online } from '../../components/marks';
import { Empty, Failed, Loaded } from '../../components/states';
import { DataTable, useServerRows, type Column } from '../../components/table';
import { attempt } from '../../lib/act';
import { bytes, compact, count, plural } from '../../lib/format';
import { useDeviceNames } from '../../lib/names';

type Client = Schemas['MQTTClient'];

const kinds: Record<string, string> = { device: 'device', accountUser: 'admin', endUser: 'end user', application: 'application', anonymous: 'anonymous' };

// Clients lists who is connected, and the sessions of those who are away.
export function Clients() {
  const [typed, setTyped] = useState('');
  const [text] = useDebouncedValue(typed.trim(), 200);
  const [state, setState] = useState('all');
  const [open, setOpen] = useState<string | null>(null);
  const { rows, query } = useServerRows<Client>(['mqtt', 'clients', text, state], async (page, pageSize, signal) => {
    const { clients } = await must(api.GET('/api/v1/messaging/clients', { params: { query: { page, pageSize, clientId: text || undefined, connected: state === 'all' ? undefined : state === 'connected' } }, signal }));
    return { rows: clients.results ?? [], total: clients.meta?.count ?? 0 };
  }, { refetch: 5000 });
  const inView = Array.from({ length: Math.min(rows.total, 100) }, (_, i) => rows.at(i));
  const names = useDeviceNames(inView.map((c) => (c?.principalType === 'device' ? c.principalId : null)));
  const columns: Column<Client>[] = [
    { key: 'clientId', header: 'Client', cell: (c) => <Group gap={8} wrap="nowrap"><Online connected={c.connected} label={false} /><span className="mono clip" title={c.clientId}>{c.clientId}</span></Group> },
    { key: 'principal', header: 'Signed in as', width: 200, cell: (c) => names.get(c.principalId) ?? <Text span size="sm" c="dimmed">{kinds[c.principalType] ?? c.principalType}</Text> },
    { key: 'in', header: 'In', width: 80, right: true, cell: (c) => compact(c.messagesIn) },
    { key: 'out', header: 'Out', width: 80, right: true, cell: (c) => compact(c.messagesOut) },
    { key: 'queued', header: 'Waiting', width: 84, right: true, wide: true, cell: (c) => compact(c.queued) },
    { key: 'dropped', header: 'Dropped', width: 88, right: true, wide: true, cell: (c) => <Trouble n={c.dropped} /> },
    { key: 'refused', header: 'Refused', width: 84, right: true, wide: true, cell: (c) => <Trouble n={c.refused} /> },
    { key: 'transport', header: 'Transport', width: 120, wide: true, cell: (c) => (c.connected ? [c.transport, c.tlsVersion].filter(Boolean).join(', ') : <Text span size="sm" c="dimmed">away</Text>) },
    { key: 'since', header: 'Since', width: 110, wide: true, cell: (c) => <Ago time={c.connected ? c.connectedAt : c.lastSeenAt} empty="before the start" /> },
  ];
  return (
    <>
      <Group gap={8} mb={10}>
        <TextInput value={typed} onChange={(e) => setTyped(e.currentTarget.value)} placeholder="Client identifier" aria-label="Client identifier" leftSection={<IconSearch size={15} />} flex="1 1 220px" maw={380} />
        <SegmentedControl aria-label="State" size="sm" value={state} onChange={setState} data={[{ value: 'all', label: 'All' }, { value: 'connected', label: 'Connected' }, { value: 'away', label: 'Away' }]} />
        <Text size="sm" c="dimmed" className="num" ml="auto">{query.data ? plural(rows.total, 'client') : ''}</Text>
      </Group>
      <div className="card grow" style={{ overflow: 'hidden' }}>
        {query.isError ? <Failed error={query.error} again={() => void query.refetch()} /> : (
          <DataTable columns={columns} rows={rows} rowKey={(c) => c.id} label="MQTT clients" height="100%" onRow={(c) => setOpen(c.id)} current={open ?? undefined}
            empty={query.isSuccess && <Empty icon={IconPlugConnected} title="No client" >{text || state !== 'all' ? 'None fits.' : 'Devices, users and scripts that connect by MQTT are listed here.'}</Empty>} />
        )}
      </div>
      <ClientDrawer id={open} onClose={() => setOpen(null)} />
    </>
  );
}

const Trouble = ({ n }: { n: number }) => <span style={n > 0 ? { color: 'var(--x-bad)', fontWeight: 550 } : undefined}>{compact(n)}</span>;

function ClientDrawer({ id, onClose }: { id: string | null; onClose: () => void }) {
  const query = useQuery({
    queryKey: ['mqtt', 'client', id], enabled: id !== null, refetchInterval: 3000,
    queryFn: async ({ signal }) => (await must(api.GET('/api/v1/messaging/clients/{id}', { params: { path: { id: id! } }, signal }))).client,
  });
  return (
    <Drawer opened={id !== null} onClose={onClose} title="MQTT client" size="lg">
      {id !== null && <Loaded query={query}>{(c) => <ClientFacts client={c} onGone={onClose} />}</Loaded>}
    </Drawer>
  );
}

function ClientFacts({ client: c, onGone }: { client: Schemas['MQTTClientAndSubscriptions']; onGone: () => void }) {
  const cache = useQueryClient();
  const refresh = () => cache.invalidateQueries({ queryKey: ['mqtt', 'clients'] });
  const path = { params: { path: { id: c.id } } };
  const disconnect = async () => {
    if (!await confirm({ title: 'Disconnect this client?', body: 'It may connect again at once. Its session stays.', action: 'Disconnect' })) return;
    if (await attempt(() => must(api.POST('/api/v1/messaging/clients/{id}/disconnect', { ...path, body: { reason: 'disconnected in the console' } })), 'Disconnected.')) { void refresh(); if (c.cleanSession) onGone(); } // a clean session goes with its connection
  };
  const clear = async () => {
    if (!await confirm({ title: 'Clear the session?', body: `Its ${plural(c.subscriptionCount, 'subscription')} and ${plural(c.queued + c.inflight, 'message')} that wait are dropped, and it is disconnected.`, action: 'Clear the session' })) return;
    if (await attempt(() => must(api.POST('/api/v1/messaging/clients/{id}/clear', { ...path, body: { reason: 'cleared in the console' } })), 'The session is gone.')) { void refresh(); onGone(); }
  };
  const facts: [string, ReactNode][] = [
    ['State', <Online connected={c.connected} />],
    ['Client', <ID id={c.clientId} />],
    ['Signed in as', <>{kinds[c.principalType] ?? c.principalType} {c.principalType === 'device' ? <Link to={`/devices/${c.principalId}`}>{c.principalId}</Link> : <ID id={c.principalId} />}</>],
    ['Session', c.cleanSession ? 'clean: it ends with the connection' : 'persistent'],
    ['Connected', c.connected ? <Ago time={c.connectedAt} /> : <Ago time={c.lastSeenAt} empty="before the server’s start" />],
    ['From', [c.remoteAddress, c.transport, c.tlsVersion, c.protocol].filter(Boolean).join(' · ') || '–'],
    ['Keep alive', c.keepAlive ? `${c.keepAlive} s` : c.connected ? 'off' : '–'],
    ['Messages in', `${count(c.messagesIn)}, ${bytes(c.bytesIn)}`],
    ['Messages out', `${count(c.messagesOut)}, ${bytes(c.bytesOut)}`],
    ['Waiting', `${count(c.queued)} queued (${bytes(c.queuedBytes)}), ${count(c.inflight)} in flight`],
    ['Dropped', <><Trouble n={c.dropped} /> {c.dropped > 0 && 'for which it was too slow'}</>],
    ['Refused', <><Trouble n={c.refused} /> {c.refused > 0 && <Link to={`/logs?${new URLSearchParams({ q: `tag:refused custom.clientId:"${c.clientId.replace(/[\\"]/g, '\\$&')}"`, from: '7d' })}`}>Why?</Link>}</>],
  ];
  return (
    <>
      <dl className="facts">{facts.map(([label, v]) => <div key={label} style={{ display: 'contents' }}><dt>{label}</dt><dd>{v}</dd></div>)}</dl>
      <Text size="sm" fw={550} mt="lg" mb={6}>Subscriptions</Text>
      {c.subscriptions.length === 0 && <Text size="sm" c="dimmed">None.</Text>}
      {c.subscriptions.map((s) => <Group key={s.filter} gap={10} wrap="nowrap" py={3}><span className="mono break" style={{ flex: 1 }}>{s.filter}</span><Text size="xs" c="dimmed">QoS {s.qos}</Text></Group>)}
      <Group mt="xl" gap={8}>
        <Button variant="default" disabled={!c.connected} onClick={() => void disconnect()}>Disconnect</Button>
        <Button variant="default" color="red" onClick={() => void clear()}>Clear session</Button>
      </Group>
    </>
  );
}
