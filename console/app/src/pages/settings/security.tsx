import { Alert, Badge, Button, Group, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ApiError, must, type Schemas } from '../../api/client';
import { freshToken, useSession } from '../../api/session';
import { Code } from '../../components/code';
import { confirm, confirmed } from '../../components/confirm';
import { Ago } from '../../components/marks';
import { Once } from '../../components/once';
import { Card } from '../../components/page';
import { QR } from '../../components/qr';
import { Failed, Loaded } from '../../components/states';
import { attempt, said, useSubmit } from '../../lib/act';
import { sessionText } from '../../lib/sessions';

// Security is the signed-in admin's own sign-in.
export function Security() {
  const { emailAddress } = useSession();
  return (
    <Stack>
      <Text size="sm" c="dimmed">You are signed in as <b className="break">{emailAddress}</b>.</Text>
      <Sessions />
      <Password />
      <SecondFactor />
    </Stack>
  );
}

function Sessions() {
  const client = useQueryClient();
  const sessions = useQuery({
    queryKey: ['sessions', 'own'],
    queryFn: async () => ((await must(api.GET('/api/v1/sessions', { params: { query: { pageSize: 1000 } } }))).sessions.results ?? [])
      .sort((a, b) => Number(b.current) - Number(a.current) || b.lastUsed.localeCompare(a.lastUsed)),
  });
  const again = () => client.invalidateQueries({ queryKey: ['sessions'] });
  return (
    <Card title="Where you are signed in" actions={(sessions.data?.length ?? 0) > 1 && <Button size="xs" variant="default" onClick={() => void attempt(() => must(api.DELETE('/api/v1/sessions')), 'All other sessions have ended.').then(again)}>End all others</Button>}>
      <Loaded query={sessions}>{(list) => (
        <Stack gap={12}>
          {list.slice(0, 50).map((s) => (
            <Group key={s.id} justify="space-between" wrap="nowrap">
              <div style={{ minWidth: 0 }}>
                <Text size="sm" className="clip" title={s.userAgent}>{sessionText(s)} {s.current && <Badge size="xs" variant="light" tt="none">this one</Badge>}</Text>
                <Text size="xs" c="dimmed">{s.remote} · signed in <Ago time={s.created} /> · last used <Ago time={s.lastUsed} /></Text>
              </div>
              {!s.current && <Button size="compact-sm" variant="default" style={{ flex: 'none' }} aria-label={`End the session of ${sessionText(s)}`} onClick={() => void attempt(() => must(api.DELETE('/api/v1/sessions/{id}', { params: { path: { id: s.id } } })), 'The session has ended.').then(again)}>End</Button>}
            </Group>
          ))}
          {list.length > 50 && <Text size="xs" c="dimmed">And {list.length - 50} more.</Text>}
        </Stack>
      )}</Loaded>
    </Card>
  );
}

function Password() {
  const { emailAddress } = useSession();
  const client = useQueryClient();
  const [v, setV] = useState({ oldPassword: '', newPassword: '' });
  const { submit, busy, errorOf, rest } = useSubmit(async () => {
    try {
      await must(api.POST('/api/v1/profile/change-password', { body: v }));
    } catch (e) {
      if (!(e instanceof ApiError) || e.status !== 401) throw e;
      if (await freshToken() === null) location.reload(); // a session that has ended is refused like a wrong password
      throw new ApiError(401, 'This password is wrong.', 'oldPassword');
    }
    setV({ oldPassword: '', newPassword: '' });
    said('Your password is changed.');
    await client.invalidateQueries({ queryKey: ['sessions'] });
  });
  return (
    <Card title="Password">
      <form onSubmit={(e) => void submit(e)}>
        <Stack maw={420}>
          <Text size="sm" c="dimmed">A new password ends all your other sessions.</Text>
          <input type="email" value={emailAddress} autoComplete="username" readOnly hidden />
          <PasswordInput label="Present password" required autoComplete="current-password" value={v.oldPassword} onChange={(e) => setV({ ...v, oldPassword: e.currentTarget.value })} error={errorOf('oldPassword')} />
          <PasswordInput label="New password" description="8 to 128 characters" required minLength={8} maxLength={128} autoComplete="new-password" value={v.newPassword} onChange={(e) => setV({ ...v, newPassword: e.currentTarget.value })} error={errorOf('newPassword')} />
          {rest(['oldPassword', 'newPassword']) && <Failed error={rest(['oldPassword', 'newPassword'])} />}
          <Group><Button type="submit" loading={busy}>Change password</Button></Group>
        </Stack>
      </form>
    </Card>
  );
}

