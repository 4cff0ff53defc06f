import { Group, Select, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconHistory, IconSearch } from '@tabler/icons-react';
import { useState } from 'react';
import { api, must } from '../../api/client';
import { useSession } from '../../api/session';
import { AuditDrawer, auditColumns, kindNames, type AuditEntry } from '../../components/audit';
import { Card } from '../../components/page';
import { Empty, Failed } from '../../components/states';
import { DataTable, useServerRows } from '../../components/table';
import { useURLState } from '../../lib/url-state';

const actions = [{ value: 'create', label: 'Created' }, { value: 'update', label: 'Changed' }, { value: 'delete', label: 'Deleted' }, { value: 'recover', label: 'Recovered' }];
const kinds = ['device', 'organization', 'endUser', 'accountUser', 'deviceTemplate', 'endUserTemplate', 'organizationTemplate', 'channelTemplate', 'mqttCredential', 'grant', 'role', 'savedSearch'];

// Audit is everything that was changed in the account.
export function Audit() {
  const { accountId } = useSession();
  const [view, setView] = useURLState({ q: '', action: '', kind: '' });
  const [typed, setTyped] = useState(view.q);
  const [q] = useDebouncedValue(typed, 300);
  const [chosen, setChosen] = useState<AuditEntry | null>(null);
  const { rows, query } = useServerRows<AuditEntry>(['audit', 'all', q, view.action, view.kind], async (page, pageSize, signal) => {
    const filters = { ...(q && { q }), ...(view.action && { action: view.action as never }), ...(view.kind && { kind: view.kind }) };
    const { audit } = await must(api.GET('/api/v1/audit', { params: { query: { accountId, page, pageSize, ...filters } }, signal }));
    return { rows: audit.results ?? [], total: audit.meta?.count ?? 0 };
  });
  return (
    <Card title="Audit trail" pad={false}>
      <Group gap={8} p="sm">
        <TextInput aria-label="Search the audit trail" placeholder="Words: a name, a field, a value" leftSection={<IconSearch size={16} />} value={typed} onChange={(e) => { setTyped(e.currentTarget.value); setView({ q: e.currentTarget.value }); }} style={{ flex: '1 1 200px' }} />
        <Select aria-label="Action" placeholder="Any action" clearable data={actions} value={view.action || null} onChange={(v) => setView({ action: v ?? '' })} w={140} />
        <Select aria-label="Kind" placeholder="Any kind" clearable searchable data={kinds.map((k) => ({ value: k, label: kindNames[k] ?? k }))} value={view.kind || null} onChange={(v) => setView({ kind: v ?? '' })} w={180} />
      </Group>
      {query.isError ? <Failed error={query.error} again={() => void query.refetch()} /> : (
        <DataTable label="Audit trail" columns={auditColumns(true)} rows={query.isPending ? { total: 10, at: () => undefined, see: () => {} } : rows} rowKey={(e) => e.id} height={560} onRow={setChosen}
          empty={<Empty icon={IconHistory} title="Nothing of this kind was changed" />} />
      )}
      {chosen && <AuditDrawer entry={chosen} onClose={() => setChosen(null)} />}
    </Card>
  );
}
