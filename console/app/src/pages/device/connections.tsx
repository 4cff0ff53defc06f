import { Button, Group, Text } from '@mantine/core';
import { IconPlugX } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, must, type Device, type Schemas } from '../../api/client';
import { ID } from '../../components/code';
import { confirm } from '../../components/confirm';
import { Ago } from '../../components/marks';
import { Card } from '../../components/page';
import { attempt } from '../../lib/act';
import { bytes, compact } from '../../lib/format';

type Client = Schemas['MQTTClient'];

// Connections are the MQTT sessions of a device: usually one.
export function Connections({ device: d }: { device: Device }) {
  const client = useQueryClient();
  const { data } = useQuery({
    queryKey: ['clients', d.id],
    queryFn: async () => (await must(api.GET('/api/v1/messaging/clients', { params: { query: { deviceId: d.id } } }))).clients.results ?? [],
    refetchInterval: 5_000,
  });
  const end = async (c: Client) => {
    if (!await confirm({ title: 'End this connection?', body: 'The device may connect again at once, and most do. To keep it out, take its credentials away or delete it.', action: 'End it' })) return;
    await attempt(() => must(api.POST('/api/v1/messaging/clients/{id}/disconnect', { params: { path: { id: c.id } } })), 'The connection is ended.');
    void client.invalidateQueries({ queryKey: ['clients', d.id] });
  };
  if (!data) return null;
  return (
    <Card title={data.length > 1 ? 'Connections' : 'Connection'}>
      {data.length === 0 && <Text size="sm" c="dimmed">No MQTT session. {d.lastConnected ? 'The tab Diagnose tells what happened last.' : 'The tab Credentials has what it connects with.'}</Text>}
      {data.map((c) => (
        <dl key={c.id} className="facts">
          <dt>Client</dt><dd><ID id={c.clientId} /></dd>
          {c.connected && <><dt>By</dt><dd>{[c.protocol, c.transport, c.tlsVersion, c.remoteAddress].filter(Boolean).join(' · ')}</dd></>}
          <dt>{c.connected ? 'Since' : 'Away since'}</dt><dd><Ago time={c.connected ? c.connectedAt : c.lastSeenAt} empty="before the server’s start" /></dd>
          <dt>Messages</dt><dd className="num">{compact(c.messagesIn)} in, {compact(c.messagesOut)} out · {bytes(c.bytesIn)} in, {bytes(c.bytesOut)} out</dd>
          <dt>Waiting</dt><dd className="num">{compact(c.queued)} queued, {compact(c.inflight)} not acknowledged{c.dropped > 0 && <span className="bad">, {compact(c.dropped)} dropped</span>}</dd>
          {c.refused > 0 && <><dt>Refused</dt><dd className="num bad">{compact(c.refused)}</dd></>}
          {c.connected && <><dt /><dd><Group><Button size="compact-xs" variant="default" leftSection={<IconPlugX size={13} />} onClick={() => void end(c)}>End the connection</Button></Group></dd></>}
        </dl>
      ))}
    </Card>
  );
}
