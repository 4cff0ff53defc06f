import { Button, FileButton, Group, Stack, Text, Textarea } from '@mantine/core';
import { IconUpload } from '@tabler/icons-react';
import { useState, type DragEvent } from 'react';
import { useSubmit } from '../lib/act';
import { certificateError, pemOf, registerCertificate } from '../lib/certificate';
import { keyPair } from '../lib/snippets';
import { Code } from './code';
import { confirmed } from './confirm';

interface Props {
  deviceId: string;
  action: string;
  may?: () => Promise<boolean>; // asked before it is sent
  onDone: () => void;
  onCancel?: () => void;
}

const most = 64 << 10;

// CertificateForm takes the certificate that a device is to sign in with: pasted, chosen or dropped.
export function CertificateForm({ deviceId, action, may, onDone, onCancel }: Props) {
  const [text, setText] = useState('');
  const wrong = certificateError(text);
  const form = useSubmit(async () => {
    if (may && !await may()) return;
    await confirmed(() => registerCertificate(deviceId, text));
    onDone();
  });
  const take = async (f: File) => setText(f.size > most ? `${f.name} is no certificate: it is too large.` : pemOf(new Uint8Array(await f.arrayBuffer())));
  const drop = (e: DragEvent) => { e.preventDefault(); const f = e.dataTransfer.files[0]; if (f) void take(f); };
  return (
    <form onSubmit={(e) => void form.submit(e)} onDragOver={(e) => e.preventDefault()} onDrop={drop}>
      <Stack gap="sm">
        <Textarea
          label="Certificate" description="As PEM; or drop its file here. It may be self-signed." placeholder={'-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----'}
          value={text} onChange={(e) => setText(e.currentTarget.value)} error={wrong ?? form.errorOf('certificate')} minRows={4} maxRows={10} autosize spellCheck={false} autoComplete="off"
          styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 12 } }}
        />
        {form.rest(['certificate']) && <Text size="sm" c="red" role="alert">{form.rest(['certificate'])?.message}</Text>}
        <Group gap={8} justify="space-between">
          <FileButton onChange={(f) => { if (f) void take(f); }} accept=".pem,.crt,.cer,.der,application/x-x509-ca-cert,application/pkix-cert">
            {(props) => <Button {...props} size="xs" variant="default" leftSection={<IconUpload size={14} />}>Choose a file</Button>}
          </FileButton>
          <Group gap={8}>
            {onCancel && <Button size="xs" variant="default" onClick={onCancel}>Cancel</Button>}
            <Button type="submit" size="xs" loading={form.busy} disabled={text.trim() === '' || wrong !== undefined}>{action}</Button>
          </Group>
        </Group>
        <details className="more">
          <summary>There is none yet: make a key and a certificate</summary>
          <Text size="xs" c="dimmed" my={6}>On the device, or where its key is to live. <span className="mono">key.pem</span> stays there, <span className="mono">cert.pem</span> comes here.</Text>
          <Code text={keyPair(deviceId)} />
        </details>
      </Stack>
    </form>
  );
}
