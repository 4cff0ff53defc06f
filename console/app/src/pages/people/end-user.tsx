import { Badge, Button, Drawer, Group, Menu, Stack, Tabs, Text } from '@mantine/core';
import { IconCpu, IconDots, IconHistory, IconPencil, IconTrash } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';
import { api, must, type Schemas } from '../../api/client';
import { useSession } from '../../api/session';
import { AuditList } from '../../components/audit';
import { ID } from '../../components/code';
import { confirm } from '../../components/confirm';
import { Ago } from '../../components/marks';
import { Empty, Loaded } from '../../components/states';
import { arrayRows, DataTable } from '../../components/table';
import { attempt } from '../../lib/act';
import { EndUserForm } from './end-user-form';
import { SignIn } from './sign-in-state';

// EndUserDrawer is an end user beside the list.
export function EndUserDrawer({ id, onClose }: { id: string; onClose: () => void }) {
  const user = useQuery({
    queryKey: ['end-user', id],
    queryFn: async () => (await must(api.GET('/api/v1/end-users/{id}', { params: { path: { id }, query: { expand: 'organization,end-user-template' } } }))).endUser,
  });
  const name = user.data ? user.data.name || user.data.emailAddress || 'End user' : 'End user';
  return (
    <Drawer opened onClose={onClose} size={620} title={<Text fw={600} size="lg" className="break">{name}</Text>}>
      <Loaded query={user}>{(u) => <Details user={u} onClose={onClose} />}</Loaded>
    </Drawer>
  );
}

const place = (u: Schemas['EndUser']) => [u.address, u.postalCode, u.city, u.state, u.countryCode].filter(Boolean).join(', ');

function Details({ user, onClose }: { user: Schemas['EndUser']; onClose: () => void }) {
  const [changing, setChanging] = useState(false);
  const client = useQueryClient();
  const name = user.name || user.emailAddress || user.id;
  const remove = async () => {
    if (!await confirm({ title: 'Delete this end user?', body: 'They cannot sign in or connect any more. Their devices stay where they are. The end user can be recovered for a while, by the audit trail.', action: 'Delete', name })) return;
    if (!await attempt(() => must(api.DELETE('/api/v1/end-users/{id}', { params: { path: { id: user.id } }, headers: { etag: user.version } })), `${name} is deleted.`)) return;
    await client.invalidateQueries({ queryKey: ['end-users'] });
    onClose();
  };
  // Custom fields are members like the others; what the product has itself is shown above them.
  const own = new Set(['id', 'created', 'createdById', 'lastModified', 'lastModifiedById', 'version', 'accountId', 'name', 'emailAddress', 'phoneNumber', 'address', 'city', 'state', 'postalCode', 'countryCode', 'organizationId', 'organization', 'endUserTemplateId', 'endUserTemplate', 'userId', 'tags', 'ownedById', 'organizationTemplateId']);
  const custom = Object.entries(user).filter(([key, value]) => !own.has(key) && value !== null && value !== '');
  return (
    <Stack>
      <Group gap={8}>
        <Button variant="default" leftSection={<IconPencil size={15} />} onClick={() => setChanging(true)}>Change</Button>
        <Menu position="bottom-start">
          <Menu.Target><Button variant="default" px={10} aria-label="More"><IconDots size={16} /></Button></Menu.Target>
          <Menu.Dropdown><Menu.Item color="red" leftSection={<IconTrash size={15} />} onClick={() => void remove()}>Delete…</Menu.Item></Menu.Dropdown>
        </Menu>
      </Group>
      <Tabs defaultValue="details" keepMounted={false}>
        <Tabs.List mb="md"><Tabs.Tab value="details">Details</Tabs.Tab><Tabs.Tab value="devices">Devices</Tabs.Tab><Tabs.Tab value="sign-in">Sign-in</Tabs.Tab><Tabs.Tab value="audit">Changes</Tabs.Tab></Tabs.List>
        <Tabs.Panel value="details">
          <dl className="facts">
            <dt>Id, user name in MQTT</dt><dd><ID id={user.id} /></dd>
            <dt>E-mail address</dt><dd>{user.emailAddress ?? '–'}</dd>
            <dt>Phone</dt><dd>{user.phoneNumber ?? '–'}</dd>
            <dt>Address</dt><dd>{place(user) || '–'}</dd>
            <dt>Group</dt><dd>{user.organization ? <Link to={`/groups/${user.organization.id}`}>{user.organization.name}</Link> : '–'}</dd>
            <dt>Template</dt><dd>{user.endUserTemplate?.name ?? '–'}</dd>
            {user.tags.length > 0 && <><dt>Tags</dt><dd><Group gap={4}>{user.tags.map((t) => <Badge key={t} variant="light" color="gray" radius="sm" tt="none">{t}</Badge>)}</Group></dd></>}
            {custom.map(([key, value]) => [<dt key={key}>{key}</dt>, <dd key={`${key}:`}>{String(value)}</dd>])}
            <dt>Created</dt><dd><Ago time={user.created} /></dd>
            <dt>Last changed</dt><dd><Ago time={user.lastModified} /></dd>
          </dl>
        </Tabs.Panel>
        <Tabs.Panel value="devices"><Reach id={user.id} /></Tabs.Panel>
        <Tabs.Panel value="sign-in"><SignIn userId={user.userId} who={name} /></Tabs.Panel>
        <Tabs.Panel value="audit"><AuditList objectId={user.id} empty={<Empty icon={IconHistory} title="Nothing was changed yet" />} /></Tabs.Panel>
      </Tabs>
      <EndUserForm opened={changing} onClose={() => setChanging(false)} user={user} />
    </Stack>
  );
}

// Reach lists the devices that a user can reach, and why.
export function Reach({ id }: { id: string }) {
  const { accountId } = useSession();
  const devices = useQuery({
    queryKey: ['reach', id],
    queryFn: async () => (await must(api.GET('/api/v1/access/users/{id}/devices', { params: { path: { id }, query: { accountId, pageSize: 500 } } }))).devices,
  });
  return (
    <Loaded query={devices}>{({ results = [], meta }) => (
      <>
        <DataTable
          label="Devices" rows={arrayRows(results)} rowKey={(d) => d.id} height={Math.min(results.length * 41 + 40, 520)}
          columns={[
            { key: 'name', header: 'Device', width: 190, cell: (d) => <Link to={`/devices/${d.id}`}>{d.name || d.serialNumber}</Link> },
            { key: 'text', header: 'Because', cell: (d) => <span title={d.text}>{d.text}</span> },
          ]}
          empty={<Empty icon={IconCpu} title="No device in reach">Put the end user into the group of the devices, or share a device with them on its Access tab.</Empty>}
        />
        {meta && meta.count > results.length && <Text size="xs" c="dimmed" mt="xs">The first {results.length} of {meta.count}.</Text>}
      </>
    )}</Loaded>
  );
}
