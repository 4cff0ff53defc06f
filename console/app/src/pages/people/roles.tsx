import { Button, Checkbox, Group, Modal, SimpleGrid, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, must, type Schemas } from '../../api/client';
import { useSession } from '../../api/session';
import { confirm } from '../../components/confirm';
import { Card } from '../../components/page';
import { Failed, Loaded } from '../../components/states';
import { arrayRows, DataTable } from '../../components/table';
import { attempt, useSubmit } from '../../lib/act';

type Role = Schemas['Role'];

const permissions: [string, [string, string][]][] = [
  ['Devices', [['devices:read', 'See'], ['devices:update', 'Change'], ['devices:create', 'Make'], ['devices:delete', 'Delete'], ['devices:credential', 'Give credentials'], ['devices:associate', 'Hand over by code'], ['devices:share', 'Share']]],
  ['Channels', [['channels:read', 'Subscribe and read data'], ['channels:write', 'Publish']]],
  ['Groups', [['organizations:read', 'See'], ['organizations:update', 'Change'], ['organizations:create', 'Make'], ['organizations:delete', 'Delete'], ['organizations:share', 'Share']]],
  ['End users', [['endUsers:read', 'See'], ['endUsers:update', 'Change'], ['endUsers:create', 'Make'], ['endUsers:delete', 'Delete'], ['endUsers:credential', 'Give credentials'], ['endUsers:share', 'Share']]],
];

const builtin = [
  { name: 'viewer', description: 'Sees devices, their data, groups and end users.' },
  { name: 'operator', description: 'A viewer who also changes devices, publishes to their channels and hands them over by code.' },
  { name: 'owner', description: 'May do everything in the group and below it, and share it with others.' },
];

// Roles are sets of permissions, given by grants on groups, devices and saved searches.
export function Roles() {
  const { accountId } = useSession();
  const [form, setForm] = useState<Role | 'new' | null>(null);
  const list = useQuery({ queryKey: ['roles'], queryFn: async () => (await must(api.GET('/api/v1/access/roles', { params: { query: { accountId, pageSize: 200, sortBy: 'name' } } }))).roles.results ?? [] });
  return (
    <>
      <Card title="Roles" pad={false} actions={<Button size="xs" leftSection={<IconPlus size={15} />} onClick={() => setForm('new')}>New role</Button>}>
        <Loaded query={list}>{(own) => (
          <DataTable
            label="Roles" rows={arrayRows<{ name: string; description: string; role?: Role }>([...builtin, ...own.map((role) => ({ name: role.name ?? '', description: role.description ?? '', role }))])} rowKey={(r) => r.role?.id ?? r.name}
            columns={[
              { key: 'name', header: 'Name', width: 180, cell: (r) => (r.role ? <button type="button" className="plain row-link" onClick={() => setForm(r.role!)}>{r.name}</button> : <b>{r.name}</b>) },
              { key: 'description', header: 'What it allows', cell: (r) => <span title={r.description}>{r.description || (r.role?.permissions ?? []).join(', ')}</span> },
              { key: 'kind', header: '', width: 110, wide: true, right: true, cell: (r) => (r.role ? '' : <Text span size="xs" c="dimmed">always there</Text>) },
            ]}
          />
        )}</Loaded>
      </Card>
      <Text size="sm" c="dimmed" mt="sm">Roles are given on a group, a device or a saved search: see the Access tab of a device or the roles of a group.</Text>
      {form && <RoleForm role={form === 'new' ? undefined : form} onClose={() => setForm(null)} />}
    </>
  );
}

function RoleForm({ role, onClose }: { role?: Role; onClose: () => void }) {
  const { accountId } = useSession();
  const client = useQueryClient();
  const [name, setName] = useState(role?.name ?? '');
  const [description, setDescription] = useState(role?.description ?? '');
  const [chosen, setChosen] = useState<string[]>(role?.permissions ?? ['devices:read', 'channels:read', 'organizations:read']);
  const end = async () => { await client.invalidateQueries({ queryKey: ['roles'] }); onClose(); };
  const { submit, busy, errorOf, rest } = useSubmit(async () => {
    const body = { accountId, name, description, permissions: chosen };
    await must(role ? api.PUT('/api/v1/access/roles/{id}', { params: { path: { id: role.id } }, headers: { etag: role.version }, body }) : api.POST('/api/v1/access/roles', { body }));
    await end();
  });
  const remove = async () => {
    if (!role || !await confirm({ title: 'Delete this role?', body: 'Only a role that no grant uses can be deleted.', action: 'Delete', name: role.name ?? '' })) return;
    if (await attempt(() => must(api.DELETE('/api/v1/access/roles/{id}', { params: { path: { id: role.id } }, headers: { etag: role.version } })), 'The role is deleted.')) await end();
  };
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>{role ? role.name : 'New role'}</Text>} size="lg">
      <form onSubmit={(e) => void submit(e)}>
        <Stack>
          <TextInput label="Name" required value={name} onChange={(e) => setName(e.currentTarget.value)} error={errorOf('name')} data-autofocus />
          <Textarea label="Description" autosize minRows={1} value={description} onChange={(e) => setDescription(e.currentTarget.value)} error={errorOf('description')} />
          <Checkbox.Group value={chosen} onChange={setChosen}>
            <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="md">
              {permissions.map(([noun, list]) => (
                <Stack key={noun} gap={6} role="group" aria-label={noun}>
                  <Text size="sm" fw={570}>{noun}</Text>
                  {list.map(([value, label]) => <Checkbox key={value} size="xs" value={value} label={label} />)}
                </Stack>
              ))}
            </SimpleGrid>
          </Checkbox.Group>
          {errorOf('permissions') && <Failed error={new Error(errorOf('permissions'))} />}
          {rest(['name', 'description', 'permissions']) && <Failed error={rest(['name', 'description', 'permissions'])} />}
          <Group justify="space-between">
            <div>{role && <Button variant="subtle" color="red" onClick={() => void remove()}>Delete…</Button>}</div>
            <Group gap={8}><Button variant="default" onClick={onClose}>Cancel</Button><Button type="submit" loading={busy}>{role ? 'Save' : 'Create'}</Button></Group>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
