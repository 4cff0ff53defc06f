import { notifications } from '@mantine/notifications';
import { useState } from 'react';
import { ApiError } from '../api/client';

export const said = (message: string) => notifications.show({ message, color: 'brand', withBorder: true });

export const failed = (e: unknown) => notifications.show({
  title: 'That did not work', message: e instanceof Error ? e.message : String(e), color: 'red', withBorder: true, autoClose: 10_000,
});

// attempt runs what a person asked for and tells how it ended. It returns whether it was done.
export async function attempt(run: () => Promise<unknown>, done?: string): Promise<boolean> {
  try {
    await run();
    if (done) said(done);
    return true;
  } catch (e) {
    failed(e);
    return false;
  }
}

// useSubmit is a form's submit: busy while it runs, and what the server refused, by field and in all.
export function useSubmit(run: () => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error | null>(null);
  const submit = async (e?: { preventDefault(): void }) => {
    e?.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await run();
    } catch (err) {
      setError(err instanceof Error ? err : new Error(String(err)));
    } finally {
      setBusy(false);
    }
  };
  const field = error instanceof ApiError ? error.field : undefined;
  return { submit, busy, error, errorOf: (name: string) => (field === name ? error?.message : undefined), rest: (known: string[]) => (error && !(field && known.includes(field)) ? error : null) };
}
