import { Button } from '@mantine/core';
import { IconCpu, IconUser } from '@tabler/icons-react';
import { Link, useNavigate } from 'react-router';
import { api, must, type Device, type Schemas } from '../../api/client';
import { useSession } from '../../api/session';
import { Ago, Online } from '../../components/marks';
import { Empty, Failed } from '../../components/states';
import { DataTable, useServerRows, type Column } from '../../components/table';

type EndUser = Schemas['EndUser'];

export const deviceColumns: Column<Device>[] = [
  { key: 'name', header: 'Name', cell: (d) => <Link to={`/devices/${d.id}`}>{d.name || d.serialNumber}</Link> },
  { key: 'serialNumber', header: 'Serial number', width: 160, wide: true, cell: (d) => <span className="mono">{d.serialNumber}</span> },
  { key: 'connected', header: 'State', width: 110, cell: (d) => <Online connected={d.connected} /> },
  { key: 'last', header: 'Last connected', width: 140, wide: true, cell: (d) => <Ago time={d.lastConnected} /> },
];

// Devices are those that are in the group itself.
export function Devices({ group }: { group: string }) {
  const { accountId } = useSession();
  const navigate = useNavigate();
  const { rows, query } = useServerRows<Device>(['groups', 'devices', group], async (page, pageSize, signal) => {
    const { devices } = await must(api.GET('/api/v1/devices', { params: { query: { accountId, page, pageSize, sortBy: 'name', sortOrder: 'asc', filters: { organizationId: group } } }, signal }));
    return { rows: devices.results ?? [], total: devices.meta?.count ?? 0 };
  });
  if (query.isError) return <Failed error={query.error} again={() => void query.refetch()} />;
  return <DataTable columns={deviceColumns} rows={rows} rowKey={(d) => d.id} label="Devices of the group" height="min(60dvh, 620px)" onRow={(d) => void navigate(`/devices/${d.id}`)}
    empty={query.isSuccess && <Empty icon={IconCpu} title="No device is in this group" action={<Button component={Link} to="/devices" variant="default" size="xs">Go to the devices</Button>}>Devices are moved here from their list, where many can be moved at once. Those of groups below are not listed here.</Empty>} />;
}

const endUserColumns: Column<EndUser>[] = [
  { key: 'name', header: 'Name', cell: (u) => <Link to={`/end-users/${u.id}`}>{u.name || u.emailAddress || u.id}</Link> },
  { key: 'email', header: 'E-mail address', width: 240, wide: true, cell: (u) => u.emailAddress },
  { key: 'created', header: 'Since', width: 130, wide: true, cell: (u) => <Ago time={u.created} /> },
];

export function EndUsers({ group }: { group: string }) {
  const { accountId } = useSession();
  const navigate = useNavigate();
  const { rows, query } = useServerRows<EndUser>(['groups', 'end-users', group], async (page, pageSize, signal) => {
    const { endUsers } = await must(api.GET('/api/v1/end-users', { params: { query: { accountId, page, pageSize, sortBy: 'name', sortOrder: 'asc', filters: { organizationId: group } } }, signal }));
    return { rows: endUsers.results ?? [], total: endUsers.meta?.count ?? 0 };
  });
  if (query.isError) return <Failed error={query.error} again={() => void query.refetch()} />;
  return <DataTable columns={endUserColumns} rows={rows} rowKey={(u) => u.id} label="End users of the group" height="min(60dvh, 620px)" onRow={(u) => void navigate(`/end-users/${u.id}`)}
    empty={query.isSuccess && <Empty icon={IconUser} title="No end user is in this group" action={<Button component={Link} to="/end-users" variant="default" size="xs">Go to the end users</Button>}>An end user sees the devices of their group and of all below it.</Empty>} />;
}
