import { Badge, Button, Group, SimpleGrid, Text } from '@mantine/core';
import { IconPlus, IconRocket } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';
import { api, must, type Schemas } from '../../api/client';
import { curl } from '../../components/hints';
import { Card, Page } from '../../components/page';
import { Empty, Loaded } from '../../components/states';
import { useEvents } from '../../lib/live';
import { AttentionList } from './attention';
import { Figures } from './figures';
import { LogSeverities } from './log-severities';
import { ServerCard } from './server';
import { Traffic } from './traffic';

export type Overview = Schemas['Overview'];
type Live = Schemas['LiveFigures'];

// OverviewPage is how the account and the server are at this moment. The figures that change come by a stream.
export default function OverviewPage() {
  const [live, setLive] = useState<Live | null>(null);
  const overview = useQuery({
    queryKey: ['overview'], refetchInterval: 60_000,
    queryFn: async () => (await must(api.GET('/api/v1/overview'))).overview,
  });
  const state = useEvents('/api/v1/overview/live', ['figures'], (_, data) => {
    const next = JSON.parse(data) as Live;
    setLive((old) => ({ ...next, severities: next.severities ?? old?.severities ?? null }));
  });
  return (
    <Page
      title="Overview"
      actions={<LiveMark state={state} />}
      hints={[
        { title: 'These figures', command: curl('GET', '/api/v1/overview') },
        { title: 'As they change', command: `${curl('GET', '/api/v1/overview/live')} --no-buffer` },
        { title: 'By the command line', command: 'xively overview' },
        { title: 'For Prometheus, on the server itself', command: 'curl http://127.0.0.1:8080/metrics' },
      ]}
    >
      <Loaded query={overview}>{(o) => (o.counts.devices === 0 ? <First /> : <Whole overview={o} live={live} />)}</Loaded>
    </Page>
  );
}

function LiveMark({ state }: { state: 'connecting' | 'live' | 'broken' }) {
  return <Badge variant="light" color={state === 'live' ? 'brand' : 'gray'} tt="none" size="lg" leftSection={<span className={state === 'live' ? 'dot on' : 'dot'} />}>{state === 'live' ? 'Live' : 'Connecting…'}</Badge>;
}

function First() {
  return (
    <Card>
      <Empty icon={IconRocket} title="Everything is running. Connect the first device." action={
        <Group gap={8} justify="center">
          <Button component={Link} to="/first-device" leftSection={<IconPlus size={16} />}>Connect a device</Button>
          <Button component={Link} to="/devices/import" variant="default">Import many from CSV</Button>
        </Group>
      }>
        It takes a minute: a template says what the device sends, the device gets a secret, and its first message shows up here. To look around with made-up
        devices first, run <code className="mono">xively simulate</code> in a terminal.
      </Empty>
    </Card>
  );
}

function Whole({ overview, live }: { overview: Overview; live: Live | null }) {
  return (
    <>
      <Figures overview={overview} live={live} />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md" mt="md">
        <Card title="Traffic" actions={<Text size="xs" c="dimmed">last 24 hours</Text>}><Traffic history={overview.history} /></Card>
        <Card title="Log entries" actions={<Link to="/logs" className="small">Open the logs</Link>}><LogSeverities logs={overview.logs} severities={live?.severities ?? overview.logs.severities} /></Card>
        <Card title="Needs attention"><AttentionList attention={overview.attention} /></Card>
        {overview.server && <ServerCard server={overview.server} />}
      </SimpleGrid>
    </>
  );
}
