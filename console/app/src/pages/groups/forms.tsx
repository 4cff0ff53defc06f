import { Alert, Button, Group as Row, Modal, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { api, must } from '../../api/client';
import { useSession } from '../../api/session';
import { GroupPicker, TemplatePicker, useTemplates } from '../../components/pickers';
import { useSubmit } from '../../lib/act';
import { move, useRefresh, type Group } from './load';

// CreateGroup makes a group in another, or at the top.
export function CreateGroup({ parent, onDone, onClose }: { parent: Group | null; onDone: (id: string) => void; onClose: () => void }) {
  const { accountId } = useSession();
  const refresh = useRefresh();
  const [name, setName] = useState('');
  const templates = useTemplates('organizations');
  const [template, setTemplate] = useState<string | null>(parent?.organizationTemplateId ?? null);
  const chosen = template ?? templates.data?.[0]?.id ?? null;
  const { submit, busy, errorOf, rest } = useSubmit(async () => {
    const { organization } = await must(api.POST('/api/v1/organizations', { body: { accountId, name, organizationTemplateId: chosen!, ...(parent && { parentId: parent.id }) } as never }));
    await refresh();
    onDone(organization.id);
  });
  const other = rest(['name']);
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>{parent ? `New group in ${parent.name}` : 'New group'}</Text>}>
      <form onSubmit={(e) => void submit(e)}>
        <Stack>
          <TextInput label="Name" value={name} onChange={(e) => setName(e.currentTarget.value)} required error={errorOf('name')} data-autofocus />
          <TemplatePicker kind="organizations" value={chosen} onChange={setTemplate} allowDeselect={false} />
          {other && <Alert color="red" role="alert">{other.message}</Alert>}
          <Row justify="flex-end"><Button variant="default" onClick={onClose}>Cancel</Button><Button type="submit" loading={busy} disabled={!chosen}>Create</Button></Row>
        </Stack>
      </form>
    </Modal>
  );
}

// RenameGroup changes name and description.
export function RenameGroup({ group, onClose }: { group: Group; onClose: () => void }) {
  const refresh = useRefresh();
  const [name, setName] = useState(group.name ?? '');
  const [description, setDescription] = useState(group.description ?? '');
  const { submit, busy, errorOf, rest } = useSubmit(async () => {
    await must(api.PUT('/api/v1/organizations/{id}', { params: { path: { id: group.id }, header: { etag: group.version } }, body: { name, description: description || null } as never }));
    await refresh();
    onClose();
  });
  const other = rest(['name', 'description']);
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>Change the group</Text>}>
      <form onSubmit={(e) => void submit(e)}>
        <Stack>
          <TextInput label="Name" value={name} onChange={(e) => setName(e.currentTarget.value)} required error={errorOf('name')} data-autofocus />
          <TextInput label="Description" value={description} onChange={(e) => setDescription(e.currentTarget.value)} error={errorOf('description')} />
          {other && <Alert color="red" role="alert">{other.message}</Alert>}
          <Row justify="flex-end"><Button variant="default" onClick={onClose}>Cancel</Button><Button type="submit" loading={busy}>Save</Button></Row>
        </Stack>
      </form>
    </Modal>
  );
}

// MoveGroup is the way to move a group without dragging it.
export function MoveGroup({ group, onClose }: { group: Group; onClose: () => void }) {
  const refresh = useRefresh();
  const [to, setTo] = useState<string | null>(group.parentId);
  const { submit, busy, error } = useSubmit(async () => { await move(group, to); await refresh(); onClose(); });
  return (
    <Modal opened onClose={onClose} title={<Text fw={600} className="break">Move {group.name}</Text>}>
      <form onSubmit={(e) => void submit(e)}>
        <Stack>
          <GroupPicker label="Into" placeholder="The top" description="All that is in it comes along. Who reaches the new place reaches it, too." value={to} onChange={setTo} data-autofocus />
          {error && <Alert color="red" role="alert">{error.message}</Alert>}
          <Row justify="flex-end"><Button variant="default" onClick={onClose}>Cancel</Button><Button type="submit" loading={busy} disabled={to === group.parentId}>Move</Button></Row>
        </Stack>
      </form>
    </Modal>
  );
}
