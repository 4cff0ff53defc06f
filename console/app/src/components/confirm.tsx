// Dialogs that other code waits for: before something is destroyed, and when the server wants the password once more.
import { Alert, Button, Group, Modal, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useState, useSyncExternalStore, type ReactNode } from 'react';
import { ApiError, send } from '../api/client';
import { freshToken } from '../api/session';

interface Ask { title: string; body: ReactNode; action: string; name?: string; danger?: boolean; done: (yes: boolean) => void; password?: boolean }

let current: Ask | null = null;
const listeners = new Set<() => void>();
function show(ask: Ask | null) {
  current = ask;
  listeners.forEach((l) => l());
}

// confirm resolves to whether the person agreed. With name, they have to type it: for what cannot be undone.
export const confirm = (ask: { title: string; body: ReactNode; action: string; name?: string; danger?: boolean }) =>
  new Promise<boolean>((done) => show({ ...ask, done }));

// confirmed calls run and, when the server wants the password first, asks for it and calls again.
export async function confirmed<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (e) {
    if (!(e instanceof ApiError) || e.status !== 403 || e.field !== 'password') throw e;
    const shown = await new Promise<boolean>((done) => show({ title: 'Is it still you?', body: 'You signed in a while ago. Show your password once more.', action: 'Go on', password: true, done }));
    if (!shown) throw new Error('It was not done: your password is needed for it.');
    return run();
  }
}

// Confirmations is where the dialogs appear; once, near the root.
export function Confirmations() {
  const ask = useSyncExternalStore((l) => { listeners.add(l); return () => listeners.delete(l); }, () => current);
  if (!ask) return null;
  const end = (yes: boolean) => { show(null); ask.done(yes); };
  return (
    <Modal opened onClose={() => end(false)} title={<Text fw={600}>{ask.title}</Text>}>
      {ask.password ? <PasswordForm ask={ask} end={end} /> : <NameForm ask={ask} end={end} />}
    </Modal>
  );
}

function NameForm({ ask, end }: { ask: Ask; end: (yes: boolean) => void }) {
  const [typed, setTyped] = useState('');
  const ready = ask.name === undefined || typed.trim() === ask.name.trim();
  return (
    <form onSubmit={(e) => { e.preventDefault(); if (ready) end(true); }}>
      <Stack>
        <Text size="sm" component="div">{ask.body}</Text>
        {ask.name !== undefined && <TextInput label={<>Type <b className="break">{ask.name}</b> to go on</>} value={typed} onChange={(e) => setTyped(e.currentTarget.value)} autoComplete="off" data-autofocus />}
        <Group justify="flex-end">
          <Button variant="default" onClick={() => end(false)}>Cancel</Button>
          <Button type="submit" color={ask.danger === false ? undefined : 'red'} disabled={!ready}>{ask.action}</Button>
        </Group>
      </Stack>
    </form>
  );
}

function PasswordForm({ ask, end }: { ask: Ask; end: (yes: boolean) => void }) {
  const [password, setPassword] = useState('');
  const [code, setCode] = useState<string | null>(null);
  const [error, setError] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    setError('');
    try {
      await send('POST', '/api/v1/auth/confirm', { password, ...(code === null ? {} : { oneTimeCode: code }) });
      end(true);
    } catch (e) {
      if (!(e instanceof ApiError)) throw e;
      if (e.field === 'oneTimeCode' && code === null) setCode('');
      else if (e.status === 401 && e.field !== 'oneTimeCode') {
        // A session that has ended is refused like a wrong password.
        if (await freshToken() === null) location.reload();
        setError('This password is wrong.');
      } else setError(e.message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(e) => { e.preventDefault(); void submit(); }}>
      <Stack>
        <Text size="sm" c="dimmed">{ask.body}</Text>
        {error && <Alert color="red" role="alert">{error}</Alert>}
        <PasswordInput label="Password" value={password} onChange={(e) => setPassword(e.currentTarget.value)} autoComplete="current-password" required data-autofocus />
        {code !== null && <TextInput label="One-time code" description="Your authenticator app shows it. One of your recovery codes will do, too." value={code} onChange={(e) => setCode(e.currentTarget.value)} autoComplete="one-time-code" required />}
        <Group justify="flex-end">
          <Button variant="default" onClick={() => end(false)}>Cancel</Button>
          <Button type="submit" loading={busy}>{ask.action}</Button>
        </Group>
      </Stack>
    </form>
  );
}
