import { ActionIcon, Anchor, Badge, Button, Group, Menu, TagsInput, Text, TextInput, Tooltip } from '@mantine/core';
import { IconDots, IconPencil, IconPlus, IconTrash } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { send } from '../../api/client';
import { ID } from '../../components/code';
import { FieldInput, fieldTypes } from '../../components/fields';
import { Card } from '../../components/page';
import { arrayRows, DataTable, type Column } from '../../components/table';
import { attempt } from '../../lib/act';
import { plural } from '../../lib/format';
import { ChannelDialog, FieldDialog, TemplateDialog } from './dialogs';
import { channelsPath, pathOf, renewed, useFields, type Channel, type Field, type Kind, type Template as T } from './kinds';
import { remove } from './remove';

type Open = { field: Field | null } | { channel: Channel | null } | 'rename' | null;

// Template shows a template: what those that have it have in common.
export function Template({ kind, template: t, count }: { kind: Kind; template: T; count: number }) {
  const [open, setOpen] = useState<Open>(null);
  const client = useQueryClient();
  const navigate = useNavigate();
  const fields = useFields(kind, t.id).data;
  const close = () => setOpen(null);
  const acts = (edit: () => void, drop: () => void, name: string) => (
    <Group gap={2} wrap="nowrap" justify="flex-end">
      <Tooltip label="Change"><ActionIcon size="sm" aria-label={`Change ${name}`} onClick={edit}><IconPencil size={14} /></ActionIcon></Tooltip>
      <Tooltip label="Delete"><ActionIcon size="sm" aria-label={`Delete ${name}`} onClick={drop}><IconTrash size={14} /></ActionIcon></Tooltip>
    </Group>
  );
  const fieldColumns: Column<Field>[] = [
    { key: 'name', header: 'Field', width: 118, cell: (f) => <span className="mono">{f.name}</span> },
    { key: 'type', header: 'Type', width: 84, cell: (f) => fieldTypes.find((x) => x.value === f.fieldType)?.label ?? f.fieldType },
    { key: 'required', header: 'Required', width: 80, wide: true, cell: (f) => (f.required === 'true' ? 'yes' : '') },
    { key: 'default', header: 'Default', width: 110, wide: true, cell: (f) => f.default ?? '' },
    { key: 'acts', header: <span className="visually-hidden">Actions</span>, width: 76, right: true, cell: (f) => acts(() => setOpen({ field: f }), () => void remove(client, kind, pathOf(kind, 'custom-fields'), 'field', f), f.name) },
  ];
  const channelColumns: Column<Channel>[] = [
    { key: 'name', header: 'Channel', width: 128, cell: (c) => <span className="mono">{c.name}</span> },
    { key: 'persistence', header: 'Persistence', width: 116, cell: (c) => (c.persistenceType === 'timeSeries' ? 'Time series' : 'Messages only') },
    { key: 'keep', header: 'Kept for', width: 110, wide: true, cell: (c) => c.keepPoints ?? (c.persistenceType === 'timeSeries' ? <Text span size="xs" c="dimmed">{t.keepPoints ?? 'as the account'}</Text> : '') },
    { key: 'acts', header: <span className="visually-hidden">Actions</span>, width: 76, right: true, cell: (c) => acts(() => setOpen({ channel: c }), () => void remove(client, kind, channelsPath, 'channel', c), c.name ?? '') },
  ];
  const channels = (t.channelTemplates ?? []).filter((c) => !c.name?.startsWith('_'));
  return (
    <div className="model-template">
      <div className="model-head">
        <div style={{ minWidth: 0 }}>
          <h2 className="break">{t.name}</h2>
          <Group gap="4px 14px">
            <Anchor component={Link} size="sm" to={kind.key === 'devices' ? `/devices?q=${encodeURIComponent(`deviceTemplateId:=${t.id}`)}` : kind.objects}>{plural(count, kind.one, kind.many)}</Anchor>
            {kind.key === 'devices' && <Text span size="sm" c="dimmed">sign-in by {t.authenticationMethod === 'certificate' ? 'X.509 certificate' : 'secret'}</Text>}
            {t.default === 'true' && <Badge size="sm" radius="sm" variant="default" tt="none" fw={500}>default</Badge>}
            <ID id={t.id} short />
          </Group>
        </div>
        <Menu position="bottom-end">
          <Menu.Target><ActionIcon variant="default" size={34} aria-label="More"><IconDots size={16} /></ActionIcon></Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<IconPencil size={15} />} onClick={() => setOpen('rename')}>Rename…</Menu.Item>
            <Menu.Item leftSection={<IconTrash size={15} />} color="red" onClick={() => void remove(client, kind, pathOf(kind, 'templates'), 'template', t).then((done) => { if (done) void navigate(`/model/${kind.key}`); })}>Delete…</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
      <div className="model-columns">
        <div>
          {kind.key === 'devices' && (
            <Card title="Channels" pad={false} actions={<Button size="compact-sm" variant="default" leftSection={<IconPlus size={14} />} onClick={() => setOpen({ channel: null })}>Channel</Button>}>
              <DataTable label="Channels" columns={channelColumns} rows={arrayRows(channels)} rowKey={(c) => c.id} empty={<Text size="sm" c="dimmed" p="md">No channels yet. A channel is what devices of this template send on, or are sent: the end of an MQTT topic.</Text>} />
            </Card>
          )}
          <Card title="Fields" pad={false} actions={<Button size="compact-sm" variant="default" leftSection={<IconPlus size={14} />} onClick={() => setOpen({ field: null })}>Field</Button>}>
            <DataTable label="Custom fields" columns={fieldColumns} rows={arrayRows(fields ?? [])} rowKey={(f) => f.id} empty={fields && <Text size="sm" c="dimmed" p="md">No fields of its own yet, beside those that all {kind.many} have.</Text>} />
          </Card>
          {t.freeTopics && <More kind={kind} template={t} />}
        </div>
        <Form kind={kind} fields={fields ?? []} />
      </div>
      {open === 'rename' && <TemplateDialog kind={kind} old={t} onClose={close} />}
      {open && open !== 'rename' && 'field' in open && <FieldDialog kind={kind} template={t.id} old={open.field ?? undefined} onClose={close} />}
      {open && open !== 'rename' && 'channel' in open && <ChannelDialog kind={kind} template={t.id} old={open.channel ?? undefined} onClose={close} />}
    </div>
  );
}

