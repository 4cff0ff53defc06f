import { ActionIcon, Anchor, Button, Group, Menu, Tabs, Text } from '@mantine/core';
import { IconCpuOff, IconDots, IconTrash } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { lazy, Suspense, useEffect, useRef } from 'react';
import { Link, useNavigate, useParams } from 'react-router';
import { api, ApiError, must, type Device } from '../../api/client';
import { AuditList } from '../../components/audit';
import { ID } from '../../components/code';
import { confirm } from '../../components/confirm';
import { Ago } from '../../components/marks';
import { Card, Page } from '../../components/page';
import { Empty, Failed, Loading } from '../../components/states';
import { attempt } from '../../lib/act';
import './device.css';
import { deviceHints } from './hints';
import { changed, useDevice } from './load';
import { Overview } from './overview';

const Access = lazy(() => import('./access'));
const Credentials = lazy(() => import('./credentials'));
const Data = lazy(() => import('./data'));
const Diagnose = lazy(() => import('./diagnose'));
const Live = lazy(() => import('./live'));
const Logs = lazy(() => import('./logs'));

const tabs = [['overview', 'Overview'], ['live', 'Live'], ['data', 'Data'], ['logs', 'Logs'], ['diagnose', 'Diagnose'], ['access', 'Access'], ['credentials', 'Credentials'], ['audit', 'Audit']] as const;

export default function DevicePage() {
  const { id = '', tab = 'overview' } = useParams();
  const query = useDevice(id);
  if (query.data) return <Shown device={query.data} tab={tab} />;
  if (query.error instanceof ApiError && query.error.status === 404) return <Gone id={id} />;
  return <Page title="Device" back={{ to: '/devices', label: 'Devices' }}>{query.isError ? <Failed error={query.error} again={() => void query.refetch()} /> : <Loading />}</Page>;
}

function Shown({ device: d, tab }: { device: Device; tab: string }) {
  const navigate = useNavigate();
  const name = d.name || d.serialNumber;
  const fill = tab === 'live' || tab === 'logs';
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => { // on a narrow screen the list is wider than the page
    const active = list.current?.querySelector<HTMLElement>('[aria-selected=true]');
    if (active) list.current!.scrollLeft = active.offsetLeft - (list.current!.clientWidth - active.offsetWidth) / 2;
  }, [tab]);
  return (
    <Page title={name} back={{ to: '/devices', label: 'Devices' }} fill={fill} hints={deviceHints(d, tab)} actions={<More device={d} />}
      heading={<span className="device-name"><span className={d.connected ? 'dot on' : 'dot'} role="img" aria-label={d.connected ? 'online' : 'offline'} />{name}</span>}
      description={
        <Group gap="4px 18px" mt={4}>
          <ID id={d.serialNumber} />
          <span>{d.connected ? <>Online since <Ago time={d.lastConnected} /></> : d.lastConnected ? <>Offline, seen <Ago time={d.lastConnected} /></> : 'Never connected'}</span>
          {d.deviceTemplate && <Anchor component={Link} size="sm" to={`/model/devices/${d.deviceTemplateId}`}>{d.deviceTemplate.name}</Anchor>}
          {d.organization && <Anchor component={Link} size="sm" to={`/groups/${d.organizationId}`}>{d.organization.name}</Anchor>}
        </Group>
      }>
      <Tabs value={tab} onChange={(t) => void navigate(`/devices/${d.id}${t === 'overview' ? '' : `/${t}`}`)} keepMounted={false} mb="md" className="device-tabs">
        <Tabs.List ref={list}>{tabs.map(([key, label]) => <Tabs.Tab key={key} value={key}>{label}</Tabs.Tab>)}</Tabs.List>
      </Tabs>
      <div role="tabpanel" aria-label={tab} className={fill ? 'grow device-fill' : undefined}>
        <Suspense fallback={<Loading />}>
          {tab === 'overview' && <Overview device={d} />}
          {tab === 'live' && <Live device={d} />}
          {tab === 'data' && <Data device={d} />}
          {tab === 'logs' && <Logs device={d} />}
          {tab === 'diagnose' && <Diagnose device={d} />}
          {tab === 'access' && <Access device={d} />}
          {tab === 'credentials' && <Credentials device={d} />}
          {tab === 'audit' && <Card title="Who changed what" pad={false}><AuditList objectId={d.id} empty={<Text size="sm" c="dimmed" p="md">Nothing was changed that the trail still remembers.</Text>} /></Card>}
        </Suspense>
      </div>
    </Page>
  );
}

function More({ device: d }: { device: Device }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const remove = async () => {
    const name = d.name || d.serialNumber;
    if (!await confirm({ title: 'Delete this device?', name, action: 'Delete', body: 'It is disconnected at once and cannot come back: its credentials go with it. Its points and log entries stay until their time is over. It can be recovered for a while.' })) return;
    if (await attempt(() => must(api.DELETE('/api/v1/devices/{id}', { params: { path: { id: d.id } } })), `${name} is deleted.`)) {
      void client.invalidateQueries({ queryKey: ['devices'] });
      await client.resetQueries({ queryKey: ['device', d.id] });
      void navigate(`/devices/${d.id}`, { replace: true });
    }
  };
  return (
    <Menu position="bottom-end">
      <Menu.Target><ActionIcon variant="default" size={36} aria-label="More"><IconDots size={17} /></ActionIcon></Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component={Link} to={`/access?object=${d.id}`}>Explain who may reach it</Menu.Item>
        <Menu.Item component={Link} to={`/logs?q=${encodeURIComponent(`sourceId:${d.id}`)}`}>Its entries in the logs explorer</Menu.Item>
        <Menu.Divider />
        <Menu.Item color="red" leftSection={<IconTrash size={15} />} onClick={() => void remove()}>Delete…</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

// Gone stands where a device was deleted, or never was.
function Gone({ id }: { id: string }) {
  const client = useQueryClient();
  const recover = () => attempt(async () => {
    const { device } = await must(api.POST('/api/v1/devices/{id}/recover', { params: { path: { id } } }));
    changed(client, device);
  }, 'The device is back, with its credentials.');
  return (
    <Page title="Device" back={{ to: '/devices', label: 'Devices' }}>
      <Card>
        <Empty icon={IconCpuOff} title="There is no device of this id" action={<Group justify="center"><Button variant="default" onClick={() => void recover()}>Recover it</Button><Button component={Link} to="/devices" variant="subtle">All devices</Button></Group>}>
          If it was deleted a while ago, it can be recovered with its credentials.
        </Empty>
      </Card>
    </Page>
  );
}
