import { Button, Group, Select, Text } from '@mantine/core';
import { IconPlus, IconUsers } from '@tabler/icons-react';
import { useState } from 'react';
import { Link, useNavigate, useParams } from 'react-router';
import { api, must, type Schemas } from '../../api/client';
import { useSession } from '../../api/session';
import { curl } from '../../components/hints';
import { Ago } from '../../components/marks';
import { Card, Page } from '../../components/page';
import { GroupPicker, useTemplates } from '../../components/pickers';
import { QueryInput } from '../../components/query-input';
import { Empty, Failed } from '../../components/states';
import { DataTable, useServerRows, type Column, type Sort } from '../../components/table';
import { count } from '../../lib/format';
import { completeDirectory } from '../../lib/complete';
import { useURLState } from '../../lib/url-state';
import { EndUserDrawer } from './end-user';
import { EndUserForm } from './end-user-form';

export type EndUser = Schemas['EndUser'];

const columns: Column<EndUser>[] = [
  { key: 'name', header: 'Name', sort: true, cell: (u) => <Link to={`/end-users/${u.id}${location.search}`} className="row-link">{u.name || u.emailAddress || <Text span c="dimmed" size="sm">Without a name</Text>}</Link> },
  { key: 'emailAddress', header: 'E-mail address', sort: true, cell: (u) => u.emailAddress ?? '' },
  { key: 'organization', header: 'Group', cell: (u) => (u.organization ? <Link to={`/groups/${u.organization.id}`}>{u.organization.name}</Link> : '') },
  { key: 'endUserTemplate', header: 'Template', wide: true, width: 160, cell: (u) => u.endUserTemplate?.name ?? '' },
  { key: 'userId', header: 'Signs in', width: 100, wide: true, cell: (u) => (u.userId ? 'Yes' : <Text span c="dimmed" size="sm">No</Text>) },
  { key: 'created', header: 'Created', width: 120, sort: true, wide: true, cell: (u) => <Ago time={u.created} /> },
];

export default function EndUsersPage() {
  const { accountId } = useSession();
  const { id } = useParams();
  const navigate = useNavigate();
  const [view, setView] = useURLState({ q: '', sortBy: 'created', sortOrder: 'desc', group: '', template: '' });
  const [adding, setAdding] = useState(false);
  const templates = useTemplates('end-users');
  const filters = { ...(view.group && { organizationId: view.group }), ...(view.template && { endUserTemplateId: view.template }) };
  const query = { accountId, ...(view.q && { q: view.q }), sortBy: view.sortBy, sortOrder: view.sortOrder as Sort['order'] };
  const { rows, query: first } = useServerRows<EndUser>(['end-users', view], async (page, pageSize, signal) => {
    const { endUsers } = await must(api.GET('/api/v1/end-users', { params: { query: { ...query, filters, page, pageSize, expand: 'organization,end-user-template' } }, signal }));
    return { rows: endUsers.results ?? [], total: endUsers.meta?.count ?? 0 };
  });
  const filtered = view.q !== '' || view.group !== '' || view.template !== '';
  return (
    <Page
      fill title="End users" description="The people who own or use devices. What they may reach follows from their group and from grants."
      actions={<Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>New end user</Button>}
      hints={[
        { title: 'This list', command: curl('GET', `/api/v1/end-users?${new URLSearchParams({ ...query, ...filters, pageSize: '100' })}`) },
        { title: 'A new end user who can sign in', command: curl('POST', '/api/v1/end-users', { accountId, organizationId: '…', endUserTemplateId: '…', createIdmUser: true, idmUserEmail: 'ann@example.com' }) },
        { title: 'By the command line', command: 'xively end-users list -q "ann*" -o table' },
      ]}
    >
      <Group gap={8} mb="sm" align="flex-start">
        <QueryInput value={view.q} onChange={(q) => setView({ q })} complete={completeDirectory('endUser')} name="end-users" label="Search end users" placeholder='ann*   emailAddress:*@example.com   city:Boston' />
        <GroupPicker label={undefined} aria-label="Group" placeholder="Any group" value={view.group || null} onChange={(v) => setView({ group: v ?? '' })} w={200} />
        <Select aria-label="Template" placeholder="Any template" clearable value={view.template || null} onChange={(v) => setView({ template: v ?? '' })} data={(templates.data ?? []).map((t) => ({ value: t.id, label: t.name }))} w={180} />
        <Text size="sm" c="dimmed" className="num" style={{ alignSelf: 'center', minWidth: 80, textAlign: 'right' }}>{first.data ? `${count(rows.total)} in all` : ''}</Text>
      </Group>
      {first.isError ? <Failed error={first.error} again={() => void first.refetch()} /> : (
        <Card pad={false} className="grow">
          <DataTable
            label="End users" columns={columns} rows={first.isPending ? { total: 12, at: () => undefined, see: () => {} } : rows} rowKey={(u) => u.id} height="100%"
            sort={{ by: view.sortBy, order: view.sortOrder as Sort['order'] }} onSort={(s) => setView({ sortBy: s.by, sortOrder: s.order })} onRow={(u) => navigate({ pathname: `/end-users/${u.id}`, search: location.search })} current={id}
            empty={filtered
              ? <Empty icon={IconUsers} title="Nobody fits these filters" action={<Button variant="default" onClick={() => setView({ q: '', group: '', template: '' })}>Show everybody</Button>} />
              : <Empty icon={IconUsers} title="No end users yet" action={<Button onClick={() => setAdding(true)}>New end user</Button>}>End users sign in to your own app, see the devices of their group, and claim devices with association codes.</Empty>}
          />
        </Card>
      )}
      <EndUserForm opened={adding} onClose={() => setAdding(false)} group={view.group || undefined} />
      {id && <EndUserDrawer id={id} onClose={() => navigate({ pathname: '/end-users', search: location.search })} />}
    </Page>
  );
}
