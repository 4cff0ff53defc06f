import { Alert, Button, Select, Text } from '@mantine/core';
import { IconCertificate, IconKey } from '@tabler/icons-react';
import { useState } from 'react';
import type { Device } from '../../api/client';
import { CertificateForm } from '../../components/certificate';
import { Code } from '../../components/code';
import { Snippets } from '../../components/snippets';
import { attempt } from '../../lib/act';
import { byCertificate, platformChannel, useCredential, useCredentialRenewed } from '../device/load';
import { Step } from './first-device';
import { secretFor } from './make';

export const channelsOf = (d: Device) => d.channels.filter((c) => !platformChannel(c.channelTemplateName));

// Programs has the credentials, once, and what to paste.
export function Programs({ device: d, secret, onSecret }: { device: Device; secret: string | null; onSecret: (s: string) => void }) {
  const channels = channelsOf(d);
  const [topic, setTopic] = useState<string | null>(channels[0]?.channel ?? null);
  return (
    <section className="card step">
      <Step n={2} title="Connect it" note="Paste one of these, on the device or on any machine that reaches the server."
        action={channels.length > 1 && <Select size="xs" w={150} aria-label="Channel" value={topic} onChange={setTopic} allowDeselect={false} data={channels.map((c) => ({ value: c.channel, label: c.channelTemplateName }))} />} />
      <div className="step-body">
        {byCertificate(d) ? <Registered device={d} /> : secret ? (
          <Alert color="yellow" variant="light" icon={<IconKey size={18} />} title="Its credentials, shown only now">
            <dl className="facts credentials">
              <dt>User name</dt><dd><Code text={d.id} /></dd>
              <dt>Password</dt><dd><Code text={secret} /></dd>
            </dl>
          </Alert>
        ) : (
          <Alert color="gray" variant="light" icon={<IconKey size={18} />} title="The secret was shown once">
            <Text size="sm" mb={8}>Put it in the place of <span className="mono">SECRET</span>, or make a new one; the old one then stops working.</Text>
            <Button size="xs" variant="default" onClick={() => void attempt(async () => onSecret(await secretFor(d.id)))}>Make a new secret</Button>
          </Alert>
        )}
        <div><Snippets deviceId={d.id} secret={byCertificate(d) ? null : secret ?? 'SECRET'} topic={topic ?? ''} payload="21.5" /></div>
      </div>
    </section>
  );
}

// Registered has the device's certificate put in, unless it is.
function Registered({ device: d }: { device: Device }) {
  const { data: c, isPending } = useCredential(d.id);
  const renewed = useCredentialRenewed(d.id);
  if (isPending) return null;
  if (!c?.certificateSha256) return <div><Text size="sm" mb="sm">The device signs in with an X.509 certificate of its own: register it here first.</Text><CertificateForm deviceId={d.id} action="Register" onDone={renewed} /></div>;
  return (
    <Alert color="gray" variant="light" icon={<IconCertificate size={18} />} title="Its certificate is registered">
      <dl className="facts credentials">
        <dt>Client id</dt><dd><Code text={d.id} /></dd>
        <dt>SHA-256</dt><dd className="mono">{c.certificateSha256}</dd>
      </dl>
    </Alert>
  );
}
