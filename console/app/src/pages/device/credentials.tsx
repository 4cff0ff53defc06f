import { Alert, Button, Group, Select, Stack, Text } from '@mantine/core';
import { IconBan, IconKey, IconQrcode, IconRefresh } from '@tabler/icons-react';
import { useState } from 'react';
import { api, must, type Device, type Schemas } from '../../api/client';
import { CertificateForm } from '../../components/certificate';
import { Code, Copy, ID } from '../../components/code';
import { confirm, confirmed } from '../../components/confirm';
import { Ago } from '../../components/marks';
import { Card } from '../../components/page';
import { QR } from '../../components/qr';
import { Snippets } from '../../components/snippets';
import { Loaded } from '../../components/states';
import { attempt } from '../../lib/act';
import { expiry } from '../../lib/certificate';
import { absolute } from '../../lib/format';
import { byCertificate, platformChannel, useCredential, useCredentialRenewed } from './load';

// Credentials are what a device connects with. A secret is in memory here from its making until the page is left.
export default function Credentials({ device: d }: { device: Device }) {
  const [secret, setSecret] = useState<string | null>(null);
  return (
    <div className="overview">
      <div>
        {byCertificate(d) ? <Certificate device={d} /> : <Secret device={d} secret={secret} onSecret={setSecret} />}
        <Claim device={d} />
      </div>
      <div><Programs device={d} secret={secret} /></div>
    </div>
  );
}

type Credential = Schemas['MqttCredential'];

// Certificate is what a device signs in with whose template has no secrets.
function Certificate({ device: d }: { device: Device }) {
  const [open, setOpen] = useState(false);
  const renewed = useCredentialRenewed(d.id);
  const query = useCredential(d.id);
  const c = query.data?.certificateSha256 ? query.data : null;
  const replace = () => confirm({ title: 'Replace the certificate?', action: 'Replace it', body: 'The one the device has stops working at once, and the device is disconnected. It needs the key of the new one to come back.' });
  const revoke = async (old: Credential) => {
    if (!await confirm({ title: 'Revoke the certificate?', action: 'Revoke it', body: 'The device is disconnected and stays out until a certificate is registered for it, this one or another.' })) return;
    await attempt(() => confirmed(() => must(api.DELETE('/api/v1/access/mqtt-credentials/{id}', { params: { path: { id: old.id } } }))), 'The certificate is revoked.');
    renewed();
  };
  const actions = c && !open && (
    <>
      <Button size="compact-sm" variant="subtle" color="red" leftSection={<IconBan size={14} />} onClick={() => void revoke(c)}>Revoke</Button>
      <Button size="compact-sm" variant="default" leftSection={<IconRefresh size={14} />} onClick={() => setOpen(true)}>Replace</Button>
    </>
  );
  return (
    <Card title="X.509 certificate" actions={actions}>
      <Loaded query={query}>
        {() => (
          <Stack gap="md">
            {!c && <Text size="sm" c="dimmed">Devices of this template sign in with a certificate. This one has none registered yet and cannot connect.</Text>}
            <dl className="facts">
              <dt>Client id</dt><dd><ID id={d.id} /></dd>
              <dt>Password</dt><dd className="unset">none, nor a user name</dd>
              {c && <>
                <dt>Subject</dt><dd className="mono">{c.certificateSubject || <span className="unset">empty</span>}</dd>
                <dt>SHA-256</dt><dd><span className="mono">{c.certificateSha256}</span> <Copy text={c.certificateSha256 ?? ''} label="Copy the fingerprint" /></dd>
                {c.certificateNotAfter && <><dt>Valid until</dt><dd><Group gap={8}><span className="num">{absolute(c.certificateNotAfter)}</span><Left notAfter={c.certificateNotAfter} /></Group></dd></>}
                <dt>Registered</dt><dd><Ago time={c.lastModified} /></dd>
              </>}
            </dl>
            {query.data !== undefined && (!c || open) && (
              <CertificateForm deviceId={d.id} action={c ? 'Replace' : 'Register'} may={c ? replace : undefined} onDone={() => { setOpen(false); renewed(); }} onCancel={c ? () => setOpen(false) : undefined} />
            )}
          </Stack>
        )}
      </Loaded>
    </Card>
  );
}

function Left({ notAfter }: { notAfter: string }) {
  switch (expiry(notAfter)) {
    case 'over': return <span className="severity bad">expired: it cannot connect</span>;
    case 'soon': return <span className="severity warn">ends <Ago time={notAfter} /></span>;
    default: return <Text span size="xs" c="dimmed"><Ago time={notAfter} /></Text>;
  }
}