// More are settings that few need.
function More({ kind, template: t }: { kind: Kind; template: T }) {
  const client = useQueryClient();
  const [topics, setTopics] = useState(t.freeTopics ?? []);
  const [keep, setKeep] = useState(t.keepPoints ?? '');
  const [busy, setBusy] = useState(false);
  const device = kind.key === 'devices';
  const changed = topics.join('\n') !== (t.freeTopics ?? []).join('\n') || keep.trim() !== (t.keepPoints ?? '');
  const save = async () => {
    setBusy(true);
    const body = { freeTopics: topics, ...(device && { keepPoints: keep.trim() || null }) };
    if (await attempt(() => send('PUT', `${pathOf(kind, 'templates')}/${t.id}`, body, { headers: { 'Content-Type': 'application/json', etag: t.version } }), 'Saved.')) renewed(client);
    setBusy(false);
  };
  return (
    <Card title="Topics and retention">
      <TagsInput label="Free topics" description={`Filters of topics outside of channels that these ${kind.many} may use, such as home/+/light`} value={topics} onChange={setTopics} placeholder={topics.length ? '' : 'None'} />
      {device && <TextInput mt="sm" label="Keep points for" description="Such as 30d, 12w, 5y or forever; empty as the account says" value={keep} onChange={(e) => setKeep(e.currentTarget.value)} maw={320} />}
      {changed && <Group mt="sm" gap={8}><Button size="xs" loading={busy} onClick={() => void save()}>Save</Button><Button size="xs" variant="default" onClick={() => { setTopics(t.freeTopics ?? []); setKeep(t.keepPoints ?? ''); }}>Cancel</Button></Group>}
    </Card>
  );
}

// Form is how the form of a new one looks.
function Form({ kind, fields }: { kind: Kind; fields: Field[] }) {
  const [values, setValues] = useState<Record<string, string>>({});
  const input = (name: string, type: string, required: boolean, preset: string | null) => (
    <FieldInput key={name} size="xs" type={type} label={name} required={required} value={values[name] ?? preset ?? ''} onChange={(v) => setValues({ ...values, [name]: v })} />
  );
  return (
    <Card title={`Form of a new ${kind.one}`} actions={<Text size="xs" c="dimmed">a preview, nothing is saved</Text>}>
      <div className="form-preview">
        {kind.own.map((f) => input(f.name, f.type, f.required ?? false, null))}
        {fields.map((f) => input(f.name, f.fieldType, f.required === 'true', f.fieldType === 'datetime' ? null : f.default))}
      </div>
    </Card>
  );
}
