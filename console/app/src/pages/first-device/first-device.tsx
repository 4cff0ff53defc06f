import { Button, Group, Stack, Text } from '@mantine/core';
import { IconArrowRight } from '@tabler/icons-react';
import { useState } from 'react';
import { Link } from 'react-router';
import { curl } from '../../components/hints';
import { Page } from '../../components/page';
import { Loaded } from '../../components/states';
import { useDeviceTemplates } from '../../lib/names';
import { useURLState } from '../../lib/url-state';
import { useDevice } from '../device/load';
import { Arrived } from './arrived';
import { Define } from './define';
import './first-device.css';
import { Programs } from './programs';

// The way from nothing to the first message of a device. The address keeps the device: a reload goes on waiting for it,
// without the secret, which was shown once.
export default function FirstDevicePage() {
  const [url, setURL] = useURLState({ device: '' });
  const [secret, setSecret] = useState<string | null>(null);
  const templates = useDeviceTemplates();
  return (
    <Page title="Connect a device" description="From nothing to the first message: define it, paste a program, see it arrive." hints={hints}>
      <Stack gap="md" maw={980}>
        {url.device === ''
          ? <Loaded query={templates}>{(list) => <Define templates={list} onMade={(m) => { setSecret(m.secret); setURL({ device: m.deviceId }); }} />}</Loaded>
          : <Connect id={url.device} secret={secret} onSecret={setSecret} onAgain={() => { setSecret(null); setURL({ device: '' }); }} />}
      </Stack>
    </Page>
  );
}

function Connect({ id, secret, onSecret, onAgain }: { id: string; secret: string | null; onSecret: (s: string) => void; onAgain: () => void }) {
  const query = useDevice(id);
  return (
    <Loaded query={query}>
      {(d) => (
        <>
          <section className="card step done">
            <Step n={1} done title={<>“{d.name || d.serialNumber}” is defined</>} note={<>{d.serialNumber}, template {d.deviceTemplate?.name}</>} action={<Button size="compact-sm" variant="subtle" onClick={onAgain}>Another device</Button>} />
          </section>
          <Programs device={d} secret={secret} onSecret={onSecret} />
          <Arrived device={d} secret={secret} />
          <Group justify="flex-end" gap={8}>
            <Button variant="default" component={Link} to="/">Overview</Button>
            <Button component={Link} to={`/devices/${d.id}`} rightSection={<IconArrowRight size={16} />}>Open the device</Button>
          </Group>
        </>
      )}
    </Loaded>
  );
}

// Step is the head of one of the parts.
export function Step({ n, title, note, done, action }: { n: number; title: React.ReactNode; note?: React.ReactNode; done?: boolean; action?: React.ReactNode }) {
  return (
    <div className="step-head">
      <span className={done ? 'step-mark done' : 'step-mark'} aria-hidden="true">{done ? '✓' : n}</span>
      <div><h2>{title}</h2>{note && <Text size="sm" c="dimmed">{note}</Text>}</div>
      {action && <span style={{ marginLeft: 'auto' }}>{action}</span>}
    </div>
  );
}

const hints = [
  { title: 'The same on the command line', command: 'xively templates create Sensor --of devices\nxively devices create --template Sensor --serial SN-1 --name "First device"' },
  { title: 'A device over REST', command: curl('POST', '/api/v1/devices', { deviceTemplateId: '…', serialNumber: 'SN-1', name: 'First device' }) },
  { title: 'Its credentials', command: curl('POST', '/api/v1/access/mqtt-credentials', { entityId: '…', entityType: 'device' }) },
];
