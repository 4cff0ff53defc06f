import { ActionIcon, Anchor, Breadcrumbs, Button, Group as Row, Menu, Tabs, Text } from '@mantine/core';
import { IconArrowMoveRight, IconDots, IconPencil, IconPlus, IconShieldQuestion, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { api, must } from '../../api/client';
import { ID } from '../../components/code';
import { confirm } from '../../components/confirm';
import { Ago } from '../../components/marks';
import { attempt } from '../../lib/act';
import { CreateGroup, MoveGroup, RenameGroup } from './forms';
import { Grants } from './grants';
import { useRefresh, type Group } from './load';
import { Devices, EndUsers } from './members';

interface Props { group: Group; path: Group[]; tab: string; onTab: (tab: string) => void }

// Detail is one group: where it is, who and what is in it, and who may reach it.
export function Detail({ group: g, path, tab, onTab }: Props) {
  const [form, setForm] = useState<'create' | 'rename' | 'move' | null>(null);
  const navigate = useNavigate();
  const refresh = useRefresh();
  const remove = async () => {
    if (!await confirm({ title: 'Delete this group?', body: 'Only a group with nothing in it can be deleted. It can be recovered for a while, by the audit trail.', action: 'Delete', name: g.name ?? g.id })) return;
    if (!await attempt(() => must(api.DELETE('/api/v1/organizations/{id}', { params: { path: { id: g.id }, header: { etag: g.version } } })), `${g.name} is deleted.`)) return;
    await navigate(g.parentId ? `/groups/${g.parentId}` : '/groups');
    await refresh();
  };
  return (
    <section className="card">
      <div className="group-head">
        <div style={{ minWidth: 0 }}>
          {path.length > 0 && <Breadcrumbs separator="›" separatorMargin={6} mb={2}>{path.map((p) => <Anchor key={p.id} component={Link} to={`/groups/${p.id}`} size="xs" c="dimmed">{p.name}</Anchor>)}</Breadcrumbs>}
          <h2 className="break">{g.name}</h2>
          {g.description && <Text size="sm" c="dimmed">{g.description}</Text>}
          <Row gap={12} mt={4}><ID id={g.id} short /><Text size="xs" c="dimmed">changed <Ago time={g.lastModified} /></Text></Row>
        </div>
        <Row gap={8} wrap="nowrap" align="flex-start">
          <Button variant="default" leftSection={<IconPlus size={15} />} onClick={() => setForm('create')}>Group in it</Button>
          <Menu position="bottom-end">
            <Menu.Target><ActionIcon variant="default" size={36} aria-label="More"><IconDots size={16} /></ActionIcon></Menu.Target>
            <Menu.Dropdown>
              <Menu.Item leftSection={<IconPencil size={15} />} onClick={() => setForm('rename')}>Rename…</Menu.Item>
              <Menu.Item leftSection={<IconArrowMoveRight size={15} />} onClick={() => setForm('move')}>Move to…</Menu.Item>
              <Menu.Item leftSection={<IconShieldQuestion size={15} />} component={Link} to={`/access?${new URLSearchParams({ action: 'read', object: g.id })}`}>Who may see it?</Menu.Item>
              <Menu.Divider />
              <Menu.Item color="red" leftSection={<IconTrash size={15} />} onClick={() => void remove()}>Delete…</Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </Row>
      </div>
      <Tabs value={tab} onChange={(t) => onTab(t ?? 'devices')} keepMounted={false}>
        <Tabs.List px={10}><Tabs.Tab value="devices">Devices</Tabs.Tab><Tabs.Tab value="users">End users</Tabs.Tab><Tabs.Tab value="access">Access</Tabs.Tab></Tabs.List>
        <Tabs.Panel value="devices"><Devices group={g.id} /></Tabs.Panel>
        <Tabs.Panel value="users"><EndUsers group={g.id} /></Tabs.Panel>
        <Tabs.Panel value="access"><Grants group={g} /></Tabs.Panel>
      </Tabs>
      {form === 'create' && <CreateGroup parent={g} onClose={() => setForm(null)} onDone={(id) => { setForm(null); void navigate(`/groups/${id}`); }} />}
      {form === 'rename' && <RenameGroup group={g} onClose={() => setForm(null)} />}
      {form === 'move' && <MoveGroup group={g} onClose={() => setForm(null)} />}
    </section>
  );
}
