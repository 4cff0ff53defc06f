import { Button, Checkbox, Group, Modal, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { api, must } from '../../api/client';
import { FieldInput, fieldValue } from '../../components/fields';
import { GroupPicker, TemplatePicker } from '../../components/pickers';
import { Failed } from '../../components/states';
import { useSubmit } from '../../lib/act';
import { useDeviceFields, useDeviceTemplates } from '../../lib/names';

// CreateDevice asks for what a device needs, and for the custom fields that its template requires.
export function CreateDevice({ opened, onClose, group }: { opened: boolean; onClose: () => void; group?: string }) {
  return (
    <Modal opened={opened} onClose={onClose} title={<Text fw={600}>Create a device</Text>}>
      <CreateForm group={group} onClose={onClose} />
    </Modal>
  );
}

function CreateForm({ onClose, group }: { onClose: () => void; group?: string }) {
  const navigate = useNavigate();
  const client = useQueryClient();
  const templates = useDeviceTemplates().data ?? [];
  const [template, setTemplate] = useState<string | null>(null);
  const [organizationId, setOrganizationId] = useState<string | null>(group ?? null);
  const [serialNumber, setSerialNumber] = useState('');
  const [name, setName] = useState('');
  const [tags, setTags] = useState<string[]>([]);
  const [more, setMore] = useState(false);
  const [custom, setCustom] = useState<Record<string, string>>({});
  const deviceTemplateId = template ?? (templates.find((t) => t.default === 'true') ?? templates[0])?.id ?? null;
  const fields = (useDeviceFields().data ?? []).filter((f) => f.deviceTemplateId === deviceTemplateId && (f.required === 'true' && !f.default));
  const form = useSubmit(async () => {
    const values = Object.fromEntries(fields.flatMap((f) => { const v = fieldValue(f.fieldType, custom[f.name] ?? ''); return v === null ? [] : [[f.name, v]]; }));
    const { device } = await must(api.POST('/api/v1/devices', { body: {
      deviceTemplateId: deviceTemplateId!, organizationId, serialNumber: serialNumber.trim(), name: name.trim() || null, tags, ...values,
    } }));
    void client.invalidateQueries({ queryKey: ['devices'] });
    if (more) { setSerialNumber(''); setName(''); return; }
    onClose();
    void navigate(`/devices/${device.id}/credentials`);
  });
  const known = ['serialNumber', 'name', 'deviceTemplateId', 'organizationId', 'tags', ...fields.map((f) => f.name)];
  return (
    <form onSubmit={(e) => void form.submit(e)}>
      <Stack gap="sm">
        <TextInput label="Serial number" description="One of its kind in the account" value={serialNumber} onChange={(e) => setSerialNumber(e.currentTarget.value)} error={form.errorOf('serialNumber')} required data-autofocus />
        <TextInput label="Name" value={name} onChange={(e) => setName(e.currentTarget.value)} error={form.errorOf('name')} />
        <TemplatePicker kind="devices" label="Template" value={deviceTemplateId} onChange={setTemplate} error={form.errorOf('deviceTemplateId')} allowDeselect={false} required />
        <GroupPicker label="Group" placeholder="None" value={organizationId} onChange={setOrganizationId} error={form.errorOf('organizationId')} clearable />
        <TagsInput label="Tags" placeholder={tags.length ? '' : 'Enter after each'} value={tags} onChange={setTags} error={form.errorOf('tags')} />
        {fields.map((f) => <FieldInput key={f.id} type={f.fieldType} label={f.name} required value={custom[f.name] ?? ''} onChange={(v) => setCustom({ ...custom, [f.name]: v })} error={form.errorOf(f.name)} />)}
        {form.rest(known) && <Failed error={form.rest(known)} />}
        <Group justify="space-between" mt={4}>
          <Checkbox size="xs" label="Create another" checked={more} onChange={(e) => setMore(e.currentTarget.checked)} />
          <Group gap={8}>
            <Button variant="default" onClick={onClose}>Cancel</Button>
            <Button type="submit" loading={form.busy} disabled={!serialNumber.trim() || !deviceTemplateId}>Create</Button>
          </Group>
        </Group>
      </Stack>
    </form>
  );
}
