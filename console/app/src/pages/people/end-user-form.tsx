import { Button, Checkbox, Group, Modal, SimpleGrid, Stack, TextInput } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { api, must, type Schemas } from '../../api/client';
import { useSession } from '../../api/session';
import { GroupPicker, TemplatePicker } from '../../components/pickers';
import { Failed } from '../../components/states';
import { said, useSubmit } from '../../lib/act';

const texts = [
  ['name', 'Name'], ['emailAddress', 'E-mail address'], ['phoneNumber', 'Phone'], ['address', 'Address'],
  ['city', 'City'], ['state', 'State'], ['postalCode', 'Postal code'], ['countryCode', 'Country code'],
] as const;

type Values = Record<(typeof texts)[number][0], string> & { organizationId: string | null; endUserTemplateId: string | null };

const valuesOf = (user?: Schemas['EndUser'], group?: string): Values => ({
  ...Object.fromEntries(texts.map(([key]) => [key, user?.[key] ?? ''])) as Record<(typeof texts)[number][0], string>,
  organizationId: user?.organizationId ?? group ?? null, endUserTemplateId: user?.endUserTemplateId ?? null,
});

// EndUserForm makes an end user, or changes user.
export function EndUserForm({ opened, onClose, user, group }: { opened: boolean; onClose: () => void; user?: Schemas['EndUser']; group?: string }) {
  return (
    <Modal opened={opened} onClose={onClose} title={user ? 'Change end user' : 'New end user'} size="lg">
      {opened && <Fields user={user} group={group} onClose={onClose} />}
    </Modal>
  );
}

function Fields({ user, group, onClose }: { user?: Schemas['EndUser']; group?: string; onClose: () => void }) {
  const { accountId } = useSession();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [v, setV] = useState(() => valuesOf(user, group));
  const [signIn, setSignIn] = useState(false);
  const set = (change: Partial<Values>) => setV((old) => ({ ...old, ...change }));
  const { submit, busy, errorOf, rest } = useSubmit(async () => {
    const before = valuesOf(user, group);
    const changed = Object.fromEntries(Object.entries(v).filter(([key, value]) => !user ? value !== '' && value !== null : value !== before[key as keyof Values])
      .map(([key, value]) => [key, value === '' ? null : value]));
    let id = user?.id;
    if (user) await must(api.PUT('/api/v1/end-users/{id}', { params: { path: { id: user.id } }, headers: { etag: user.version }, body: changed as never }));
    else {
      const body = { accountId, ...changed, ...(signIn ? { createIdmUser: true, idmUserEmail: v.emailAddress } : {}) };
      id = (await must(api.POST('/api/v1/end-users', { body: body as never }))).endUser.id;
    }
    await client.invalidateQueries({ queryKey: ['end-users'] });
    await client.invalidateQueries({ queryKey: ['end-user', id] });
    said(user ? 'Changed.' : 'The end user is there.');
    onClose();
    if (!user) navigate(`/end-users/${id}`);
  });
  const known = [...texts.map(([key]) => key), 'organizationId', 'endUserTemplateId'];
  return (
    <form onSubmit={(e) => void submit(e)}>
      <Stack>
        <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
          <TemplatePicker kind="end-users" label="Template" required value={v.endUserTemplateId} onChange={(endUserTemplateId) => set({ endUserTemplateId })} error={errorOf('endUserTemplateId')} data-autofocus />
          <GroupPicker value={v.organizationId} onChange={(organizationId) => set({ organizationId })} error={errorOf('organizationId')} />
          {texts.map(([key, label]) => (
            <TextInput key={key} label={label} type={key === 'emailAddress' ? 'email' : 'text'} required={key === 'emailAddress' && signIn} value={v[key]} onChange={(e) => set({ [key]: e.currentTarget.value })} error={errorOf(key)} autoComplete="off" />
          ))}
        </SimpleGrid>
        {!user && <Checkbox label="Let them sign in" description="Makes an identity with this e-mail address and mails a link to choose a password." checked={signIn} onChange={(e) => setSignIn(e.currentTarget.checked)} />}
        {rest(known) && <Failed error={rest(known)} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>Cancel</Button>
          <Button type="submit" loading={busy}>{user ? 'Save' : 'Create'}</Button>
        </Group>
      </Stack>
    </form>
  );
}
