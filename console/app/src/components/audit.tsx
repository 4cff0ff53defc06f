import { Button, Drawer, Group, Stack, Text } from '@mantine/core';
import { IconArrowBackUp } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { api, must, type Schemas } from '../api/client';
import { useSession } from '../api/session';
import { attempt } from '../lib/act';
import { absolute } from '../lib/format';
import { ID } from './code';
import { confirm } from './confirm';
import { Ago } from './marks';
import { Failed, Loading } from './states';
import { arrayRows, DataTable, type Column } from './table';

export type AuditEntry = Schemas['AuditEntry'];

const verbs: Record<string, string> = { create: 'created', update: 'changed', delete: 'deleted', recover: 'recovered' };

// kindNames are what people call the nouns of the directory.
export const kindNames: Record<string, string> = {
  device: 'device', organization: 'group', endUser: 'end user', accountUser: 'admin', deviceTemplate: 'device template', endUserTemplate: 'end-user template',
  organizationTemplate: 'group template', accountUserTemplate: 'admin template', deviceField: 'custom field', endUserField: 'custom field', organizationField: 'custom field',
  channelTemplate: 'channel', mqttCredential: 'MQTT credential', grant: 'grant', role: 'role', savedSearch: 'saved search', search: 'saved search',
};

const byText = (e: AuditEntry) => (e.byId === e.objectId ? `the ${kindNames[e.kind] ?? e.kind} itself` : nameOf(e));

const nameOf = (e: AuditEntry) => e.byName || (e.byType === 'platform' ? 'the platform' : e.byId ?? e.by);

export const auditColumns = (object: boolean): Column<AuditEntry>[] => [
  { key: 'at', header: 'When', width: 104, cell: (e) => <Ago time={e.at} /> },
  { key: 'by', header: 'Who', width: 150, cell: (e) => byText(e) },
  { key: 'what', header: 'What', cell: (e) => (object ? <>{verbs[e.action]} {kindNames[e.kind] ?? e.kind} <b>{e.name || e.objectId}</b></> : summary(e)) },
];

// summary names the members that an update changed.
function summary(e: AuditEntry): string {
  if (e.action !== 'update') return verbs[e.action] ?? e.action;
  const changed = Object.keys(e.after ?? {}).filter((k) => JSON.stringify(e.after?.[k]) !== JSON.stringify(e.before?.[k]));
  return `changed ${changed.join(', ') || 'nothing to be seen'}`;
}

// AuditList shows who changed an object, newest first; an entry opens with its values before and after.
export function AuditList({ objectId, empty }: { objectId: string; empty: ReactNode }) {
  const { accountId } = useSession();
  const [chosen, setChosen] = useState<AuditEntry | null>(null);
  const [size, setSize] = useState(50);
  const list = useQuery({
    queryKey: ['audit', objectId, size],
    queryFn: async () => (await must(api.GET('/api/v1/audit', { params: { query: { accountId, objectId, pageSize: size } } }))).audit,
    placeholderData: (old) => old,
  });
  if (list.isError) return <Failed error={list.error} again={() => void list.refetch()} />;
  if (!list.data) return <Loading />;
  const results = list.data.results ?? [];
  return (
    <>
      <DataTable label="Changes" columns={auditColumns(false)} rows={arrayRows(results)} rowKey={(e) => e.id} onRow={setChosen} empty={empty} />
      {(list.data.meta?.count ?? 0) > results.length && <Group justify="center" p="sm"><Button variant="subtle" size="xs" onClick={() => setSize(size + 200)}>Show earlier ones</Button></Group>}
      {chosen && <AuditDrawer entry={chosen} onClose={() => setChosen(null)} />}
    </>
  );
}

const shown = (v: unknown) => (v === undefined ? '–' : typeof v === 'string' ? v : JSON.stringify(v));

// AuditDrawer is one change: who, when, from where, before and after, and a button to undo it.
export function AuditDrawer({ entry: e, onClose }: { entry: AuditEntry; onClose: () => void }) {
  const client = useQueryClient();
  const keys = [...new Set([...Object.keys(e.before ?? {}), ...Object.keys(e.after ?? {})])].filter((k) => e.action !== 'update' || JSON.stringify(e.before?.[k]) !== JSON.stringify(e.after?.[k]));
  const undo = async () => {
    if (!await confirm({ title: 'Undo this change?', body: 'What it changed gets back the values it had before. What others changed since stays, and is named if it stands in the way.', action: 'Undo', danger: false })) return;
    if (await attempt(() => must(api.POST('/api/v1/audit/{id}/undo', { params: { path: { id: e.id } } })), 'The change is undone.')) {
      await client.invalidateQueries();
      onClose();
    }
  };
  return (
    <Drawer opened onClose={onClose} size={560} title={<Text fw={600}>{kindNames[e.kind] ?? e.kind} {verbs[e.action]}</Text>}>
      <Stack>
        <dl className="facts">
          <dt>Object</dt><dd>{e.name || <ID id={e.objectId} />}</dd>
          <dt>When</dt><dd>{absolute(e.at)}</dd>
          <dt>Who</dt><dd>{byText(e)}</dd>
          <dt>From</dt><dd>{e.remote || '–'}</dd>
        </dl>
        <div className="table-scroll">
          <table className="grid diff" aria-label="Before and after">
            <thead><tr><th scope="col" style={{ width: '30%' }}>Member</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
            <tbody>{keys.map((k) => <tr key={k}><td className="mono">{k}</td><td className="mono">{shown(e.before?.[k])}</td><td className="mono">{shown(e.after?.[k])}</td></tr>)}</tbody>
          </table>
        </div>
        {(e.action === 'update' || e.action === 'delete') && <Group><Button variant="default" leftSection={<IconArrowBackUp size={16} />} onClick={() => void undo()}>{e.action === 'delete' ? 'Recover it' : 'Undo this change'}</Button></Group>}
      </Stack>
    </Drawer>
  );
}
