import { Loader, Select, type SelectProps } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, must } from '../../api/client';
import { useSession } from '../../api/session';
import { words } from '../../components/pickers';

// What people call the kinds of things.
export const kindNames: Record<string, string> = {
  device: 'Device', endUser: 'End user', accountUser: 'Admin', organization: 'Group', deviceTemplate: 'Device template', endUserTemplate: 'End user template', organizationTemplate: 'Group template',
  topic: 'Topic', channel: 'Channel', account: 'Account', grant: 'Grant', role: 'Role', mqttCredential: 'Credential', savedSearch: 'Saved search',
};

type Props = Omit<SelectProps, 'data' | 'value' | 'onChange' | 'searchable' | 'searchValue' | 'onSearchChange'> & { kinds: string[]; value: string; onChange: (id: string) => void; known?: string };

// Lookup finds a thing of any of some kinds by its name. known is the name of the chosen one, where it is known already.
export function Lookup({ kinds, value, onChange, known, ...props }: Props) {
  const { accountId } = useSession();
  const [typed, setTyped] = useState('');
  const id = value.includes(':') ? value.slice(value.indexOf(':') + 1) : value;
  const read = async (q: string) => (await must(api.GET('/api/v1/search', { params: { query: { accountId, q: q || undefined, kinds: kinds.join(','), pageSize: 30 } } }))).search.results ?? [];
  const chosen = useQuery({ queryKey: ['lookup', 'one', id], queryFn: () => read(`id:${id}`), enabled: /^[0-9a-f-]{36}$/.test(id), staleTime: 60_000 });
  const own = chosen.data?.find((h) => h.id === id);
  const label = own?.name ?? known;
  const [settled] = useDebouncedValue(typed === label ? '' : typed, 150);
  const found = useQuery({ queryKey: ['lookup', kinds.join(), settled], queryFn: () => read(words(settled)), placeholderData: keepPreviousData, staleTime: 10_000 });
  const hits = [...(own ? [own] : []), ...(found.data ?? []).filter((h) => h.id !== own?.id)];
  const option = (h: (typeof hits)[0]) => ({ value: h.id, label: h.name || h.serialNumber || h.id });
  const groups = kinds.map((k) => ({ group: kindNames[k] ?? k, items: hits.filter((h) => h.kind === k).map(option) })).filter((g) => g.items.length > 0);
  const unknown = id !== '' && !hits.some((h) => h.id === id) ? [{ group: 'Chosen', items: [{ value: id, label: known ?? id }] }] : [];
  return (
    <Select {...props} searchable clearable data={[...unknown, ...groups]} value={id || null} onChange={(v) => onChange(v ?? '')} searchValue={typed} onSearchChange={setTyped}
      filter={({ options }) => options} maxDropdownHeight={300} nothingFoundMessage={found.isFetching ? 'Looking…' : 'None of this name'} rightSection={found.isFetching ? <Loader size={14} /> : undefined} />
  );
}
