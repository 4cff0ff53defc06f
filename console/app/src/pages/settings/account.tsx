import { Button, Group, SimpleGrid, Stack, Textarea, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, must, type Schemas } from '../../api/client';
import { useSession } from '../../api/session';
import { ID } from '../../components/code';
import { Ago } from '../../components/marks';
import { Card } from '../../components/page';
import { Failed, Loaded } from '../../components/states';
import { said, useSubmit } from '../../lib/act';

type Account = Schemas['Account'];

const texts = [
  ['emailAddress', 'Whom to ask about it, e-mail'], ['phoneNumber', 'Phone'], ['websiteAddress', 'Website'], ['address', 'Address'], ['city', 'City'], ['state', 'State'], ['postalCode', 'Postal code'],
] as const;

// Account is the account's own name and address.
export function Account() {
  const { accountId } = useSession();
  const account = useQuery({ queryKey: ['account'], queryFn: async () => (await must(api.GET('/api/v1/accounts/{id}', { params: { path: { id: accountId } } }))).account });
  return (
    <Card title="Account">
      <Loaded query={account}>{(a) => (
        <Stack>
          <dl className="facts"><dt>Account id</dt><dd><ID id={a.id} /></dd><dt>Since</dt><dd><Ago time={a.created} /></dd></dl>
          <Fields key={a.version} account={a} />
        </Stack>
      )}</Loaded>
    </Card>
  );
}

function Fields({ account }: { account: Account }) {
  const client = useQueryClient();
  const before = { name: account.name ?? '', description: account.description ?? '', ...Object.fromEntries(texts.map(([k]) => [k, account[k] ?? ''])) } as Record<string, string>;
  const [v, setV] = useState(before);
  const changed = Object.entries(v).filter(([k, value]) => value !== before[k]);
  const { submit, busy, errorOf, rest } = useSubmit(async () => {
    await must(api.PUT('/api/v1/accounts/{id}', { params: { path: { id: account.id } }, headers: { etag: account.version }, body: Object.fromEntries(changed.map(([k, value]) => [k, value || null])) as never }));
    await client.invalidateQueries({ queryKey: ['account'] });
    said('Saved.');
  });
  const known = ['name', 'description', ...texts.map(([k]) => k)];
  return (
    <form onSubmit={(e) => void submit(e)}>
      <Stack>
        <TextInput label="Name" required maxLength={128} value={v.name} onChange={(e) => setV({ ...v, name: e.currentTarget.value })} error={errorOf('name')} />
        <Textarea label="Description" autosize minRows={2} value={v.description} onChange={(e) => setV({ ...v, description: e.currentTarget.value })} error={errorOf('description')} />
        <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
          {texts.map(([k, label]) => <TextInput key={k} label={label} value={v[k]} onChange={(e) => setV({ ...v, [k]: e.currentTarget.value })} error={errorOf(k)} />)}
        </SimpleGrid>
        {rest(known) && <Failed error={rest(known)} />}
        <Group><Button type="submit" loading={busy} disabled={changed.length === 0}>Save</Button></Group>
      </Stack>
    </form>
  );
}
