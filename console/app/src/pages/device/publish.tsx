import { Button, Checkbox, Group, Select, Text, Textarea, Tooltip } from '@mantine/core';
import { IconSend } from '@tabler/icons-react';
import { useState } from 'react';
import type { Device } from '../../api/client';
import { useSubmit } from '../../lib/act';
import { platformChannel } from './load';

type QoS = 0 | 1 | 2;

interface Props { device: Device; connected: boolean; publish: (topic: string, payload: string, options: { qos: QoS; retain: boolean }) => Promise<void> }

// Publish sends a message on a channel of the device, as the admin.
export function Publish({ device: d, connected, publish }: Props) {
  const own = d.channels.filter((c) => !platformChannel(c.channelTemplateName));
  const control = d.channels.filter((c) => platformChannel(c.channelTemplateName));
  const option = (c: Device['channels'][number]) => ({ value: c.channel, label: c.channelTemplateName });
  const [topic, setTopic] = useState<string | null>(d.channels[0]?.channel ?? null);
  const [payload, setPayload] = useState('');
  const [qos, setQoS] = useState('1');
  const [retain, setRetain] = useState(false);
  const [sent, setSent] = useState(0);
  const form = useSubmit(async () => { await publish(topic!, payload, { qos: Number(qos) as QoS, retain }); setSent((n) => n + 1); });
  return (
    <form className="card publish" onSubmit={(e) => void form.submit(e)}>
      <Group gap={8} align="flex-start" wrap="wrap">
        <Select size="xs" aria-label="Channel" value={topic} onChange={setTopic} allowDeselect={false} searchable w={200}
          data={[{ group: 'Channels', items: own.map(option) }, { group: 'Of the platform', items: control.map(option) }].filter((g) => g.items.length > 0)} />
        <Textarea size="xs" aria-label="Payload" placeholder='Payload, such as 21.5 or {"on":true}' value={payload} onChange={(e) => setPayload(e.currentTarget.value)} autosize minRows={1} maxRows={6} style={{ flex: '1 1 220px' }} styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
          onKeyDown={(e) => { if (e.key === 'Enter' && !e.shiftKey) { e.preventDefault(); e.currentTarget.form?.requestSubmit(); } }} />
        <Select size="xs" aria-label="QoS" value={qos} onChange={(v) => setQoS(v ?? '1')} data={['0', '1', '2'].map((v) => ({ value: v, label: `QoS ${v}` }))} w={84} allowDeselect={false} />
        <Tooltip label="The server keeps it for whoever subscribes later"><div><Checkbox size="xs" label="Retain" checked={retain} onChange={(e) => setRetain(e.currentTarget.checked)} mt={7} /></div></Tooltip>
        <Button type="submit" size="xs" leftSection={<IconSend size={14} />} disabled={!connected || !topic} loading={form.busy}>Publish</Button>
      </Group>
      {form.error && <Text size="xs" c="red" mt={6} role="alert">{form.error.message}</Text>}
      <Text size="xs" c="dimmed" mt={6} aria-live="polite">{sent > 0 && !form.error ? `${sent} published${qos === '0' ? '' : ', each acknowledged by the server'}.` : 'Enter publishes, Shift Enter begins a new line.'}</Text>
    </form>
  );
}
