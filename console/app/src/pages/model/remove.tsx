import { Stack, Text } from '@mantine/core';
import type { QueryClient } from '@tanstack/react-query';
import { send } from '../../api/client';
import { confirm } from '../../components/confirm';
import { attempt, failed } from '../../lib/act';
import { preview, renewed, type Kind } from './kinds';
import { Told } from './effect';

// remove looks at what a deletion would do, tells it, and does it when the name is typed. What would be refused is told at once.
export async function remove(client: QueryClient, kind: Kind, path: string, what: string, o: { id: string; name: string | null }): Promise<boolean> {
  const name = o.name ?? o.id;
  const p = await preview(path, { id: o.id, delete: true }).catch((e: unknown) => { failed(e); return null; });
  if (!p) return false;
  if (!p.allowed) {
    await confirm({ title: `“${name}” cannot be deleted`, body: <Told preview={p} kind={kind} />, action: 'I see', danger: false });
    return false;
  }
  const body = <Stack gap="sm"><Text size="sm">The {what} can be recovered for a while, from the audit trail in the settings.</Text><Told preview={p} kind={kind} /></Stack>;
  if (!await confirm({ title: `Delete the ${what}?`, name, body, action: 'Delete' })) return false;
  const done = await attempt(() => send('DELETE', `${path}/${o.id}`), `${name} is deleted.`);
  if (done) renewed(client);
  return done;
}
