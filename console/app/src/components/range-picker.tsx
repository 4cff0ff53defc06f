import { ActionIcon, Button, Group, Popover, Stack, Text, TextInput, Tooltip, UnstyledButton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconClock, IconRefresh } from '@tabler/icons-react';
import { useState } from 'react';
import { nameOf, presets, rangeOf, spanOf, type Range } from '../lib/range';

interface Props {
  range: Range;
  onChange: (range: Range) => void;
  onRefresh?: () => void; // shows a button for it
  busy?: boolean;
}

const pad = (n: number) => String(n).padStart(2, '0');
const local = (t: number) => {
  const d = new Date(t);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}T${pad(d.getHours())}:${pad(d.getMinutes())}`;
};

// RangePicker chooses a span of time: one that ends now, or one between two moments.
export function RangePicker({ range, onChange, onRefresh, busy }: Props) {
  const [open, { close, toggle }] = useDisclosure();
  return (
    <Group gap={6} wrap="nowrap" miw={0}>
      <Popover opened={open} onChange={(o) => { if (!o) close(); }} position="bottom-end" shadow="md" trapFocus returnFocus>
        <Popover.Target>
          <Button variant="default" miw={0} leftSection={<IconClock size={16} />} onClick={toggle} aria-haspopup="dialog"><span className="clip">{nameOf(range, Date.now())}</span></Button>
        </Popover.Target>
        <Popover.Dropdown p={0} aria-label="Span of time">
          <Choice range={range} choose={(r) => { onChange(r); close(); }} />
        </Popover.Dropdown>
      </Popover>
      {onRefresh && (
        <Tooltip label="Refresh"><ActionIcon variant="default" size={36} onClick={onRefresh} aria-label="Refresh" loading={busy}><IconRefresh size={16} /></ActionIcon></Tooltip>
      )}
    </Group>
  );
}

function Choice({ range, choose }: { range: Range; choose: (range: Range) => void }) {
  const [from, to] = spanOf(range, Date.now());
  const [a, setA] = useState(local(from));
  const [b, setB] = useState(local(to));
  const start = new Date(a).getTime();
  const end = new Date(b).getTime();
  const wrong = !(start < end);
  return (
    <div className="range-picker">
      <div className="range-presets">
        {presets.map(([key, label]) => (
          <UnstyledButton key={key} className="menu-row" data-active={(range.from === key && range.to === '') || undefined} onClick={() => choose({ from: key, to: '' })}>{label}</UnstyledButton>
        ))}
      </div>
      <form onSubmit={(e) => { e.preventDefault(); if (!wrong) choose(rangeOf(start, end)); }}>
        <Stack gap="sm" p="md">
          <TextInput type="datetime-local" label="From" size="sm" value={a} onChange={(e) => setA(e.currentTarget.value)} />
          <TextInput type="datetime-local" label="To" size="sm" value={b} onChange={(e) => setB(e.currentTarget.value)} error={wrong && a && b ? 'This is before the start.' : undefined} />
          <Button type="submit" disabled={wrong}>Show</Button>
          <Text size="xs" c="dimmed">Times of this computer’s zone.</Text>
        </Stack>
      </form>
    </div>
  );
}
