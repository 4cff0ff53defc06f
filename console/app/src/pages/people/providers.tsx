import { Alert, Badge, Button, Checkbox, Group, Modal, PasswordInput, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { IconCheck, IconPlus, IconWorldShare, IconX } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, must, type Schemas } from '../../api/client';
import { useSession } from '../../api/session';
import { Code } from '../../components/code';
import { confirm, confirmed } from '../../components/confirm';
import { Card } from '../../components/page';
import { GroupPicker, TemplatePicker } from '../../components/pickers';
import { Empty, Failed, Loaded } from '../../components/states';
import { arrayRows, DataTable } from '../../components/table';
import { attempt, useSubmit } from '../../lib/act';

type Provider = Schemas['IdentityProvider'];

interface Rule { createUsers?: boolean; emailDomains?: string[]; groupsClaim?: string; adminGroups?: string[]; organizationId?: string; endUserTemplateId?: string; organizations?: { group: string; organizationId: string }[] }

// Providers are other places where people of this account may sign in.
export function Providers() {
  const { accountId } = useSession();
  const [form, setForm] = useState<Provider | 'new' | null>(null);
  const list = useQuery({ queryKey: ['providers'], queryFn: async () => (await must(api.GET('/api/v1/identity-providers', { params: { query: { accountId, pageSize: 200 } } }))).identityProviders.results ?? [] });
  return (
    <>
      <Card title="OpenID providers" pad={false} actions={<Button size="xs" leftSection={<IconPlus size={15} />} onClick={() => setForm('new')}>New provider</Button>}>
        <Loaded query={list}>{(providers) => (
          <DataTable
            label="OpenID providers" rows={arrayRows(providers)} rowKey={(p) => p.id} onRow={setForm}
            empty={<Empty icon={IconWorldShare} title="No providers" action={<Button onClick={() => setForm('new')}>New provider</Button>}>Let people sign in with an account they have elsewhere: Google, Microsoft, Keycloak, or any other OpenID Connect provider.</Empty>}
            columns={[
              { key: 'name', header: 'Name', width: 200, cell: (p) => <button type="button" className="plain row-link" onClick={() => setForm(p)}>{p.name}</button> },
              { key: 'issuer', header: 'Issuer', cell: (p) => p.issuer },
              { key: 'state', header: 'State', width: 110, cell: (p) => (p.disabled ? <Badge color="gray" variant="light" tt="none">disabled</Badge> : <Badge variant="light" tt="none">on</Badge>) },
            ]}
          />
        )}</Loaded>
      </Card>
      {form && <ProviderForm provider={form === 'new' ? undefined : form} onClose={() => setForm(null)} />}
    </>
  );
}

type Tested = Schemas['ProviderTest'];

