import { ActionIcon, Button, Group, Menu, Modal, Stack, Text, TextInput, Tooltip } from '@mantine/core';
import { IconBookmark, IconTrash } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, must } from '../../api/client';
import { confirm } from '../../components/confirm';
import type { Sort } from '../../components/table';
import { attempt, useSubmit } from '../../lib/act';
import type { Search } from './list';

const useSaved = () => useQuery({
  queryKey: ['searches', 'device'],
  queryFn: async () => (await must(api.GET('/api/v1/searches', { params: { query: { pageSize: 1000, sortBy: 'name', filters: { kind: 'device' } } } }))).savedSearches.results ?? [],
});

// SavedSearches keeps queries under names, for everybody in the account.
export function SavedSearches({ search, onSearch }: { search: Search; onSearch: (q: string, sort: Sort) => void }) {
  const saved = useSaved().data ?? [];
  const client = useQueryClient();
  const [saving, setSaving] = useState(false);
  const remove = async (id: string, name: string) => {
    if (!await confirm({ title: 'Delete this saved search?', body: <>“{name}” is removed for everybody. The devices it finds stay.</>, action: 'Delete' })) return;
    await attempt(() => must(api.DELETE('/api/v1/searches/{id}', { params: { path: { id } } })), 'The saved search is deleted.');
    void client.invalidateQueries({ queryKey: ['searches'] });
  };
  return (
    <>
      <Menu position="bottom-end" width={300}>
        <Menu.Target><Tooltip label="Saved searches"><ActionIcon variant="default" size={34} aria-label="Saved searches"><IconBookmark size={17} stroke={1.7} /></ActionIcon></Tooltip></Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Saved searches</Menu.Label>
          {saved.length === 0 && <Text size="sm" c="dimmed" px={12} pb={8}>None yet. A saved search is a group that keeps itself up to date.</Text>}
          {saved.map((s) => (
            <Group key={s.id} gap={0} wrap="nowrap">
              <Menu.Item flex={1} miw={0} onClick={() => onSearch(s.query ?? '', { by: s.sortBy || 'name', order: s.sortOrder ?? 'asc' })}>
                <Text size="sm" className="clip">{s.name}</Text><Text size="xs" c="dimmed" className="clip mono">{s.query || 'all devices'}</Text>
              </Menu.Item>
              <Menu.Item w={38} px={11} aria-label={`Delete ${s.name}`} onClick={() => void remove(s.id, s.name ?? '')}><IconTrash size={15} stroke={1.6} /></Menu.Item>
            </Group>
          ))}
          <Menu.Divider />
          <Menu.Item onClick={() => setSaving(true)} disabled={!search.q}>{search.q ? 'Save this search…' : 'Search for something to save it'}</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={saving} onClose={() => setSaving(false)} title={<Text fw={600}>Save this search</Text>}>
        <SaveForm search={search} onDone={() => { setSaving(false); void client.invalidateQueries({ queryKey: ['searches'] }); }} />
      </Modal>
    </>
  );
}

function SaveForm({ search, onDone }: { search: Search; onDone: () => void }) {
  const [name, setName] = useState('');
  const form = useSubmit(async () => {
    await must(api.POST('/api/v1/searches', { body: { name: name.trim(), kind: 'device', query: search.q, sortBy: search.sort.by, sortOrder: search.sort.order } }));
    onDone();
  });
  return (
    <form onSubmit={(e) => void form.submit(e)}>
      <Stack>
        <Text size="sm" className="mono break">{search.q}</Text>
        <TextInput label="Name" value={name} onChange={(e) => setName(e.currentTarget.value)} error={form.error?.message} required data-autofocus />
        <Group justify="flex-end"><Button variant="default" onClick={onDone}>Cancel</Button><Button type="submit" loading={form.busy} disabled={!name.trim()}>Save</Button></Group>
      </Stack>
    </form>
  );
}
