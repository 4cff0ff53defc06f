import { ActionIcon, Badge, Button, Group, TagsInput, Text, Tooltip } from '@mantine/core';
import { IconCheck, IconPencil } from '@tabler/icons-react';
import { useState, type FormEvent, type ReactNode } from 'react';
import { ApiError, type Device } from '../../api/client';
import { FieldInput, fieldText, fieldValue } from '../../components/fields';
import { Ago } from '../../components/marks';
import { GroupPicker } from '../../components/pickers';
import { absolute, value as number } from '../../lib/format';
import { useChange } from './load';

export interface Field { name: string; label: string; type: string; required?: boolean; shown?: ReactNode; note?: ReactNode }

const known = (v: unknown) => v !== null && v !== undefined && v !== '' && !(Array.isArray(v) && v.length === 0);

function Value({ type, value: v }: { type: string; value: unknown }) {
  if (!known(v)) return <span className="unset">–</span>;
  if (Array.isArray(v)) return <Group gap={4}>{v.map((t) => <Badge key={String(t)} size="sm" radius="sm" variant="default" tt="none" fw={500}>{String(t)}</Badge>)}</Group>;
  if (type === 'datetime') return <span className="num">{absolute(String(v)).slice(0, 16)}</span>;
  if (type === 'boolean') return <>{v === true || v === 'true' ? 'yes' : 'no'}</>;
  if (typeof v === 'number') return <span className="num">{type === 'place' ? v : number(v)}</span>;
  return <>{String(v)}</>;
}

// FieldRow shows a member of the device and changes it in place.
export function FieldRow({ device, field: f }: { device: Device; field: Field }) {
  const [editing, setEditing] = useState(false);
  const v = device[f.name];
  return (
    <>
      <dt className="clip" title={f.label}>{f.label}</dt>
      <dd>
        {editing ? <Edit device={device} field={f} onDone={() => setEditing(false)} /> : (
          <span className="field-value">
            <span>{f.shown ?? <Value type={f.type} value={v} />}</span>
            {f.note}
            <ActionIcon size="xs" className="edit" aria-label={`Change ${f.label}`} onClick={() => setEditing(true)}><IconPencil size={13} /></ActionIcon>
          </span>
        )}
      </dd>
    </>
  );
}

function Edit({ device, field: f, onDone }: { device: Device; field: Field; onDone: () => void }) {
  const change = useChange(device);
  const current = device[f.name];
  const [text, setText] = useState(() => fieldText(f.type, Array.isArray(current) ? '' : current));
  const [tags, setTags] = useState(() => (Array.isArray(current) ? current.map(String) : []));
  const [group, setGroup] = useState<string | null>(device.organizationId);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const save = async (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      const v = f.type === 'tags' ? tags : f.type === 'group' ? group : fieldValue(f.type === 'place' ? 'number' : f.type, text);
      await change({ [f.name]: v });
      onDone();
    } catch (err) {
      setError(err instanceof ApiError && err.status === 412 ? 'Somebody changed the device meanwhile. What it is now is shown; save once more to have it your way.' : (err as Error).message);
    } finally { setBusy(false); }
  };
  return (
    <form onSubmit={(e) => void save(e)} onKeyDown={(e) => { if (e.key === 'Escape') { e.stopPropagation(); onDone(); } }} className="field-edit">
      {f.type === 'tags' ? <TagsInput size="xs" aria-label={f.label} value={tags} onChange={setTags} error={error} autoFocus />
        : f.type === 'group' ? <GroupPicker size="xs" label={undefined} aria-label={f.label} value={group} onChange={setGroup} clearable error={error} />
          : <FieldInput size="xs" type={f.type === 'place' ? 'number' : f.type} name={f.label} value={text} onChange={setText} error={error} autoFocus />}
      <Group gap={4} wrap="nowrap">
        <Button type="submit" size="compact-xs" loading={busy} leftSection={<IconCheck size={12} />}>Save</Button>
        <Button size="compact-xs" variant="subtle" color="gray" onClick={onDone}>Cancel</Button>
      </Group>
    </form>
  );
}

// Reported marks a value that the device itself sent.
export function Reported({ at }: { at: string }) {
  return <Tooltip label="The device reported this over its channel _set/fields"><Text span size="xs" c="dimmed">reported <Ago time={at} /></Text></Tooltip>;
}