function Secret({ device: d, secret, onSecret }: { device: Device; secret: string | null; onSecret: (s: string) => void }) {
  const [busy, setBusy] = useState(false);
  const renewed = useCredentialRenewed(d.id);
  const query = useCredential(d.id);
  const make = async () => {
    if (query.data && !await confirm({ title: 'Make a new secret?', action: 'Make a new secret', body: 'The one the device has stops working at once, and the device is disconnected. It needs the new one to come back.' })) return;
    setBusy(true);
    await attempt(async () => {
      const { mqttCredential } = await confirmed(() => must(api.POST('/api/v1/access/mqtt-credentials', { body: { entityId: d.id, entityType: 'device' } })));
      onSecret(mqttCredential.secret ?? '');
    });
    setBusy(false);
    renewed();
  };
  return (
    <Card title="MQTT credentials" actions={query.data !== undefined && <Button size="compact-sm" variant={query.data ? 'default' : 'filled'} leftSection={query.data ? <IconRefresh size={14} /> : <IconKey size={14} />} onClick={() => void make()} loading={busy}>{query.data ? 'New secret' : 'Make credentials'}</Button>}>
      <Loaded query={query}>
        {(c) => (
          <Stack gap="md">
            {!c && !secret && <Text size="sm" c="dimmed">The device has no secret yet and cannot connect.</Text>}
            <dl className="facts">
              <dt>User name</dt><dd><ID id={d.id} /></dd>
              <dt>Password</dt><dd>{secret ? 'shown below' : c ? 'the secret, of which the server keeps a hash only' : <span className="unset">none</span>}</dd>
              {c && <><dt>Made</dt><dd><Ago time={c.created} /></dd></>}
              {c && c.lastModified !== c.created && <><dt>Renewed</dt><dd><Ago time={c.lastModified} /></dd></>}
            </dl>
            {secret && (
              <Alert color="yellow" variant="light" icon={<IconKey size={18} />} title="The secret, shown only now">
                <Code text={secret} />
                <Text size="xs" mt={6}>The programs on this page have it in them until you leave.</Text>
              </Alert>
            )}
          </Stack>
        )}
      </Loaded>
    </Card>
  );
}

function Claim({ device: d }: { device: Device }) {
  const [code, setCode] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const make = async () => {
    setBusy(true);
    await attempt(async () => setCode((await must(api.POST('/api/v1/association/create-association-code', { body: { deviceId: d.id } }))).associationCode));
    setBusy(false);
  };
  return (
    <Card title="Claim code" actions={<Button size="compact-sm" variant="default" leftSection={<IconQrcode size={14} />} onClick={() => void make()} loading={busy}>{code ? 'Another code' : 'Make a code'}</Button>}>
      {code ? (
        <div className="claim">
          <QR text={code} />
          <div>
            <Group gap={6}><span className="code-text">{code}</span><Copy text={code} label="Copy the code" /></Group>
            <Text size="xs" c="dimmed" mt={6} maw={240}>Works once, and until it runs out or another one is made. An end user who enters it gets the device into their group.</Text>
          </div>
        </div>
      ) : <Text size="sm" c="dimmed">A code on the box or the screen of a device, with which an end user takes it into their group. Making one ends the last.</Text>}
    </Card>
  );
}

function Programs({ device: d, secret }: { device: Device; secret: string | null }) {
  const channels = d.channels.filter((c) => !platformChannel(c.channelTemplateName));
  const choices = channels.length > 0 ? channels : d.channels.filter((c) => c.channelTemplateName === '_log');
  const [topic, setTopic] = useState<string | null>(choices[0]?.channel ?? null);
  const log = topic?.endsWith('/_log');
  return (
    <Card title="Connect" actions={<Select size="xs" w={180} aria-label="Channel" value={topic} onChange={setTopic} allowDeselect={false} data={choices.map((c) => ({ value: c.channel, label: c.channelTemplateName }))} />}>
      {byCertificate(d) && <Text size="xs" c="dimmed" mb="sm"><span className="mono">cert.pem</span> is the certificate that is registered here, <span className="mono">key.pem</span> its private key, which only the device has.</Text>}
      {!byCertificate(d) && !secret && <Text size="xs" c="dimmed" mb="sm">Put the device’s secret in the place of <span className="mono">SECRET</span>, or make a new one to have it filled in.</Text>}
      <Snippets deviceId={d.id} secret={byCertificate(d) ? null : secret ?? 'SECRET'} topic={topic ?? ''} payload={log ? '{"severity":"notice","message":"hello"}' : '21.5'} />
    </Card>
  );
}
