import { Anchor, Button, Group, Text } from '@mantine/core';
import { IconPinFilled, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { Link } from 'react-router';
import { send, topicPath } from '../../api/client';
import { Copy } from '../../components/code';
import { confirm } from '../../components/confirm';
import { formsOf, Payload, type PayloadForm } from '../../components/payload';
import { attempt } from '../../lib/act';
import { bytes, clock } from '../../lib/format';
import type { Message } from '../../lib/mqtt';
import { useDeviceNames } from '../../lib/names';
import { deviceOf } from './tree';

// Over MQTT 3.1.1 a server cannot tell that it refuses a publish; over REST it does, with the reason.
export const publish = (topic: string, payload: string | Uint8Array, qos: number, retain: boolean) =>
  send('POST', `/messaging/publish/${topicPath(topic)}?qos=${qos}&retain=${retain}`, payload instanceof Uint8Array ? payload : new TextEncoder().encode(payload));

interface Props { topic: string; message?: Message; retained: boolean; onCleared: () => void }

// Detail shows a topic and one message of it.
export function Detail({ topic, message: m, retained, onCleared }: Props) {
  const [form, setForm] = useState<PayloadForm>('json');
  const device = deviceOf(topic);
  const name = useDeviceNames([device]).get(device ?? '');
  const clear = async () => {
    if (!await confirm({ title: 'Clear the retained message?', body: <>Who subscribes to <span className="mono break">{topic}</span> from now on gets no message at once. Those subscribed now get an empty one.</>, action: 'Clear it' })) return;
    if (await attempt(() => publish(topic, '', 1, true), 'The retained message is gone.')) onCleared();
  };
  return (
    <div className="mqtt-detail">
      <Group gap={4} wrap="nowrap" align="flex-start">
        <span className="mono break" style={{ flex: 1 }}>{topic}</span>
        <Copy text={topic} label="Copy topic" />
      </Group>
      <Group gap={10} mt={6} mb={10}>
        {device && <Anchor component={Link} to={`/devices/${device}`} size="sm">{name ?? 'Device'}</Anchor>}
        {retained && <Text size="xs" c="dimmed"><IconPinFilled size={12} style={{ verticalAlign: -2 }} /> retained</Text>}
        {m && <Text size="xs" c="dimmed" className="num">{clock(m.time)} · QoS {m.qos} · {bytes(m.payload.length)}{m.dup ? ' · sent again' : ''}</Text>}
        {retained && <Button size="compact-xs" variant="default" leftSection={<IconTrash size={13} />} onClick={() => void clear()}>Clear retained</Button>}
      </Group>
      {m ? <Payload payload={m.payload} form={formsOf(m.payload).includes(form) ? form : formsOf(m.payload)[0]} onForm={setForm} /> : <Text size="sm" c="dimmed">No message of this topic since the page was opened.</Text>}
    </div>
  );
}
