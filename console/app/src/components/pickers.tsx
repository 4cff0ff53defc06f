// Fields that choose a thing of the directory by its name.
import { Select, type SelectProps } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, must } from '../api/client';
import { useSession } from '../api/session';

interface Option { id: string; name: string; note?: string }

// PickerProps are those of a Select, but for its data; value is the id.
export type PickerProps = Omit<SelectProps, 'data' | 'searchable' | 'searchValue' | 'onSearchChange'>;

// words makes a search of what somebody types: each word may be the beginning of one.
export const words = (typed: string) => typed.trim().split(/\s+/).filter(Boolean).map((w) => (/^[\p{L}\p{N}_.@-]+$/u.test(w) ? `${w}*` : JSON.stringify(w))).join(' ');

function Picker({ kind, find, one, ...props }: PickerProps & { kind: string; find: (q: string) => Promise<Option[]>; one: (id: string) => Promise<Option | null> }) {
  const [typed, setTyped] = useState('');
  const { value } = props;
  const chosen = useQuery({ queryKey: ['pick', kind, 'one', value], queryFn: () => one(value!), enabled: !!value, staleTime: 60_000 });
  // The field's text is the chosen one's name until something else is typed.
  const [q] = useDebouncedValue(typed === chosen.data?.name ? '' : typed, 150);
  const found = useQuery({ queryKey: ['pick', kind, q], queryFn: () => find(words(q)), placeholderData: keepPreviousData, staleTime: 10_000 });
  const options = new Map([...(chosen.data ? [chosen.data] : []), ...(found.data ?? [])].map((o) => [o.id, o]));
  return (
    <Select
      {...props} searchable searchValue={typed} onSearchChange={setTyped} filter={({ options: all }) => all} maxDropdownHeight={280} clearable={props.clearable ?? !props.required}
      data={[...options.values()].map((o) => ({ value: o.id, label: o.name }))}
      nothingFoundMessage={found.isFetching ? 'Looking…' : found.isError ? 'The search failed.' : 'None of this name'}
    />
  );
}

const list = (accountId: string, q: string) => ({ params: { query: { accountId, pageSize: 30, sortBy: 'name', sortOrder: 'asc' as const, ...(q ? { q } : {}) } } });

export function GroupPicker(props: PickerProps) {
  const { accountId } = useSession();
  return (
    <Picker
      label="Group" placeholder="None" {...props} kind="organizations"
      find={async (q) => ((await must(api.GET('/api/v1/organizations', list(accountId, q)))).organizations.results ?? []).map((o) => ({ id: o.id, name: o.name ?? o.id }))}
      one={async (id) => { const { organization: o } = await must(api.GET('/api/v1/organizations/{id}', { params: { path: { id } } })); return { id, name: o.name ?? id }; }}
    />
  );
}

export function DevicePicker(props: PickerProps) {
  const { accountId } = useSession();
  const name = (d: { name: string | null; serialNumber: string }) => (d.name ? `${d.name} · ${d.serialNumber}` : d.serialNumber);
  return (
    <Picker
      label="Device" placeholder="Name or serial number" {...props} kind="devices"
      find={async (q) => ((await must(api.GET('/api/v1/devices', list(accountId, q)))).devices.results ?? []).map((d) => ({ id: d.id, name: name(d) }))}
      one={async (id) => ({ id, name: name((await must(api.GET('/api/v1/devices/{id}', { params: { path: { id } } }))).device) })}
    />
  );
}

export function EndUserPicker(props: PickerProps) {
  const { accountId } = useSession();
  const name = (u: { name: string | null; emailAddress: string | null; id: string }) => u.name || u.emailAddress || u.id;
  return (
    <Picker
      label="End user" placeholder="Name or e-mail address" {...props} kind="end-users"
      find={async (q) => ((await must(api.GET('/api/v1/end-users', list(accountId, q)))).endUsers.results ?? []).map((u) => ({ id: u.id, name: name(u) }))}
      one={async (id) => ({ id, name: name((await must(api.GET('/api/v1/end-users/{id}', { params: { path: { id } } }))).endUser) })}
    />
  );
}

type TemplateKind = 'devices' | 'end-users' | 'organizations';

// useTemplates are all templates of a kind: there are few.
export function useTemplates(kind: TemplateKind) {
  const { accountId } = useSession();
  return useQuery({
    queryKey: ['templates', kind],
    queryFn: async (): Promise<{ id: string; name: string }[]> => {
      const query = { params: { query: { accountId, pageSize: 1000, sortBy: 'name', sortOrder: 'asc' as const } } };
      const results = kind === 'devices' ? (await must(api.GET('/api/v1/devices/templates', query))).deviceTemplates.results
        : kind === 'end-users' ? (await must(api.GET('/api/v1/end-users/templates', query))).endUserTemplates.results
          : (await must(api.GET('/api/v1/organizations/templates', query))).organizationTemplates.results;
      return (results ?? []).map((t) => ({ id: t.id, name: t.name ?? t.id }));
    },
    staleTime: 30_000,
  });
}

export function TemplatePicker({ kind, ...props }: PickerProps & { kind: TemplateKind }) {
  const templates = useTemplates(kind);
  return <Select label="Template" {...props} searchable data={(templates.data ?? []).map((t) => ({ value: t.id, label: t.name }))} nothingFoundMessage={templates.isPending ? 'Loading…' : 'No template'} />;
}
