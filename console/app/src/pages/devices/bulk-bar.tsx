import { Button, Menu, Text } from '@mantine/core';
import { IconChevronDown, IconFolderSymlink, IconForms, IconTag, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { plural } from '../../lib/format';
import { BulkDialog, type Action } from './bulk-dialog';

export interface Chosen { ids: ReadonlySet<string>; all: boolean }

// Everything is the ids of all devices found, of which not all may be loaded.
class Everything extends Set<string> { override has() { return true; } }
export const everything: ReadonlySet<string> = new Everything();

interface Props { chosen: Chosen; total: number; q: string; onChoose: (c: Chosen) => void; onExport: (form: 'csv' | 'ndjson') => void; onDone: () => void }

// BulkBar stands above the table while devices are chosen.
export function BulkBar({ chosen, total, q, onChoose, onExport, onDone }: Props) {
  const [action, setAction] = useState<Action | null>(null);
  const n = chosen.all ? total : chosen.ids.size;
  const button = (a: Action, label: string, icon: React.ReactNode) => <Button size="compact-sm" variant="subtle" color={a === 'delete' ? 'red' : 'gray'} leftSection={icon} onClick={() => setAction(a)}>{label}</Button>;
  return (
    <div className="bar selected" role="toolbar" aria-label="What to do with the chosen devices">
      <Text size="sm" fw={570} className="num">{chosen.all ? `All ${plural(n, 'device')} found` : `${plural(n, 'device')} chosen`}</Text>
      {!chosen.all && n < total && <Button size="compact-sm" variant="subtle" onClick={() => onChoose({ ids: chosen.ids, all: true })}>Choose all {plural(total, 'device')} found</Button>}
      <Button size="compact-sm" variant="subtle" color="gray" onClick={() => onChoose({ ids: new Set(), all: false })}>Clear</Button>
      <span style={{ flex: 1 }} />
      {button('move', 'Move', <IconFolderSymlink size={15} stroke={1.7} />)}
      {button('tag', 'Tags', <IconTag size={15} stroke={1.7} />)}
      {button('field', 'Set a field', <IconForms size={15} stroke={1.7} />)}
      <Menu position="bottom-end">
        <Menu.Target><Button size="compact-sm" variant="subtle" color="gray" rightSection={<IconChevronDown size={13} />}>Export</Button></Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => onExport('csv')}>CSV, as the import takes it</Menu.Item>
          <Menu.Item onClick={() => onExport('ndjson')}>NDJSON, a device a line</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {button('delete', 'Delete', <IconTrash size={15} stroke={1.7} />)}
      {action && <BulkDialog action={action} chosen={chosen} n={n} q={q} onClose={(changed) => { setAction(null); if (changed) onDone(); }} />}
    </div>
  );
}
