import { useDebouncedValue } from '@mantine/hooks';
import { Spotlight, type SpotlightActionGroupData } from '@mantine/spotlight';
import { IconBinaryTree2, IconCpu, IconSearch, IconUser } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { api, must } from '../api/client';
import { useSession } from '../api/session';
import { places } from './nav';

// Palette (Ctrl K) goes to any page and finds devices, groups and end users by what is in them.
export function Palette() {
  const navigate = useNavigate();
  const { accountId } = useSession();
  const [query, setQuery] = useState('');
  const [settled] = useDebouncedValue(query.trim(), 150);
  const { data } = useQuery({
    queryKey: ['palette', settled],
    enabled: settled.length > 1,
    queryFn: async () => {
      const q = settled.split(/\s+/).map((w) => (/^[\w.@-]+$/.test(w) ? `${w}*` : JSON.stringify(w))).join(' ');
      const parameters = { params: { query: { accountId, q, pageSize: 6 } } };
      const [devices, organizations, endUsers] = await Promise.all([
        must(api.GET('/api/v1/devices', parameters)), must(api.GET('/api/v1/organizations', parameters)), must(api.GET('/api/v1/end-users', parameters)),
      ]);
      return { devices: devices.devices.results ?? [], organizations: organizations.organizations.results ?? [], endUsers: endUsers.endUsers.results ?? [] };
    },
  });
  const fits = (text: string) => query.trim().toLowerCase().split(/\s+/).every((w) => text.toLowerCase().includes(w));
  const groups: SpotlightActionGroupData[] = [{
    group: 'Go to',
    actions: places.flatMap((g) => g.items).filter((p) => fits(`${p.label} ${p.words ?? ''}`)).map((p) => ({
      id: p.to, label: p.label, leftSection: <p.icon size={18} stroke={1.7} />, onClick: () => navigate(p.to),
    })),
  }];
  if (data && settled.length > 1) {
    groups.unshift(
      { group: 'Devices', actions: data.devices.map((d) => ({ id: d.id, label: d.name || d.serialNumber, description: d.name ? d.serialNumber : undefined, leftSection: <IconCpu size={18} stroke={1.7} />, onClick: () => navigate(`/devices/${d.id}`) })) },
      { group: 'Groups', actions: data.organizations.map((o) => ({ id: o.id, label: o.name ?? o.id, leftSection: <IconBinaryTree2 size={18} stroke={1.7} />, onClick: () => navigate(`/groups/${o.id}`) })) },
      { group: 'End users', actions: data.endUsers.map((u) => ({ id: u.id, label: u.name || u.emailAddress || u.id, leftSection: <IconUser size={18} stroke={1.7} />, onClick: () => navigate(`/end-users/${u.id}`) })) },
    );
  }
  return (
    <Spotlight
      actions={groups.filter((g) => g.actions.length > 0)} query={query} onQueryChange={setQuery} filter={(_, actions) => actions} nothingFound="Nothing of this name." shortcut={['mod + K']}
      scrollable maxHeight={420} searchProps={{ leftSection: <IconSearch size={18} />, placeholder: 'A page, a device, a group, an end user…', 'aria-label': 'Search' }}
    />
  );
}
