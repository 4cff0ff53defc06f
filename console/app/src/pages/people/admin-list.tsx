import { Badge, Button, Drawer, Group, Modal, Stack, Tabs, Text, TextInput } from '@mantine/core';
import { IconHistory, IconMail, IconPlus, IconTrash } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, must, type Schemas } from '../../api/client';
import { useSession } from '../../api/session';
import { AuditList } from '../../components/audit';
import { Code, ID } from '../../components/code';
import { confirm, confirmed } from '../../components/confirm';
import { Ago } from '../../components/marks';
import { Card } from '../../components/page';
import { Empty, Failed, Loaded } from '../../components/states';
import { arrayRows, DataTable } from '../../components/table';
import { attempt, useSubmit } from '../../lib/act';
import { SignIn } from './sign-in-state';

type Admin = Schemas['AccountUser'] & { profile?: Schemas['Profile'] };

const nameOf = (a: Admin) => [a.profile?.firstName, a.profile?.lastName].filter(Boolean).join(' ') || a.name || a.profile?.emailAddress || a.id;

export function AdminList() {
  const { accountId, accountUserId } = useSession();
  const client = useQueryClient();
  const [chosen, setChosen] = useState<Admin | null>(null);
  const [inviting, setInviting] = useState(false);
  const admins = useQuery({
    queryKey: ['users', 'admins'],
    queryFn: async (): Promise<Admin[]> => {
      const [list, users] = await Promise.all([
        must(api.GET('/api/v1/account-users', { params: { query: { accountId, pageSize: 1000 } } })),
        must(api.GET('/api/v1/users', { params: { query: { accountId, pageSize: 1000 } } })),
      ]);
      const profiles = new Map((users.users.results ?? []).map((u) => [u.userId, u]));
      return (list.accountUsers.results ?? []).map((a) => ({ ...a, profile: a.userId ? profiles.get(a.userId) : undefined }));
    },
  });
  const invitations = useQuery({
    queryKey: ['users', 'invitations'],
    queryFn: async () => (await must(api.GET('/api/v1/invitations', { params: { query: { accountId, pageSize: 200 } } }))).invitations.results ?? [],
  });
  return (
    <Stack>
      <Card title="Admins" pad={false} actions={<Button size="xs" leftSection={<IconPlus size={15} />} onClick={() => setInviting(true)}>Invite an admin</Button>}>
        <Loaded query={admins}>{(list) => (
          <DataTable
            label="Admins" rows={arrayRows(list)} rowKey={(a) => a.id} onRow={setChosen}
            columns={[
              { key: 'name', header: 'Name', cell: (a) => <button type="button" className="plain row-link" onClick={() => setChosen(a)}>{nameOf(a)}{a.id === accountUserId && <Badge ml={8} size="xs" variant="light" color="gray" tt="none">you</Badge>}</button> },
              { key: 'mail', header: 'E-mail address', cell: (a) => a.profile?.emailAddress ?? '' },
              { key: 'role', header: 'Role', width: 110, cell: (a) => a.role },
              { key: 'job', header: 'Job', width: 140, wide: true, cell: (a) => a.profile?.jobRole ?? '' },
              { key: 'factor', header: 'Second factor', width: 120, wide: true, cell: (a) => (a.profile?.secondFactor ? 'On' : <Text span size="sm" c="dimmed">Off</Text>) },
              { key: 'state', header: 'State', width: 100, wide: true, cell: (a) => (a.profile?.disabled ? <Badge color="red" variant="light" tt="none" size="sm">disabled</Badge> : 'Active') },
            ]}
          />
        )}</Loaded>
      </Card>
      <Card title="Open invitations" pad={false}>
        <Loaded query={invitations}>{(list) => (
          <DataTable
            label="Open invitations" rows={arrayRows(list)} rowKey={(i) => i.id}
            empty={<Empty icon={IconMail} title="No open invitations">Who is invited gets a link to choose a password. It is good for a few days.</Empty>}
            columns={[
              { key: 'mail', header: 'E-mail address', cell: (i) => i.emailAddress },
              { key: 'created', header: 'Invited', width: 130, wide: true, cell: (i) => <Ago time={i.created} /> },
              { key: 'expires', header: 'Ends', width: 130, cell: (i) => <Ago time={i.expires} /> },
              { key: 'act', header: '', width: 110, right: true, cell: (i) => <Button size="compact-xs" variant="default" onClick={() => void attempt(() => confirmed(() => must(api.DELETE('/api/v1/invitations/{id}', { params: { path: { id: i.id } } }))), 'The invitation is taken back.').then(() => client.invalidateQueries({ queryKey: ['users', 'invitations'] }))}>Take back</Button> },
            ]}
          />
        )}</Loaded>
      </Card>
      {inviting && <Invite onClose={() => setInviting(false)} />}
      {chosen && <AdminDrawer admin={chosen} self={chosen.id === accountUserId} onClose={() => setChosen(null)} />}
    </Stack>
  );
}

