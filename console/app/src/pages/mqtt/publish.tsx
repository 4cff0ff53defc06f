import { Alert, Button, Checkbox, Group, Select, Stack, Textarea, TextInput } from '@mantine/core';
import { IconSend } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { Link } from 'react-router';
import { ApiError } from '../../api/client';
import { said, useSubmit } from '../../lib/act';
import { publish } from './detail';

// PublishForm sends one message. topic is that of the tree, until another is typed.
export function PublishForm({ topic: chosen, onSent }: { topic: string; onSent: () => void }) {
  const [topic, setTopic] = useState(chosen);
  useEffect(() => setTopic(chosen), [chosen]);
  const [payload, setPayload] = useState('');
  const [qos, setQoS] = useState('1');
  const [retain, setRetain] = useState(false);
  const wild = /[+#]/.test(topic);
  const { submit, busy, error } = useSubmit(async () => {
    await publish(topic, payload, Number(qos), retain);
    said('Published.');
    onSent();
  });
  return (
    <form onSubmit={(e) => void submit(e)}>
      <Stack gap="sm">
        <TextInput label="Topic" value={topic} onChange={(e) => setTopic(e.currentTarget.value)} required error={wild ? 'A message goes to one topic: + and # are for filters.' : undefined} styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 12.5 } }} autoComplete="off" spellCheck={false} />
        <Textarea label="Payload" value={payload} onChange={(e) => setPayload(e.currentTarget.value)} autosize minRows={3} maxRows={10} styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 12.5 } }} spellCheck={false} />
        {error && (
          <Alert color="red" variant="light" role="alert">
            {error.message} {error instanceof ApiError && error.status === 403 && <Link to={`/access?${new URLSearchParams({ action: 'publish', object: topic })}`}>Why?</Link>}
          </Alert>
        )}
        <Group justify="space-between">
          <Group gap="sm">
            <Select aria-label="QoS" w={92} size="xs" data={['0', '1', '2'].map((v) => ({ value: v, label: `QoS ${v}` }))} value={qos} onChange={(v) => setQoS(v ?? '1')} allowDeselect={false} />
            <Checkbox size="xs" label="Retain" checked={retain} onChange={(e) => setRetain(e.currentTarget.checked)} />
          </Group>
          <Button type="submit" loading={busy} disabled={topic === '' || wild} leftSection={<IconSend size={15} />}>Publish</Button>
        </Group>
      </Stack>
    </form>
  );
}
