import { Button, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import type { Device } from '../../api/client';
import { Ago } from '../../components/marks';
import { Payload, type PayloadForm } from '../../components/payload';
import { attempt } from '../../lib/act';
import { clock } from '../../lib/format';
import { useMQTT, type Message } from '../../lib/mqtt';
import { prefixOf } from '../device/messages';
import { publishAs } from './make';
import { channelsOf } from './programs';
import { Step } from './first-device';

// Arrived waits for the device's first message and shows it. What the platform itself publishes does not count.
export function Arrived({ device: d, secret }: { device: Device; secret: string | null }) {
  const prefix = prefixOf(d.channels);
  const [last, setLast] = useState<Message | null>(null);
  const [count, setCount] = useState(0);
  const [form, setForm] = useState<PayloadForm>('json');
  const connection = useMQTT(true, (m) => {
    const channel = m.topic.slice(prefix.length);
    if (channel.startsWith('_updates') || channel === '_rejected') return;
    setLast(m);
    setCount((n) => n + 1);
  });
  const [ready, setReady] = useState(false);
  useEffect(() => { void connection.subscribe(`${prefix}#`, 0).then(() => setReady(true)); }, [prefix]);
  const test = channelsOf(d)[0];
  const waiting = ready && connection.state === 'connected' ? (d.connected ? 'It is connected. Waiting for its first message…' : 'Waiting for it to connect…') : 'Connecting this page…';
  return (
    <section className={last ? 'card step arrived' : 'card step'} aria-live="polite">
      <Step n={3} done={last !== null} title={last ? 'It has arrived' : 'See it arrive'} note={last ? <>{count === 1 ? 'The first message' : `${count} messages`}, the last at {clock(last.time)}.{d.connected ? ' The device is online.' : d.lastConnected ? <> It was connected <Ago time={d.lastConnected} />.</> : ''}</> : undefined} />
      <div className="step-body">
        <div className="light">
          <span className={last ? 'lamp on' : d.connected ? 'lamp near' : 'lamp'} role="img" aria-label={last ? 'a message has arrived' : 'no message yet'} />
          {last ? <Text fw={550} className="mono break">{last.topic.slice(prefix.length)}</Text> : <Text c="dimmed">{waiting}</Text>}
        </div>
        {last && <Payload payload={last.payload} form={form} onForm={setForm} />}
        {!last && secret && test && <Text size="xs" c="dimmed">No device at hand? <Button size="compact-xs" variant="subtle" onClick={() => void attempt(() => publishAs({ deviceId: d.id, secret }, test.channel, '21.5'))}>Send 21.5 from this page</Button> with its credentials.</Text>}
      </div>
    </section>
  );
}
