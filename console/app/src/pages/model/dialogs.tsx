import { Button, Checkbox, Group, Modal, Radio, SegmentedControl, Select, Stack, Text, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { send } from '../../api/client';
import { FieldInput, fieldText, fieldTypes, fieldValue } from '../../components/fields';
import { useSubmit } from '../../lib/act';
import { channelError } from '../first-device/make';
import { Effect } from './effect';
import { channelsPath, pathOf, renewed, type Channel, type Field, type Kind, type Template } from './kinds';

interface Frame { title: string; onClose: () => void; children: ReactNode; form: ReturnType<typeof useSubmit>; action: string; ready: boolean; known: string[] }

function Dialog({ title, onClose, children, form, action, ready, known }: Frame) {
  const rest = form.rest(known);
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>{title}</Text>}>
      <form onSubmit={(e) => void form.submit(e)}>
        <Stack gap="sm">
          {children}
          {rest && <Text size="sm" c="red" role="alert">{rest.message}</Text>}
          <Group justify="flex-end" mt={4}><Button variant="default" onClick={onClose}>Cancel</Button><Button type="submit" loading={form.busy} disabled={!ready}>{action}</Button></Group>
        </Stack>
      </form>
    </Modal>
  );
}

// save makes a new object, or changes the version that was shown.
const save = (path: string, body: object, old?: { id: string; version: string }) =>
  (old ? send('PUT', `${path}/${old.id}`, body, { headers: { 'Content-Type': 'application/json', etag: old.version } }) : send('POST', path, body)) as Promise<Record<string, { id: string }>>;

export function TemplateDialog({ kind, old, onClose, onMade }: { kind: Kind; old?: Template; onClose: () => void; onMade?: (id: string) => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(old?.name ?? '');
  const [authenticationMethod, setMethod] = useState('password');
  const choice = kind.key === 'devices' && !old;
  const form = useSubmit(async () => {
    const made = await save(pathOf(kind, 'templates'), { name: name.trim(), ...(choice && { authenticationMethod }) }, old);
    renewed(client);
    onClose();
    if (!old) onMade?.(made[kind.template].id);
  });
  return (
    <Dialog title={old ? 'Rename the template' : `New template of ${kind.many}`} onClose={onClose} form={form} action={old ? 'Rename' : 'Create'} ready={name.trim() !== ''} known={['name']}>
      <TextInput label="Name" value={name} onChange={(e) => setName(e.currentTarget.value)} error={form.errorOf('name')} required data-autofocus />
      {choice && <AuthenticationChoice value={authenticationMethod} onChange={setMethod} />}
    </Dialog>
  );
}

// AuthenticationChoice asks how the devices of a new template sign in.
export function AuthenticationChoice({ value, onChange }: { value: string; onChange: (method: string) => void }) {
  return (
    <Radio.Group label="Its devices sign in with" description="For all of them; it cannot be changed later" value={value} onChange={onChange}>
      <Stack gap={8} mt={8}>
        <Radio value="password" label="A secret" description="Made by the server, one for each device: its MQTT password" />
        <Radio value="certificate" label="An X.509 certificate" description="Each device’s own, registered here; its private key never leaves the device" />
      </Stack>
    </Radio.Group>
  );
}

export function FieldDialog({ kind, template, old, onClose }: { kind: Kind; template: string; old?: Field; onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(old?.name ?? '');
  const [type, setType] = useState<string>(old?.fieldType ?? 'string');
  const [required, setRequired] = useState(old?.required === 'true');
  const [preset, setPreset] = useState(fieldText(type, old?.default));
  const value = fieldValue(type, preset);
  const members = { name: name.trim(), fieldType: type, required: String(required), default: value === null ? null : String(value) };
  const body = old ? { id: old.id, ...members } : { [kind.templateId]: template, ...members };
  const path = pathOf(kind, 'custom-fields');
  const form = useSubmit(async () => {
    await save(path, old ? members : body, old);
    renewed(client);
    onClose();
  });
  return (
    <Dialog title={old ? 'Change the field' : 'New field'} onClose={onClose} form={form} action={old ? 'Save' : 'Add'} ready={name.trim() !== ''} known={['name', 'fieldType', 'default']}>
      <TextInput label="Name" description="As a member in the API, such as batteryLevel" value={name} onChange={(e) => setName(e.currentTarget.value)} error={form.errorOf('name')} required data-autofocus />
      <Select label="Type" data={fieldTypes} value={type} onChange={(t) => { setType(t ?? 'string'); setPreset(''); }} allowDeselect={false} error={form.errorOf('fieldType')} />
      <FieldInput type={type} label="Value of new ones that name none" value={preset} onChange={setPreset} error={form.errorOf('default')} />
      <Checkbox label="Required" description={`A new ${kind.one} must have a value`} checked={required} onChange={(e) => setRequired(e.currentTarget.checked)} />
      <Effect path={path} kind={kind} body={name.trim() ? body : null} />
    </Dialog>
  );
}

export function ChannelDialog({ kind, template, old, onClose }: { kind: Kind; template: string; old?: Channel; onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState(old?.name ?? '');
  const [persistenceType, setType] = useState<string>(old?.persistenceType ?? 'timeSeries');
  const [keepPoints, setKeep] = useState(old?.keepPoints ?? '');
  const members = { name: name.trim(), persistenceType, keepPoints: persistenceType === 'timeSeries' && keepPoints.trim() ? keepPoints.trim() : null };
  const body = old ? { id: old.id, ...members } : { entityId: template, entityType: 'deviceTemplate', ...members };
  const wrong = name.trim() ? channelError(name) : undefined;
  const form = useSubmit(async () => {
    await save(channelsPath, old ? members : body, old);
    renewed(client);
    onClose();
  });
  return (
    <Dialog title={old ? 'Change the channel' : 'New channel'} onClose={onClose} form={form} action={old ? 'Save' : 'Add'} ready={name.trim() !== '' && !wrong} known={['name', 'keepPoints']}>
      <TextInput label="Name" description="The end of its topic: xi/blue/v1/…/d/<device>/<name>" value={name} onChange={(e) => setName(e.currentTarget.value)} error={wrong ?? form.errorOf('name')} required data-autofocus />
      <div>
        <Text size="sm" fw={500} mb={4} id="persistence">Persistence</Text>
        <SegmentedControl fullWidth aria-labelledby="persistence" value={persistenceType} onChange={setType} data={[{ value: 'timeSeries', label: 'Time series' }, { value: 'simple', label: 'Messages only' }]} />
        <Text size="xs" c="dimmed" mt={4}>{persistenceType === 'timeSeries' ? 'Its points are kept, charted, and read over REST.' : 'Messages are delivered and not kept.'}</Text>
      </div>
      {persistenceType === 'timeSeries' && <TextInput label="Keep points for" description="Such as 30d, 12w, 5y or forever; empty as the template says" value={keepPoints} onChange={(e) => setKeep(e.currentTarget.value)} error={form.errorOf('keepPoints')} />}
      <Effect path={channelsPath} kind={kind} body={name.trim() && !wrong ? body : null} />
    </Dialog>
  );
}
