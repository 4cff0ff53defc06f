import { ActionIcon, Badge, Button, Checkbox, Group, Popover, ScrollArea, Stack, Text, Tooltip } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { IconColumns3 } from '@tabler/icons-react';
import { Link } from 'react-router';
import type { Device } from '../../api/client';
import { Ago } from '../../components/marks';
import type { Column } from '../../components/table';
import { absolute, value } from '../../lib/format';
import type { CustomField } from '../../lib/names';

// The first column is always there: the device, with a dot that tells whether it is connected.
const nameColumn: Column<Device> = {
  key: 'name', header: 'Name', sort: true, width: 240,
  cell: (d) => (
    <span style={{ display: 'inline-flex', alignItems: 'center', gap: 10, maxWidth: '100%' }}>
      <span className={d.connected ? 'dot on' : 'dot'} role="img" aria-label={d.connected ? 'online' : 'offline'} />
      <Link to={`/devices/${d.id}`} className="name-link clip">{d.name || d.serialNumber}</Link>
    </span>
  ),
};

const own: Column<Device>[] = [
  { key: 'serialNumber', header: 'Serial number', sort: true, width: 150, cell: (d) => <span className="mono">{d.serialNumber}</span> },
  { key: 'template', header: 'Template', width: 150, cell: (d) => d.deviceTemplate?.name },
  { key: 'group', header: 'Group', width: 150, cell: (d) => d.organization?.name ?? <Text span size="sm" c="dimmed">none</Text> },
  { key: 'lastConnected', header: 'Last seen', sort: true, width: 120, cell: (d) => <Ago time={d.lastConnected} /> },
  { key: 'firmwareVersion', header: 'Firmware', sort: true, width: 100, cell: (d) => d.firmwareVersion },
  { key: 'tags', header: 'Tags', width: 190, cell: (d) => <Tags tags={d.tags} /> },
  { key: 'provisioningState', header: 'State', sort: true, width: 110, cell: (d) => d.provisioningState },
  { key: 'location', header: 'Location', sort: true, width: 140, cell: (d) => d.location },
  { key: 'deviceVersion', header: 'Device version', sort: true, width: 130, cell: (d) => d.deviceVersion },
  { key: 'externalIp', header: 'Address', sort: true, width: 130, cell: (d) => <span className="mono">{d.externalIp}</span> },
  { key: 'purchaseDate', header: 'Bought', sort: true, width: 150, cell: (d) => d.purchaseDate && absolute(d.purchaseDate).slice(0, 10) },
  { key: 'created', header: 'Created', sort: true, width: 120, cell: (d) => <Ago time={d.created} /> },
  { key: 'lastModified', header: 'Changed', sort: true, width: 120, cell: (d) => <Ago time={d.lastModified} /> },
  { key: 'id', header: 'Id', sort: true, width: 300, cell: (d) => <span className="mono">{d.id}</span> },
];

const shownAtFirst = ['serialNumber', 'template', 'group', 'lastConnected', 'firmwareVersion', 'tags'];

function Tags({ tags }: { tags: string[] }) {
  return <Group gap={4} wrap="nowrap">{tags.map((t) => <Badge key={t} size="sm" radius="sm" variant="default" tt="none" fw={500}>{t}</Badge>)}</Group>;
}

function customColumn({ name, fieldType }: CustomField): Column<Device> {
  const number = fieldType === 'number';
  return {
    key: name, header: name, sort: true, width: number ? 110 : 150, right: number,
    cell: ({ [name]: v }) => (v === null || v === undefined ? '' : typeof v === 'number' ? value(v) : fieldType === 'datetime' ? absolute(String(v)).slice(0, 16) : String(v)),
  };
}

// useColumns are the columns that the person wants to see, kept in this browser.
export function useColumns(fields: CustomField[]) {
  const [chosen, setChosen] = useLocalStorage({ key: 'devices.columns', defaultValue: shownAtFirst, getInitialValueInEffect: false });
  const custom = [...new Map(fields.map((f) => [f.name, f])).values()].map(customColumn);
  const all = [...own, ...custom.filter((c) => !own.some((o) => o.key === c.key))];
  return { columns: [nameColumn, ...all.filter((c) => chosen.includes(c.key))], all, custom, chosen, setChosen };
}

export function ColumnChooser({ all, chosen, setChosen }: Pick<ReturnType<typeof useColumns>, 'all' | 'chosen' | 'setChosen'>) {
  const changed = chosen.join() !== shownAtFirst.join();
  return (
    <Popover position="bottom-end" shadow="md" width={230} withinPortal trapFocus>
      <Popover.Target>
        <Tooltip label="Columns"><ActionIcon variant="default" size={34} aria-label="Columns"><IconColumns3 size={17} stroke={1.7} /></ActionIcon></Tooltip>
      </Popover.Target>
      <Popover.Dropdown p="sm">
        <ScrollArea.Autosize mah={360} type="auto">
          <Checkbox.Group value={chosen} onChange={setChosen} label={<Text size="xs" c="dimmed">Columns</Text>}>
            <Stack gap={8} mt={8}>{all.map((c) => <Checkbox key={c.key} size="xs" value={c.key} label={c.header} styles={{ label: { fontSize: 13 } }} />)}</Stack>
          </Checkbox.Group>
        </ScrollArea.Autosize>
        {changed && <Button size="compact-xs" variant="subtle" mt={10} onClick={() => setChosen(shownAtFirst)}>As at first</Button>}
      </Popover.Dropdown>
    </Popover>
  );
}
