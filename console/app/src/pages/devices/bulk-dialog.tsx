import { Button, Group, Modal, Progress as Meter, Select, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { IconAlertTriangle, IconCircleCheck } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import { FieldInput, fieldValue } from '../../components/fields';
import { GroupPicker } from '../../components/pickers';
import { Failed } from '../../components/states';
import { DataTable, arrayRows } from '../../components/table';
import { csv, save } from '../../lib/download';
import { count, plural } from '../../lib/format';
import { useDeviceFields } from '../../lib/names';
import { collect, moveTo, remove, run, setField, tag, type Failure, type Job, type Progress, type Target } from './bulk';
import type { Chosen } from './bulk-bar';

export type Action = 'move' | 'tag' | 'field' | 'delete';

const titles: Record<Action, string> = { move: 'Move to a group', tag: 'Change tags', field: 'Set a field', delete: 'Delete devices' };

interface Props { action: Action; chosen: Chosen; n: number; q: string; onClose: (changed: boolean) => void }

// BulkDialog asks what is to be done, does it with a bar of how far it is, and ends with a report.
export function BulkDialog({ action, chosen, n, q, onClose }: Props) {
  const [job, setJob] = useState<Job | null>(null);
  return (
    <Modal opened onClose={() => onClose(false)} title={<Text fw={600}>{titles[action]}</Text>} size={job ? 'lg' : 'md'} closeOnClickOutside={!job} closeOnEscape={!job} withCloseButton={!job}>
      {job ? <Run job={job} chosen={chosen} q={q} done={action === 'delete' ? 'deleted' : 'changed'} onClose={() => onClose(true)} />
        : <Ask action={action} n={n} onJob={(j) => setJob(() => j)} onCancel={() => onClose(false)} />}
    </Modal>
  );
}

function Ask({ action, n, onJob, onCancel }: { action: Action; n: number; onJob: (j: Job) => void; onCancel: () => void }) {
  const [group, setGroup] = useState<string | null>(null);
  const [add, setAdd] = useState<string[]>([]);
  const [drop, setDrop] = useState<string[]>([]);
  const [field, setField_] = useState<string | null>(null);
  const [value, setValue] = useState('');
  const [typed, setTyped] = useState('');
  const fields = useBulkFields();
  const type = fields.find((f) => f.value === field)?.type ?? 'string';
  const templates = fields.find((f) => f.value === field)?.templates;
  const what = plural(n, 'device');
  const jobs: Record<Action, Job | null> = {
    move: moveTo(group),
    tag: add.length + drop.length > 0 ? tag(add, drop) : null,
    field: field ? setField(field, fieldValue(type, value), templates) : null,
    delete: typed.trim() === String(n) ? remove : null,
  };
  const job = jobs[action];
  return (
    <form onSubmit={(e) => { e.preventDefault(); if (job) onJob(job); }}>
      <Stack>
        {action === 'move' && <GroupPicker label="Group" placeholder="None: take out of the group" value={group} onChange={setGroup} clearable data-autofocus />}
        {action === 'tag' && <>
          <TagsInput label="Add" value={add} onChange={setAdd} placeholder={add.length ? '' : 'Enter after each'} data-autofocus />
          <TagsInput label="Take away" value={drop} onChange={setDrop} placeholder={drop.length ? '' : 'Enter after each'} />
        </>}
        {action === 'field' && <>
          <Select label="Field" searchable data={fields} value={field} onChange={(v) => { setField_(v); setValue(''); }} data-autofocus />
          {field && <FieldInput type={type} label="Value" description="Leave it empty to clear the field. Devices whose template has no such field are told in the report." value={value} onChange={setValue} />}
        </>}
        {action === 'delete' && <>
          <Text size="sm">{what} will be deleted, with their credentials: they are disconnected at once and cannot come back. Each can be recovered from the audit trail for a while.</Text>
          <TextInput label={<>Type <b>{n}</b>, the number of devices, to go on</>} value={typed} onChange={(e) => setTyped(e.currentTarget.value)} autoComplete="off" data-autofocus />
        </>}
        <Group justify="flex-end">
          <Button variant="default" onClick={onCancel}>Cancel</Button>
          <Button type="submit" color={action === 'delete' ? 'red' : undefined} disabled={!job}>{action === 'delete' ? `Delete ${what}` : `Change ${what}`}</Button>
        </Group>
      </Stack>
    </form>
  );
}

const own = [['name', 'string'], ['firmwareVersion', 'string'], ['deviceVersion', 'string'], ['location', 'string'], ['latitude', 'number'], ['longitude', 'number'], ['purchaseDate', 'datetime']] as const;

function useBulkFields() {
  const custom = useDeviceFields().data ?? [];
  const list: { value: string; label: string; type: string; templates?: string[] }[] = own.map(([value, type]) => ({ value, label: value, type }));
  for (const f of custom) {
    const same = list.find((x) => x.value === f.name);
    if (same) same.templates?.push(f.deviceTemplateId);
    else list.push({ value: f.name, label: f.name, type: f.fieldType, templates: [f.deviceTemplateId] });
  }
  return list;
}

function Run({ job, chosen, q, done, onClose }: { job: Job; chosen: Chosen; q: string; done: string; onClose: () => void }) {
  const [collected, setCollected] = useState<[number, number] | null>([0, 0]);
  const [progress, setProgress] = useState<Progress | null>(null);
  const [error, setError] = useState<unknown>(null);
  const stop = useRef(new AbortController());
  useEffect(() => {
    const { signal } = stop.current = new AbortController();
    void (async () => {
      const targets = await targetsOf(chosen, q, (n, total) => setCollected([n, total]), signal);
      setCollected(null);
      if (!signal.aborted) await run(targets, job, setProgress, signal);
    })().catch((e: unknown) => { if (!signal.aborted) setError(e); });
    return () => stop.current.abort();
  }, []);
  const over = progress?.over || error !== null;
  const failed = progress?.failures.length ?? 0;
  return (
    <Stack>
      {error !== null && <Failed error={error} />}
      {!over && <>
        <Text size="sm" className="num">{collected ? `Looking the devices up: ${count(collected[0])}` : `${count(progress?.done ?? 0)} of ${plural(progress?.total ?? 0, 'device')}`}</Text>
        <Meter value={progress ? (progress.done / Math.max(progress.total, 1)) * 100 : 0} animated aria-label="How far it is" />
      </>}
      {progress?.over && (
        <Group gap={8} wrap="nowrap">
          {failed === 0 ? <IconCircleCheck size={20} color="var(--x-ok)" /> : <IconAlertTriangle size={20} color="var(--x-warn)" />}
          <Text size="sm">{plural(progress.done - failed, 'device')} {done}{failed > 0 && `, ${count(failed)} not`}{progress.done < progress.total && `; stopped before the other ${count(progress.total - progress.done)}`}.</Text>
        </Group>
      )}
      {progress?.over && failed > 0 && <Failures failures={progress.failures} />}
      <Group justify="flex-end">
        {over ? <Button onClick={onClose}>Close</Button> : <Button variant="default" onClick={() => stop.current.abort()}>Stop</Button>}
      </Group>
    </Stack>
  );
}

async function targetsOf(chosen: Chosen, q: string, tell: (n: number, total: number) => void, stop: AbortSignal): Promise<Target[]> {
  if (chosen.all) return collect(q, tell, stop);
  const ids = [...chosen.ids];
  const all: Target[] = [];
  for (let i = 0; i < ids.length && !stop.aborted; i += 60) {
    all.push(...await collect(`id:(${ids.slice(i, i + 60).join(' OR ')})`, () => {}, stop));
    tell(all.length, ids.length);
  }
  return all;
}

function Failures({ failures }: { failures: Failure[] }) {
  return (
    <div className="card">
      <DataTable label="Devices that were not changed" height={Math.min(280, 44 + failures.length * 41)} rows={arrayRows(failures)} rowKey={(f) => f.target.id} columns={[
        { key: 'name', header: 'Device', width: 180, cell: (f) => f.target.name },
        { key: 'reason', header: 'Why not', width: 360, cell: (f) => <span title={f.reason}>{f.reason}</span> },
      ]} />
      <div className="bar" style={{ borderBottom: 0 }}>
        <Button size="compact-sm" variant="subtle" onClick={() => save('not-changed.csv', [csv([['id', 'serialNumber', 'name', 'reason'], ...failures.map((f) => [f.target.id, f.target.serialNumber, f.target.name, f.reason])])], 'text/csv')}>Download this report</Button>
      </div>
    </div>
  );
}
