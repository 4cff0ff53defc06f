import { Checkbox, Loader, Text, TextInput, UnstyledButton } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconChevronDown, IconChevronRight, IconSearch } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api, must, type Device } from '../../api/client';
import { useSession } from '../../api/session';
import { Online } from '../../components/marks';
import { words } from '../../components/pickers';
import { Failed } from '../../components/states';
import { sameSeries, type SeriesID } from './series';

const shown = 40;

interface Props { chosen: SeriesID[]; onChange: (chosen: SeriesID[]) => void }

// SeriesPicker finds devices and takes their channels.
export function SeriesPicker({ chosen, onChange }: Props) {
  const { accountId } = useSession();
  const [typed, setTyped] = useState('');
  const [settled] = useDebouncedValue(typed, 150);
  const q = words(settled);
  const found = useQuery({
    queryKey: ['data', 'devices', q],
    queryFn: async ({ signal }) => (await must(api.GET('/api/v1/devices', { params: { query: { accountId, q: q || undefined, pageSize: shown, sortBy: 'name', sortOrder: 'asc' } }, signal }))).devices,
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
  const [open, setOpen] = useState<string | null>(null);
  const devices = found.data?.results ?? [];
  const total = found.data?.meta?.count ?? 0;
  return (
    <div className="series-picker">
      <TextInput value={typed} onChange={(e) => setTyped(e.currentTarget.value)} placeholder="Find devices" aria-label="Find devices" leftSection={<IconSearch size={15} />} rightSection={found.isFetching ? <Loader size={14} /> : null} m={12} mb={8} />
      <div className="series-devices">
        {found.isError && <Failed error={found.error} again={() => void found.refetch()} />}
        {found.isSuccess && devices.length === 0 && <Text size="sm" c="dimmed" px={14} py="sm">{q ? 'No device of this name.' : 'There are no devices yet.'}</Text>}
        {devices.map((d) => (
          <DeviceRow key={d.id} device={d} open={open === d.id || devices.length === 1} onToggle={() => setOpen(open === d.id ? null : d.id)} chosen={chosen} onChange={onChange} />
        ))}
        {total > devices.length && <Text size="xs" c="dimmed" px={14} py={8}>And {total - devices.length} more: type a part of a name.</Text>}
      </div>
    </div>
  );
}

function DeviceRow({ device: d, open, onToggle, chosen, onChange }: { device: Device; open: boolean; onToggle: () => void } & Props) {
  const channels = d.channels.filter((c) => c.persistenceType === 'timeSeries').map((c) => c.channelTemplateName);
  const has = chosen.filter((s) => s.device === d.id).length;
  const toggle = (channel: string) => {
    const s = { device: d.id, channel };
    onChange(chosen.some((c) => c.device === s.device && c.channel === s.channel) ? chosen.filter((c) => !(c.device === s.device && c.channel === s.channel)) : [...chosen.filter((c) => !sameSeries(c, s)), s]);
  };
  return (
    <div>
      <UnstyledButton className="tree-row" onClick={onToggle} aria-expanded={open}>
        {open ? <IconChevronDown size={14} /> : <IconChevronRight size={14} />}
        <span className="clip" style={{ flex: '1 1 auto' }}>{d.name || d.serialNumber}</span>
        {d.name && <span className="clip tree-note">{d.serialNumber}</span>}
        {has > 0 && <span className="count-badge">{has}</span>}
        <Online connected={d.connected} label={false} />
      </UnstyledButton>
      {open && (
        <div className="series-channels">
          {channels.length === 0 && <Text size="xs" c="dimmed">Its template has no channel that keeps points.</Text>}
          {channels.map((c) => <Checkbox key={c} size="xs" label={c} checked={chosen.some((s) => s.device === d.id && s.channel === c)} onChange={() => toggle(c)} />)}
        </div>
      )}
    </div>
  );
}
