// What the pages for people who are not signed in are made of.
import { Alert, Button, Paper, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { useEffect, useState, type FormEvent, type ReactNode } from 'react';
import { ApiError } from '../../api/client';

// Narrow is a page of one form.
export function Narrow({ title, lead, children, below }: { title: string; lead?: ReactNode; children?: ReactNode; below?: ReactNode }) {
  useEffect(() => { document.title = `${title} · xively`; }, [title]);
  return (
    <main className="narrow">
      <div className="brand"><img src="/icon.svg" alt="" width={28} height={28} />xively</div>
      <Title order={1} ta="center">{title}</Title>
      {lead && <Text c="dimmed" size="sm" ta="center" mt={6} component="div">{lead}</Text>}
      {children && <Paper withBorder radius="lg" p="lg" mt="lg" w="100%">{children}</Paper>}
      {below && <Text size="sm" mt="md" ta="center" component="div">{below}</Text>}
    </main>
  );
}

// Form is a form of uncontrolled fields with its button. run gets their values by name; what it throws is shown.
export function Form({ button, children, run, after }: { button: string; children: ReactNode; run: (values: Record<string, string>) => Promise<void>; after?: ReactNode }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState('');
  const submit = async (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault();
    const values = Object.fromEntries(new FormData(e.currentTarget)) as Record<string, string>;
    setBusy(true);
    setError('');
    try {
      await run(values);
    } catch (err) {
      setError(err instanceof Error ? err.message : String(err));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={(e) => void submit(e)}>
      <Stack gap="md">
        {children}
        {error && <Alert color="red" variant="light" role="alert">{error}</Alert>}
        <Button type="submit" loading={busy} fullWidth>{button}</Button>
        {after}
      </Stack>
    </form>
  );
}

export const Email = (props: { autoFocus?: boolean; value?: string; readOnly?: boolean; description?: string }) =>
  <TextInput label="E-mail address" name="emailAddress" type="email" autoComplete="username" required {...props} />;

// NewPassword names no rule but the length: the server has the others and says which one is broken.
export const NewPassword = ({ name }: { name: string }) =>
  <PasswordInput label="New password" name={name} description="8 to 128 characters" minLength={8} maxLength={128} autoComplete="new-password" required />;

export const OneTimeCode = () =>
  <TextInput label="One-time code" name="oneTimeCode" description="Your authenticator app shows it. One of your recovery codes will do, too." autoComplete="one-time-code" autoCapitalize="none" spellCheck={false} maxLength={40} required autoFocus />;

// useCode knows when the server asks for a one-time code. asked takes the server's refusal; wrong is what to say of a
// wrong password.
export function useCode() {
  const [wanted, setWanted] = useState(false);
  return {
    wanted,
    asked(e: unknown, wrong: string) {
      if (!(e instanceof ApiError)) throw e;
      if (e.status === 401 && !e.field) throw new Error(wrong);
      if (e.field !== 'oneTimeCode') throw e;
      if (wanted) throw e;
      setWanted(true);
    },
  };
}

// localURL takes next when it stays on this server, else the console's first page. What it returns is a whole address, so
// that no path of it can be read as another host's.
export function localURL(next: string): string {
  try {
    const url = new URL(next, location.origin);
    if (next.startsWith('/') && url.origin === location.origin) return url.href;
  } catch { /* no address at all */ }
  return `${location.origin}/`;
}

// go leaves the page for good: what its address held must not come back with the back button.
export const go = (url: string) => location.replace(url);

export const fragment = () => new URLSearchParams(location.hash.slice(1));
