import { Badge, Button, Checkbox, Group, Menu, Modal, Radio, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { IconApps, IconDots, IconPlus } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, must, type Schemas } from '../../api/client';
import { useSession } from '../../api/session';
import { ID } from '../../components/code';
import { confirm, confirmed } from '../../components/confirm';
import { Once } from '../../components/once';
import { Card } from '../../components/page';
import { GroupPicker, TemplatePicker } from '../../components/pickers';
import { Empty, Failed, Loaded } from '../../components/states';
import { arrayRows, DataTable } from '../../components/table';
import { attempt, useSubmit } from '../../lib/act';

type App = Schemas['Application'];

// Applications are the programs that sign people in to the account, or act for themselves.
export function Applications() {
  const { accountId } = useSession();
  const client = useQueryClient();
  const [form, setForm] = useState<App | 'new' | null>(null);
  const [shown, setShown] = useState<App | null>(null);
  const list = useQuery({ queryKey: ['applications'], queryFn: async () => (await must(api.GET('/api/v1/applications', { params: { query: { accountId, pageSize: 200 } } }))).applications.results ?? [] });
  const again = () => client.invalidateQueries({ queryKey: ['applications'] });
  const renew = async (a: App) => {
    if (!await confirm({ title: `A new token for ${a.name}?`, body: 'The old one ends at once: the application stops working until it has the new one.', action: 'Make a new token' })) return;
    await attempt(async () => setShown((await confirmed(() => must(api.POST('/api/v1/applications/{id}/token', { params: { path: { id: a.id } }, body: {} })))).application));
    await again();
  };
  const remove = async (a: App) => {
    if (!await confirm({ title: 'Delete this application?', body: 'It can sign nobody in any more, and its own sessions end.', action: 'Delete', name: a.name })) return;
    await attempt(() => confirmed(() => must(api.DELETE('/api/v1/applications/{id}', { params: { path: { id: a.id } } }))), 'The application is deleted.');
    await again();
  };
  return (
    <>
      <Card title="App credentials" pad={false} actions={<Button size="xs" leftSection={<IconPlus size={15} />} onClick={() => setForm('new')}>New application</Button>}>
        <Loaded query={list}>{(apps) => (
          <DataTable
            label="Applications" rows={arrayRows(apps)} rowKey={(a) => a.id} onRow={setForm}
            empty={<Empty icon={IconApps} title="No applications yet" action={<Button onClick={() => setForm('new')}>New application</Button>}>An end-user app signs people up and in; a back end acts for itself, or lets users sign in with OpenID.</Empty>}
            columns={[
              { key: 'name', header: 'Name', cell: (a) => <button type="button" className="plain row-link" onClick={() => setForm(a)}>{a.name}</button> },
              { key: 'type', header: 'Kind', width: 130, cell: (a) => <Badge variant="light" color={a.type === 'backEnd' ? 'blue' : 'brand'} tt="none" radius="sm">{a.type === 'backEnd' ? 'Back end' : 'End-user app'}</Badge> },
              { key: 'appId', header: 'App id', wide: true, cell: (a) => <ID id={a.appId} /> },
              { key: 'token', header: 'Token begins', width: 130, wide: true, cell: (a) => <span className="mono">{a.appTokenStart}…</span> },
              { key: 'act', header: '', width: 60, right: true, cell: (a) => (
                <Menu position="bottom-end">
                  <Menu.Target><Button variant="subtle" color="gray" size="compact-sm" px={6} aria-label={`More for ${a.name}`}><IconDots size={16} /></Button></Menu.Target>
                  <Menu.Dropdown><Menu.Item onClick={() => void renew(a)}>New token…</Menu.Item><Menu.Item color="red" onClick={() => void remove(a)}>Delete…</Menu.Item></Menu.Dropdown>
                </Menu>
              ) },
            ]}
          />
        )}</Loaded>
      </Card>
      {form && <AppForm app={form === 'new' ? undefined : form} onClose={() => setForm(null)} onMade={(a) => { setForm(null); if (a.appToken) setShown(a); void again(); }} />}
      {shown && <Once title={shown.name} secrets={[{ label: 'App id', value: shown.appId }, { label: 'App token', value: shown.appToken ?? '' }]} onClose={() => setShown(null)} />}
    </>
  );
}

function AppForm({ app, onClose, onMade }: { app?: App; onClose: () => void; onMade: (a: App) => void }) {
  const { accountId } = useSession();
  const [v, setV] = useState({ name: app?.name ?? '', type: app?.type ?? 'endUser', endUserTemplateId: app?.endUserTemplateId || null, organizationId: app?.organizationId || null, redirectUris: (app?.redirectUris ?? []).join('\n'), public: app?.public ?? false });
  const set = (change: Partial<typeof v>) => setV((old) => ({ ...old, ...change }));
  const { submit, busy, errorOf, rest } = useSubmit(async () => {
    const body = { accountId, name: v.name, type: v.type, public: v.public, redirectUris: v.redirectUris.split(/\s+/).filter(Boolean), ...(v.endUserTemplateId && { endUserTemplateId: v.endUserTemplateId }), ...(v.organizationId && { organizationId: v.organizationId }) };
    const made = await confirmed(() => must(app ? api.PUT('/api/v1/applications/{id}', { params: { path: { id: app.id } }, headers: { etag: app.version }, body }) : api.POST('/api/v1/applications', { body })));
    onMade(made.application);
  });
  return (
    <Modal opened onClose={onClose} title={<Text fw={600}>{app ? app.name : 'New application'}</Text>} size="lg">
      <form onSubmit={(e) => void submit(e)}>
        <Stack>
          <TextInput label="Name" required maxLength={128} value={v.name} onChange={(e) => set({ name: e.currentTarget.value })} error={errorOf('name')} data-autofocus />
          <Radio.Group label="Kind" value={v.type} onChange={(type) => set({ type: type as App['type'] })}>
            <Stack gap={6} mt={6}>
              <Radio value="endUser" label="End-user app" description="Signs end users up and in. Its token may be in an app that people carry around." disabled={!!app} />
              <Radio value="backEnd" label="Back end" description="Signs in as itself and acts for the account. Its token stays on your servers." disabled={!!app} />
            </Stack>
          </Radio.Group>
          {v.type === 'endUser' && (
            <Group grow align="flex-start">
              <TemplatePicker kind="end-users" label="Template of those who sign up" clearable value={v.endUserTemplateId} onChange={(endUserTemplateId) => set({ endUserTemplateId })} error={errorOf('endUserTemplateId')} />
              <GroupPicker label="Group of those who sign up" value={v.organizationId} onChange={(organizationId) => set({ organizationId })} error={errorOf('organizationId')} />
            </Group>
          )}
          <Textarea label="Redirect addresses" description="For signing in with OpenID: one to a line, compared to the letter." autosize minRows={2} value={v.redirectUris} onChange={(e) => set({ redirectUris: e.currentTarget.value })} error={errorOf('redirectUris')} styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 12.5 } }} />
          <Checkbox label="Public client" description="A program that cannot keep a secret, such as one in a browser: OpenID with PKCE and without the token." checked={v.public} onChange={(e) => set({ public: e.currentTarget.checked })} />
          {rest(['name', 'redirectUris', 'endUserTemplateId', 'organizationId']) && <Failed error={rest(['name', 'redirectUris', 'endUserTemplateId', 'organizationId'])} />}
          <Group justify="flex-end"><Button variant="default" onClick={onClose}>Cancel</Button><Button type="submit" loading={busy}>{app ? 'Save' : 'Create'}</Button></Group>
        </Stack>
      </form>
    </Modal>
  );
}