function SecondFactor() {
  const client = useQueryClient();
  const factor = useQuery({ queryKey: ['second-factor'], queryFn: async () => (await must(api.GET('/api/v1/second-factor'))).secondFactor });
  const [begun, setBegun] = useState<Schemas['SecondFactor'] | null>(null);
  const [codes, setCodes] = useState<string[] | null>(null);
  const again = () => client.invalidateQueries({ queryKey: ['second-factor'] });
  const renew = async () => {
    if (!await confirm({ title: 'New recovery codes?', body: 'The old ones are of no use any more.', action: 'Make new codes', danger: false })) return;
    await attempt(async () => setCodes((await confirmed(() => must(api.POST('/api/v1/second-factor/recovery-codes', { body: {} })))).secondFactor.recoveryCodes ?? []));
  };
  const remove = async () => {
    if (!await confirm({ title: 'Remove the second factor?', body: 'The password alone will do to sign in as you.', action: 'Remove it' })) return;
    await attempt(() => confirmed(() => must(api.DELETE('/api/v1/second-factor'))), 'The second factor is removed.');
    await again();
  };
  return (
    <Card title="Second factor">
      <Loaded query={factor}>{(f) => (f.enabled ? (
        <Stack>
          <Text size="sm"><Badge variant="light" tt="none">On</Badge> &nbsp;{f.recoveryCodesLeft} recovery codes left</Text>
          <Group gap={8}><Button variant="default" onClick={() => void renew()}>New recovery codes</Button><Button variant="default" onClick={() => void remove()}>Remove</Button></Group>
        </Stack>
      ) : begun ? <Begin factor={begun} onDone={(c) => { setBegun(null); setCodes(c); void again(); }} /> : (
        <Stack>
          <Text size="sm" c="dimmed">Off. With it, signing in takes a one-time code of an authenticator app besides the password.</Text>
          <Group><Button variant="default" onClick={() => void attempt(async () => setBegun((await confirmed(() => must(api.POST('/api/v1/second-factor', { body: {} })))).secondFactor))}>Set it up</Button></Group>
        </Stack>
      ))}</Loaded>
      {codes && <Once title="Your recovery codes" secrets={[{ label: 'Each signs you in once when the authenticator is lost', value: codes.join('\n') }]} onClose={() => setCodes(null)} />}
    </Card>
  );
}

function Begin({ factor, onDone }: { factor: Schemas['SecondFactor']; onDone: (codes: string[]) => void }) {
  const [oneTimeCode, setCode] = useState('');
  const { submit, busy, error } = useSubmit(async () => {
    onDone((await confirmed(() => must(api.POST('/api/v1/second-factor/confirm', { body: { oneTimeCode } })))).secondFactor.recoveryCodes ?? []);
  });
  return (
    <form onSubmit={(e) => void submit(e)}>
      <Stack maw={460}>
        <Text size="sm">Scan this with your authenticator app, or type the key in there.</Text>
        {factor.uri && <QR text={factor.uri} />}
        {factor.secret && <Code text={factor.secret} />}
        <TextInput label="The code it shows" inputMode="numeric" autoComplete="one-time-code" pattern="[0-9 ]{6,7}" required value={oneTimeCode} onChange={(e) => setCode(e.currentTarget.value)} data-autofocus />
        {error && <Alert color="red" role="alert">{error.message}</Alert>}
        <Group><Button type="submit" loading={busy}>Turn it on</Button></Group>
      </Stack>
    </form>
  );
}