function Invite({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const [emailAddress, setEmail] = useState('');
  const [link, setLink] = useState('');
  const { submit, busy, errorOf, rest } = useSubmit(async () => {
    const { invitation } = await confirmed(() => must(api.POST('/api/v1/invitations', { body: { emailAddress } })));
    await client.invalidateQueries({ queryKey: ['users', 'invitations'] });
    setLink(invitation.link ?? '');
    if (!invitation.link) onClose();
  });
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>Invite an admin</Text>}>
      {link ? (
        <Stack>
          <Text size="sm">Invited. A mail is on its way to <b className="break">{emailAddress}</b> if this server sends mail. You can also hand over the link yourself; it works once:</Text>
          <Code text={link} />
          <Group justify="flex-end"><Button onClick={onClose}>Done</Button></Group>
        </Stack>
      ) : (
        <form onSubmit={(e) => void submit(e)}>
          <Stack>
            <Text size="sm" c="dimmed">An admin may do everything in this account.</Text>
            <TextInput label="E-mail address" type="email" required value={emailAddress} onChange={(e) => setEmail(e.currentTarget.value)} error={errorOf('emailAddress')} data-autofocus />
            {rest(['emailAddress']) && <Failed error={rest(['emailAddress'])} />}
            <Group justify="flex-end"><Button variant="default" onClick={onClose}>Cancel</Button><Button type="submit" loading={busy}>Invite</Button></Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}

function AdminDrawer({ admin, self, onClose }: { admin: Admin; self: boolean; onClose: () => void }) {
  const client = useQueryClient();
  const name = nameOf(admin);
  const remove = async () => {
    if (!await confirm({ title: 'Remove this admin?', body: 'They lose everything they may do in this account, at once. What they made stays.', action: 'Remove', name })) return;
    if (!await attempt(() => confirmed(() => must(api.DELETE('/api/v1/account-users/{id}', { params: { path: { id: admin.id } }, headers: { etag: admin.version } }))), `${name} is no admin any more.`)) return;
    await client.invalidateQueries({ queryKey: ['users'] });
    onClose();
  };
  return (
    <Drawer opened onClose={onClose} size={560} title={<Text fw={600} size="lg" className="break">{name}</Text>}>
      <Stack>
        {!self && <Group><Button variant="default" color="red" leftSection={<IconTrash size={15} />} onClick={() => void remove()}>Remove…</Button></Group>}
        <Tabs defaultValue="sign-in" keepMounted={false}>
          <Tabs.List mb="md"><Tabs.Tab value="sign-in">Sign-in</Tabs.Tab><Tabs.Tab value="details">Details</Tabs.Tab><Tabs.Tab value="audit">Changes to them</Tabs.Tab></Tabs.List>
          <Tabs.Panel value="sign-in"><SignIn userId={admin.userId} who={name} self={self} /></Tabs.Panel>
          <Tabs.Panel value="details">
            <dl className="facts">
              <dt>Id, user name in MQTT</dt><dd><ID id={admin.id} /></dd>
              <dt>User id</dt><dd>{admin.userId ? <ID id={admin.userId} /> : '–'}</dd>
              <dt>Role</dt><dd>{admin.role}</dd>
              <dt>Phone</dt><dd>{admin.profile?.phoneNumber || '–'}</dd>
              <dt>Since</dt><dd><Ago time={admin.created} /></dd>
            </dl>
          </Tabs.Panel>
          <Tabs.Panel value="audit"><AuditList objectId={admin.id} empty={<Empty icon={IconHistory} title="Nothing was changed yet" />} /></Tabs.Panel>
        </Tabs>
      </Stack>
    </Drawer>
  );
}