function ProviderForm({ provider, onClose }: { provider?: Provider; onClose: () => void }) {
  const { accountId } = useSession();
  const client = useQueryClient();
  const rule = (provider?.rule ?? {}) as Rule;
  const [v, setV] = useState({ name: provider?.name ?? '', issuer: provider?.issuer ?? '', clientId: provider?.clientId ?? '', clientSecret: '', disabled: provider?.disabled ?? false });
  const [r, setR] = useState<Rule>(rule);
  const [tested, setTested] = useState<Tested | null>(null);
  const set = (change: Partial<typeof v>) => setV((old) => ({ ...old, ...change }));
  const setRule = (change: Rule) => setR((old) => ({ ...old, ...change }));
  const end = async () => { await client.invalidateQueries({ queryKey: ['providers'] }); onClose(); };
  const { submit, busy, errorOf, rest } = useSubmit(async () => {
    const fields = { name: v.name, issuer: v.issuer, clientId: v.clientId, disabled: v.disabled, rule: r, ...(v.clientSecret && { clientSecret: v.clientSecret }) };
    const body = fields as never; // the description of the API knows no members of rule
    await confirmed(() => must(provider ? api.PUT('/api/v1/identity-providers/{id}', { params: { path: { id: provider.id } }, headers: { etag: provider.version }, body }) : api.POST('/api/v1/identity-providers', { body: { ...fields, accountId } as never })));
    await end();
  });
  const { submit: test, busy: testing, error: notTested } = useSubmit(async () => {
    if (!provider) return;
    setTested(null);
    setTested((await confirmed(() => must(api.POST('/api/v1/identity-providers/{id}/test', { params: { path: { id: provider.id } } })))).providerTest);
  });
  const remove = async () => {
    if (!provider || !await confirm({ title: 'Delete this provider?', body: 'Nobody can sign in through it any more. Those who have a password here still can.', action: 'Delete', name: provider.name })) return;
    if (await attempt(() => confirmed(() => must(api.DELETE('/api/v1/identity-providers/{id}', { params: { path: { id: provider.id } } }))), 'The provider is deleted.')) await end();
  };
  const known = ['name', 'issuer', 'clientId', 'clientSecret'];
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>{provider ? provider.name : 'New provider'}</Text>} size="lg">
      <form onSubmit={(e) => void submit(e)}>
        <Stack>
          <TextInput label="Name" description="As the button on the sign-in page says it" required maxLength={64} value={v.name} onChange={(e) => set({ name: e.currentTarget.value })} error={errorOf('name')} data-autofocus />
          <TextInput label="Issuer" description="The address below which /.well-known/openid-configuration answers" type="url" placeholder="https://accounts.google.com" required value={v.issuer} onChange={(e) => set({ issuer: e.currentTarget.value })} error={errorOf('issuer')} />
          <Group grow align="flex-start">
            <TextInput label="Client id" required value={v.clientId} onChange={(e) => set({ clientId: e.currentTarget.value })} error={errorOf('clientId')} autoComplete="off" />
            <PasswordInput label="Client secret" placeholder={provider?.hasSecret ? 'kept; type to replace it' : ''} value={v.clientSecret} onChange={(e) => set({ clientSecret: e.currentTarget.value })} error={errorOf('clientSecret')} autoComplete="off" />
          </Group>
          {provider && <div><Text size="sm" fw={500} mb={4}>Redirect address, to be registered there</Text><Code text={provider.redirectUri} /></div>}
          <Text fw={570} size="sm">Who may sign in, and as what</Text>
          <Checkbox label="Make users of those who come for the first time" description="Otherwise only people who have linked their account here before." checked={r.createUsers ?? false} onChange={(e) => setRule({ createUsers: e.currentTarget.checked })} />
          {r.createUsers && (
            <Stack gap="sm" pl="lg">
              <TagsInput label="Only with an address at" description="Domains; none means any" placeholder="example.com" value={r.emailDomains ?? []} onChange={(emailDomains) => setRule({ emailDomains })} />
              <TagsInput label="Admins are those in the provider's groups" value={r.adminGroups ?? []} onChange={(adminGroups) => setRule({ adminGroups })} />
              <Group grow align="flex-start">
                <GroupPicker label="All others become end users of" description="None turns them away" value={r.organizationId || null} onChange={(id) => setRule({ organizationId: id ?? '' })} />
                <TemplatePicker kind="end-users" label="With the template" description="Of the new end users" clearable value={r.endUserTemplateId || null} onChange={(id) => setRule({ endUserTemplateId: id ?? '' })} />
              </Group>
            </Stack>
          )}
          {provider && <Checkbox label="Disabled" description="Not offered, and nobody signs in through it." checked={v.disabled} onChange={(e) => set({ disabled: e.currentTarget.checked })} />}
          {notTested && <Failed error={notTested} />}
          {tested && (
            <Alert color={tested.ok ? 'brand' : 'red'} variant="light" role="status" title={tested.ok ? 'The provider answers as it should' : 'Something is not right yet'}>
              <Stack gap={4}>{tested.steps.map((t) => <Group key={t.code} gap={8} wrap="nowrap" align="flex-start">{t.ok ? <IconCheck size={16} aria-label="good" /> : <IconX size={16} aria-label="failed" />}<Text size="sm" className="break">{t.text}</Text></Group>)}</Stack>
            </Alert>
          )}
          {rest(known) && <Failed error={rest(known)} />}
          <Group justify="space-between">
            <Group gap={8}>
              {provider && <Button variant="default" loading={testing} onClick={() => void test()}>Test</Button>}
              {provider && <Button variant="subtle" color="red" onClick={() => void remove()}>Delete…</Button>}
            </Group>
            <Group gap={8}><Button variant="default" onClick={onClose}>Cancel</Button><Button type="submit" loading={busy}>{provider ? 'Save' : 'Create'}</Button></Group>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
