import { ActionIcon, Alert, Badge, Button, Group, Loader, Menu, NumberInput, Stack, Text } from '@mantine/core';
import { IconArchive, IconDots, IconDownload, IconPlus, IconRestore, IconTrash } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api, ApiError, must, type Schemas } from '../../api/client';
import { Code } from '../../components/code';
import { confirm } from '../../components/confirm';
import { Ago } from '../../components/marks';
import { Card } from '../../components/page';
import { Empty, Failed, Loaded } from '../../components/states';
import { arrayRows, DataTable } from '../../components/table';
import { attempt, said, useSubmit } from '../../lib/act';
import { absolute, bytes, duration } from '../../lib/format';
import { NotYours } from './not-yours';

type Backup = Schemas['Backup'];

const busy = (b: Backup) => b.state === 'running' || b.state === 'restoring' || b.state === 'restarting';

// restored resolves when the server has started again with the backup. It rejects when the restore failed, and so changed nothing.
async function restored(name: string): Promise<void> {
  for (;;) {
    await new Promise((done) => setTimeout(done, 700));
    try {
      const { backup } = await must(api.GET('/api/v1/backups/{name}', { params: { path: { name } } }));
      if (backup.error) throw new Error(backup.error);
      if (backup.state === 'done') return;
    } catch (e) {
      if (!(e instanceof ApiError)) throw e;
      if (e.status >= 400 && e.status < 500) return; // it is back, and does not know this sign-in, or not as an operator's
    }
  }
}

// Backups are made here, by themselves when there is a schedule, and restored: the server checks one, then starts again with it.
export function Backups() {
  const client = useQueryClient();
  const [restoring, setRestoring] = useState<string | null>(null);
  const backups = useQuery({
    queryKey: ['backups'],
    queryFn: async () => (await must(api.GET('/api/v1/backups', { params: { query: { pageSize: 500 } } }))).backups.results ?? [],
    enabled: restoring === null,
    refetchInterval: (q) => (q.state.data?.some(busy) ? 1000 : false),
  });
  const schedule = useQuery({ queryKey: ['backup-schedule'], queryFn: async () => (await must(api.GET('/api/v1/backups/schedule'))).schedule });
  if (backups.error instanceof ApiError && backups.error.status === 403) return <NotYours what="Backups hold all accounts of this server" error={backups.error} />;
  const again = () => client.invalidateQueries({ queryKey: ['backups'] });
  const make = () => attempt(() => must(api.POST('/api/v1/backups', { params: { query: {} } })), 'The backup has begun.').then(again);
  const remove = async (b: Backup) => {
    if (!await confirm({ title: 'Remove this backup?', body: 'The file is deleted from the server.', action: 'Remove', name: b.name })) return;
    await attempt(() => must(api.DELETE('/api/v1/backups/{name}', { params: { path: { name: b.name } } })), 'The backup is removed.');
    await again();
  };
  const restore = async (b: Backup) => {
    const body = 'Everything goes back to how it was then: accounts, devices, points, logs, secrets and sign-ins. The server checks the backup, then starts again, and every connection ends for a moment. What it has now is kept in a folder beside.';
    if (!await confirm({ title: 'Restore this backup?', body, action: 'Restore', name: b.name })) return;
    if (!await attempt(() => must(api.POST('/api/v1/backups/{name}/restore', { params: { path: { name: b.name }, query: {} } })))) return again();
    setRestoring(b.name);
    if (await attempt(() => restored(b.name))) return window.location.assign('/');
    setRestoring(null);
    await again();
  };
  const running = backups.data?.some(busy) ?? false;
  return (
    <Stack>
      {restoring !== null && (
        <Alert color="blue" variant="light" icon={<Loader size={16} />} title="Restoring" role="status">
          <span className="mono break">{restoring}</span> is being unpacked and checked. Then the server starts again, and this page with it. If you signed in after the backup was made, you will have to sign in again.
        </Alert>
      )}
      <Card title="Backups" pad={false} actions={<Button size="xs" leftSection={<IconPlus size={15} />} loading={running} disabled={restoring !== null} onClick={() => void make()}>Back up now</Button>}>
        <Loaded query={backups}>{(list) => (
          <DataTable
            label="Backups" rows={arrayRows(list)} rowKey={(b) => b.name}
            empty={<Empty icon={IconArchive} title="No backups yet" action={<Button onClick={() => void make()}>Back up now</Button>}>A backup is everything as it is at one moment, made while the server goes on. It holds every secret: keep it as safe as the server.</Empty>}
            columns={[
              { key: 'started', header: 'Made', width: 170, cell: (b) => <span title={b.name}>{absolute(b.started)}</span> },
              { key: 'ago', header: '', width: 120, wide: true, cell: (b) => <Text span size="sm" c="dimmed"><Ago time={b.started} /></Text> },
              { key: 'how', header: 'How', width: 112, cell: (b) => (b.state === 'failed' ? <Badge color="red" variant="light" tt="none">failed</Badge> : busy(b) ? <Badge variant="light" color="blue" tt="none">{b.state}</Badge> : b.scheduled ? 'by schedule' : 'by hand') },
              { key: 'bytes', header: 'Size', width: 100, right: true, wide: true, cell: (b) => (b.state === 'failed' ? '' : bytes(b.bytes)) },
              { key: 'took', header: 'Took', width: 80, right: true, wide: true, cell: (b) => (b.seconds > 0 ? duration(b.seconds * 1000) : '') },
              { key: 'act', header: '', width: 52, right: true, cell: (b) => !busy(b) && (
                <Menu position="bottom-end">
                  <Menu.Target><ActionIcon variant="subtle" color="gray" aria-label={`Actions of ${b.name}`} disabled={restoring !== null}><IconDots size={16} /></ActionIcon></Menu.Target>
                  <Menu.Dropdown>
                    <Menu.Label className="mono">{b.name}</Menu.Label>
                    {b.state === 'done' && <Menu.Item component="a" href={`/api/v1/backups/${encodeURIComponent(b.name)}/file`} leftSection={<IconDownload size={15} />}>Download</Menu.Item>}
                    {b.state === 'done' && <Menu.Item leftSection={<IconRestore size={15} />} onClick={() => void restore(b)}>Restore…</Menu.Item>}
                    <Menu.Item color="red" leftSection={<IconTrash size={15} />} onClick={() => void remove(b)}>Remove…</Menu.Item>
                  </Menu.Dropdown>
                </Menu>
              ) },
            ]}
          />
        )}</Loaded>
      </Card>
      {backups.data?.filter((b) => b.error !== '').map((b) => <Alert key={b.name} color="red" variant="light" title={`The backup of ${absolute(b.started)}`}>{b.error}</Alert>)}
      <Card title="Schedule"><Loaded query={schedule}>{(s) => <ScheduleForm key={`${s.everyHours} ${s.keep}`} schedule={s} />}</Loaded></Card>
      {schedule.data && (
        <Card title="On another machine">
          <Stack gap="sm">
            <Text size="sm">A downloaded backup becomes a data folder wherever the program is:</Text>
            <Code text={schedule.data.restoreCommand} />
            <Text size="sm" c="dimmed">The command checks every byte before it makes the folder, and refuses to write over one that is there. Then start a server with --data and that folder.</Text>
          </Stack>
        </Card>
      )}
    </Stack>
  );
}

