import { Alert, Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ApiError, must, type Schemas } from '../../api/client';
import { useSession } from '../../api/session';
import { Card } from '../../components/page';
import { Failed, Loaded } from '../../components/states';
import { useSubmit } from '../../lib/act';
import { plural } from '../../lib/format';
import { NotYours } from './not-yours';

const securities: Record<string, string> = { tls: 'TLS from the first byte', starttls: 'STARTTLS', none: 'none: passwords and mails go in clear text' };

// Mail is how invitations and forgotten passwords get to people.
export function Mail() {
  const mail = useQuery({ queryKey: ['mail'], queryFn: async () => (await must(api.GET('/api/v1/server/mail'))).mail, retry: false });
  if (mail.error instanceof ApiError && mail.error.status === 403) return <NotYours what="Mail is set up for the whole server" error={mail.error} />;
  return (
    <Card title="Mail">
      <Loaded query={mail}>{(m) => (
        <Stack>
          {!m.configured && <Alert color="yellow" variant="light" title="No mails go out">{m.log ? 'They are written to the server’s log instead.' : 'Invitations and forgotten passwords need links that are handed over by hand.'} Set identity.mail.host in the configuration file.</Alert>}
          {m.failed > 0 && <Alert color="red" variant="light">{plural(m.failed, 'mail')} could not be sent since the start. The server’s log says why.</Alert>}
          <dl className="facts">
            <dt>Server</dt><dd>{m.host ? `${m.host}:${m.port}` : '–'}</dd>
            <dt>Encryption</dt><dd>{securities[m.security] ?? m.security}</dd>
            <dt>User</dt><dd>{m.user || 'none'}</dd>
            <dt>From</dt><dd>{m.from || '–'}</dd>
            <dt>Links begin with</dt><dd>{m.publicUrl || <span>nothing yet: set identity.public_url</span>}</dd>
          </dl>
          <TestMail />
        </Stack>
      )}</Loaded>
    </Card>
  );
}

function TestMail() {
  const { emailAddress } = useSession();
  const [to, setTo] = useState(emailAddress);
  const [result, setResult] = useState<Schemas['MailTest'] | null>(null);
  const { submit, busy, errorOf, rest } = useSubmit(async () => {
    setResult(null);
    setResult((await must(api.POST('/api/v1/server/mail/test', { body: { to } }))).mailTest);
  });
  return (
    <form onSubmit={(e) => void submit(e)}>
      <Stack gap="sm" maw={520}>
        <Group align="flex-end" gap={8}>
          <TextInput label="Send a test mail to" type="email" required value={to} onChange={(e) => setTo(e.currentTarget.value)} error={errorOf('to')} style={{ flex: '1 1 220px' }} />
          <Button type="submit" variant="default" loading={busy}>Send</Button>
        </Group>
        {result && (result.sent
          ? <Alert color="brand" variant="light" role="status">The mail server took it in {result.seconds.toFixed(1)} s. Look into the inbox of {result.to}.</Alert>
          : <Alert color="red" variant="light" role="alert" title="It was not sent"><Text size="sm" className="break">{result.error}</Text></Alert>)}
        {rest(['to']) && <Failed error={rest(['to'])} />}
      </Stack>
    </form>
  );
}
