import { Button, Group, Select, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Failed } from '../../components/states';
import { useSubmit } from '../../lib/act';
import type { DeviceTemplate } from '../../lib/names';
import { AuthenticationChoice } from '../model/dialogs';
import { Step } from './first-device';
import { channelError, make, type Made } from './make';

const fresh = 'new';

// Everything has a value that will do, so that one press goes on.
const serial = () => `SN-${String(crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000).padStart(6, '0')}`;

// Define asks what the device is, and makes it with all that it needs.
export function Define({ templates, onMade }: { templates: DeviceTemplate[]; onMade: (m: Made) => void }) {
  const usable = templates.filter((t) => t.channelTemplates.some((c) => !c.name?.startsWith('_')));
  const client = useQueryClient();
  const [template, setTemplate] = useState<string>(usable[0]?.id ?? fresh);
  const [templateName, setTemplateName] = useState(usable.length === 0 ? 'Sensor' : '');
  const [channel, setChannel] = useState('temperature');
  const [method, setMethod] = useState('password');
  const [serialNumber, setSerialNumber] = useState(serial);
  const [name, setName] = useState('First device');
  const isNew = template === fresh;
  const authenticationMethod = (isNew ? method : usable.find((t) => t.id === template)?.authenticationMethod) === 'certificate' ? 'certificate' : 'password';
  const form = useSubmit(async () => {
    const made = await make({ templateId: isNew ? null : template, templateName, authenticationMethod, channel, serialNumber, name });
    for (const k of [['device-templates'], ['devices'], ['device-fields']]) void client.invalidateQueries({ queryKey: k });
    onMade(made);
  });
  const ready = serialNumber.trim() !== '' && (!isNew || (templateName.trim() !== '' && channelError(channel) === undefined));
  return (
    <section className="card step">
      <Step n={1} title="What is it?" note="A template says what devices of a kind have in common: their fields, and the channels they send on." />
      <form className="step-body" onSubmit={(e) => void form.submit(e)}>
        <div className="step-fields">
          {usable.length > 0 && <Select label="Template" value={template} onChange={(v) => setTemplate(v ?? fresh)} allowDeselect={false} data={[...usable.map((t) => ({ value: t.id, label: t.name ?? t.id })), { value: fresh, label: 'A new template…' }]} />}
          {isNew && <TextInput label={usable.length > 0 ? 'Name of the new template' : 'Template'} value={templateName} onChange={(e) => setTemplateName(e.currentTarget.value)} error={form.errorOf('name')} required />}
          {isNew && <TextInput label="Channel" description="What it sends; points on it are kept and charted" value={channel} onChange={(e) => setChannel(e.currentTarget.value)} error={channel.trim() ? channelError(channel) : undefined} required />}
          <TextInput label="Serial number" description={isNew ? 'One of its kind in the account' : undefined} value={serialNumber} onChange={(e) => setSerialNumber(e.currentTarget.value)} error={form.errorOf('serialNumber')} required />
          <TextInput label="Name" description={isNew ? 'What people call it' : undefined} value={name} onChange={(e) => setName(e.currentTarget.value)} />
        </div>
        {isNew && <AuthenticationChoice value={method} onChange={setMethod} />}
        {form.rest(['name', 'serialNumber']) && <Failed error={form.rest(['name', 'serialNumber'])} />}
        <Group justify="flex-end"><Button type="submit" loading={form.busy} disabled={!ready} data-autofocus>{authenticationMethod === 'certificate' ? 'Create it' : 'Create it, with credentials'}</Button></Group>
      </form>
    </section>
  );
}
