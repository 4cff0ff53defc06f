import { Button, Checkbox, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core';
import { IconKey, IconPlus } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, must } from '../../api/client';
import { useSession } from '../../api/session';
import { confirm, confirmed } from '../../components/confirm';
import { Ago } from '../../components/marks';
import { Once } from '../../components/once';
import { Card } from '../../components/page';
import { Empty, Failed, Loaded } from '../../components/states';
import { arrayRows, DataTable } from '../../components/table';
import { attempt, useSubmit } from '../../lib/act';

const scopes = [
  ['read', 'Read', 'Everything that you may read.'],
  ['write', 'Write', 'Everything that you may change, but for sign-ins, users and keys.'],
  ['messaging', 'Messaging', 'Publish over HTTP, and read and write points.'],
] as const;

const lives = [['', 'Never'], ['30', 'In 30 days'], ['90', 'In 90 days'], ['365', 'In a year']] as const;

export function ApiKeys() {
  const { accountId } = useSession();
  const client = useQueryClient();
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<{ name: string; key: string } | null>(null);
  const keys = useQuery({ queryKey: ['api-keys'], queryFn: async () => (await must(api.GET('/api/v1/api-keys', { params: { query: { accountId, pageSize: 500 } } }))).apiKeys.results ?? [] });
  const remove = async (id: string, name: string) => {
    if (!await confirm({ title: 'Delete this key?', body: 'Scripts that use it are refused at once.', action: 'Delete', name })) return;
    await attempt(() => confirmed(() => must(api.DELETE('/api/v1/api-keys/{id}', { params: { path: { id } } }))), 'The key is deleted.');
    await client.invalidateQueries({ queryKey: ['api-keys'] });
  };
  return (
    <>
      <Card title="Your API keys" pad={false} actions={<Button size="xs" leftSection={<IconPlus size={15} />} onClick={() => setMaking(true)}>New key</Button>}>
        <Loaded query={keys}>{(list) => (
          <DataTable
            label="API keys" rows={arrayRows(list)} rowKey={(k) => k.id}
            empty={<Empty icon={IconKey} title="No keys yet" action={<Button onClick={() => setMaking(true)}>New key</Button>}>Scripts show a key in the Authorization header, as a Bearer token. It acts as you, within its scopes.</Empty>}
            columns={[
              { key: 'name', header: 'Name', cell: (k) => <b>{k.name}</b> },
              { key: 'start', header: 'Begins', width: 120, cell: (k) => <span className="mono">{k.keyStart}…</span> },
              { key: 'scopes', header: 'May', width: 150, cell: (k) => (k.scopes ?? []).join(', ') },
              { key: 'used', header: 'Last used', width: 120, wide: true, cell: (k) => <Ago time={k.lastUsed} /> },
              { key: 'expires', header: 'Ends', width: 120, wide: true, cell: (k) => <Ago time={k.expires} empty="never" /> },
              { key: 'act', header: '', width: 90, right: true, cell: (k) => <Button size="compact-xs" variant="default" aria-label={`Delete ${k.name}`} onClick={() => void remove(k.id, k.name)}>Delete…</Button> },
            ]}
          />
        )}</Loaded>
      </Card>
      {making && <KeyForm onClose={() => setMaking(false)} onMade={(k) => { setMaking(false); setMade(k); void client.invalidateQueries({ queryKey: ['api-keys'] }); }} />}
      {made && <Once title={made.name} secrets={[{ label: 'API key', value: made.key }, { label: 'Try it', value: `curl -H "Authorization: Bearer ${made.key}" ${location.origin}/api/v1/devices` }]} onClose={() => setMade(null)} />}
    </>
  );
}

function KeyForm({ onClose, onMade }: { onClose: () => void; onMade: (k: { name: string; key: string }) => void }) {
  const [name, setName] = useState('');
  const [chosen, setChosen] = useState<string[]>(['read']);
  const [life, setLife] = useState('');
  const { submit, busy, errorOf, rest } = useSubmit(async () => {
    const expires = life ? new Date(Date.now() + Number(life) * 86_400_000).toISOString() : undefined;
    const { apiKey } = await confirmed(() => must(api.POST('/api/v1/api-keys', { body: { name, scopes: chosen, ...(expires && { expires }) } })));
    onMade({ name: apiKey.name, key: apiKey.key ?? '' });
  });
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>New API key</Text>}>
      <form onSubmit={(e) => void submit(e)}>
        <Stack>
          <TextInput label="Name" description="What will use it" required maxLength={128} value={name} onChange={(e) => setName(e.currentTarget.value)} error={errorOf('name')} data-autofocus />
          <Checkbox.Group label="It may" value={chosen} onChange={setChosen} error={errorOf('scopes')}>
            <Stack gap={8} mt={6}>{scopes.map(([value, label, description]) => <Checkbox key={value} value={value} label={label} description={description} />)}</Stack>
          </Checkbox.Group>
          <Select label="It ends" data={lives.map(([value, label]) => ({ value, label }))} value={life} onChange={(v) => setLife(v ?? '')} allowDeselect={false} />
          {rest(['name', 'scopes']) && <Failed error={rest(['name', 'scopes'])} />}
          <Group justify="flex-end"><Button variant="default" onClick={onClose}>Cancel</Button><Button type="submit" loading={busy} disabled={chosen.length === 0}>Create</Button></Group>
        </Stack>
      </form>
    </Modal>
  );
}
