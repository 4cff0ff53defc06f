import { ActionIcon, Alert, Button, Group as Row, Modal, Select, Stack, Text, TextInput, Tooltip } from '@mantine/core';
import { IconKey, IconPlus, IconTrash } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, must, type Schemas } from '../../api/client';
import { useSession } from '../../api/session';
import { confirm } from '../../components/confirm';
import { Ago } from '../../components/marks';
import { Empty, Failed } from '../../components/states';
import { arrayRows, DataTable, type Column } from '../../components/table';
import { attempt, useSubmit } from '../../lib/act';
import { kindNames, Lookup } from '../access/lookup';
import type { Group } from './load';

type Grant = Schemas['Grant'] & { subject?: { name?: string | null; emailAddress?: string | null } };

const roles = [['viewer', 'Viewer: sees and receives'], ['operator', 'Operator: publishes and changes, too'], ['owner', 'Owner: everything, also sharing']] as const;

// Grants are who may do what with a group and all below it, beside those who are in it.
export function Grants({ group }: { group: Group }) {
  const { accountId } = useSession();
  const client = useQueryClient();
  const [adding, setAdding] = useState(false);
  const query = useQuery({
    queryKey: ['grants', group.id],
    queryFn: async ({ signal }) => (await must(api.GET('/api/v1/access/grants', { params: { query: { accountId, pageSize: 1000, filters: { objectId: group.id }, expand: 'subject' } }, signal }))).grants.results as Grant[] ?? [],
  });
  const refresh = () => client.invalidateQueries({ queryKey: ['grants', group.id] });
  const nameOf = (g: Grant) => g.subject?.name || g.subject?.emailAddress || g.subjectId;
  const remove = async (g: Grant) => {
    if (!await confirm({ title: 'Take this grant back?', body: `${nameOf(g)} loses the role ${g.role} on ${group.name} at once, also for messages that are under way.`, action: 'Take it back' })) return;
    if (await attempt(() => must(api.DELETE('/api/v1/access/grants/{id}', { params: { path: { id: g.id }, header: { etag: g.version } } })), 'The grant is gone.')) void refresh();
  };
  const columns: Column<Grant>[] = [
    { key: 'subject', header: 'Who', cell: nameOf },
    { key: 'kind', header: 'Kind', width: 110, wide: true, cell: (g) => <Text span size="sm" c="dimmed">{kindNames[g.subjectType] ?? g.subjectType}</Text> },
    { key: 'role', header: 'Role', width: 110, cell: (g) => g.role },
    { key: 'channels', header: 'Channels', width: 150, wide: true, cell: (g) => (g.channels?.length ? g.channels.join(', ') : <Text span size="sm" c="dimmed">all</Text>) },
    { key: 'expires', header: 'Expires', width: 120, wide: true, cell: (g) => <Ago time={g.expires} empty="never" /> },
    { key: 'acts', header: <span className="visually-hidden">Actions</span>, width: 56, right: true, cell: (g) => <Tooltip label="Take back"><ActionIcon size="sm" aria-label={`Take the grant of ${nameOf(g)} back`} onClick={() => void remove(g)}><IconTrash size={15} /></ActionIcon></Tooltip> },
  ];
  const add = <Button size="xs" variant="default" leftSection={<IconPlus size={14} />} onClick={() => setAdding(true)}>Grant access</Button>;
  if (query.isError) return <Failed error={query.error} again={() => void query.refetch()} />;
  return (
    <>
      {query.data?.length === 0 ? <Empty icon={IconKey} title="Nothing is granted here" action={add}>Who is in the group reaches it and all below. A grant gives others a role on it.</Empty> : (
        <><Row p={12} justify="flex-end">{add}</Row><DataTable columns={columns} rows={arrayRows(query.data ?? [])} rowKey={(g) => g.id} label="Grants" /></>
      )}
      {adding && <AddGrant group={group} onClose={() => setAdding(false)} onDone={() => { setAdding(false); void refresh(); }} />}
    </>
  );
}

function AddGrant({ group, onClose, onDone }: { group: Group; onClose: () => void; onDone: () => void }) {
  const { accountId } = useSession();
  const [subject, setSubject] = useState('');
  const [role, setRole] = useState('viewer');
  const [expires, setExpires] = useState('');
  const custom = useQuery({ queryKey: ['roles'], queryFn: async () => (await must(api.GET('/api/v1/access/roles', { params: { query: { accountId, pageSize: 1000 } } }))).roles.results ?? [] });
  const { submit, busy, error } = useSubmit(async () => {
    const hit = (await must(api.GET('/api/v1/search', { params: { query: { accountId, q: `id:${subject}`, kinds: 'endUser,accountUser,organization', pageSize: 1 } } }))).search.results?.[0];
    const own = !roles.some(([r]) => r === role);
    await must(api.POST('/api/v1/access/grants', { body: {
      accountId, subjectType: (hit?.kind ?? 'endUser') as 'endUser', subjectId: subject, objectType: 'organization', objectId: group.id, role: own ? 'custom' : role, ...(own && { roleId: role }), ...(expires && { expires: new Date(expires).toISOString() }),
    } as never }));
    onDone();
  });
  return (
    <Modal opened onClose={onClose} title={<Text fw={600} className="break">Access to {group.name} and all below it</Text>}>
      <form onSubmit={(e) => void submit(e)}>
        <Stack>
          <Lookup label="Who" kinds={['endUser', 'accountUser', 'organization']} value={subject} onChange={setSubject} placeholder="An end user, an admin, or everybody in a group" required data-autofocus />
          <Select label="Role" data={[...roles.map(([v, label]) => ({ value: v as string, label })), ...(custom.data ?? []).map((r) => ({ value: r.id, label: r.name ?? r.id }))]} value={role} onChange={(v) => setRole(v ?? 'viewer')} allowDeselect={false} />
          <TextInput type="datetime-local" label="Until" description="Empty for always" value={expires} onChange={(e) => setExpires(e.currentTarget.value)} />
          {error && <Alert color="red" role="alert">{error.message}</Alert>}
          <Row justify="flex-end"><Button variant="default" onClick={onClose}>Cancel</Button><Button type="submit" loading={busy} disabled={subject === ''}>Grant</Button></Row>
        </Stack>
      </form>
    </Modal>
  );
}