function ScheduleForm({ schedule }: { schedule: Schemas['BackupSchedule'] }) {
  const client = useQueryClient();
  const [v, setV] = useState({ everyHours: schedule.everyHours, keep: schedule.keep });
  const { submit, busy, errorOf, rest } = useSubmit(async () => {
    await must(api.PUT('/api/v1/backups/schedule', { body: v }));
    await client.invalidateQueries({ queryKey: ['backup-schedule'] });
    said('Saved.');
  });
  return (
    <form onSubmit={(e) => void submit(e)}>
      <Stack maw={520}>
        {schedule.everyHours === 0 && <Alert color="yellow" variant="light">No backups are made by themselves.</Alert>}
        <Group grow align="flex-start">
          <NumberInput label="Every … hours" description="0 for never" min={0} max={8760} allowDecimal={false} value={v.everyHours} onChange={(n) => setV({ ...v, everyHours: Number(n) || 0 })} error={errorOf('everyHours')} />
          <NumberInput label="Keep" description="How many of them" min={1} max={1000} allowDecimal={false} value={v.keep} onChange={(n) => setV({ ...v, keep: Number(n) || 1 })} error={errorOf('keep')} />
        </Group>
        <Text size="sm" c="dimmed">Kept in <span className="mono break">{schedule.folder}</span> on the server. {schedule.next && <>The next one is made <Ago time={schedule.next} />.</>}</Text>
        {rest(['everyHours', 'keep']) && <Failed error={rest(['everyHours', 'keep'])} />}
        <Group><Button type="submit" loading={busy} disabled={v.everyHours === schedule.everyHours && v.keep === schedule.keep}>Save</Button></Group>
      </Stack>
    </form>
  );
}
