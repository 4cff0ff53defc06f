import { Button, Text, UnstyledButton } from '@mantine/core';
import { IconBinaryTree2, IconFilter, IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { useNavigate, useParams } from 'react-router';
import { confirm } from '../../components/confirm';
import { curl } from '../../components/hints';
import { Page } from '../../components/page';
import { Empty, Loaded } from '../../components/states';
import { attempt } from '../../lib/act';
import { useURLState } from '../../lib/url-state';
import { Detail } from './detail';
import { Dynamic, useSearches } from './dynamic';
import { CreateGroup } from './forms';
import './groups.css';
import { move, useGroup, usePath, useRefresh, type Group } from './load';
import { Groups } from './tree';

export default function GroupsPage() {
  const { id } = useParams();
  const [view, setView] = useURLState({ tab: 'devices', search: '' });
  const navigate = useNavigate();
  const refresh = useRefresh();
  const group = useGroup(id);
  const path = usePath(group.data);
  const searches = useSearches();
  const [creating, setCreating] = useState(false);
  const moved = async (g: Group, to: Group | null) => {
    const place = to?.name ?? 'the top';
    if (!await confirm({ title: `Move ${g.name}?`, body: <>It goes to <b className="break">{place}</b> with all that is in it. Who reaches the new place reaches it, and who had it by its old place does not any more.</>, action: 'Move', danger: false })) return;
    if (await attempt(() => move(g, to?.id ?? null), `${g.name} is in ${place} now.`)) await refresh();
  };
  return (
    <Page
      title="Groups" description="The tree that devices and end users are in: who is in a group reaches all below it."
      actions={<Button leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)}>New group</Button>}
      hints={[
        { title: 'Groups at the top', command: curl('GET', '/api/v1/organizations?parentId=null&count=children') },
        { title: 'What is in this one', command: curl('GET', `/api/v1/organizations?parentId=${id ?? 'GROUP'}&count=children`) },
        { title: 'Move it', command: curl('PUT', `/api/v1/organizations/${id ?? 'GROUP'}`, { parentId: 'OTHER-GROUP' }) },
        { title: 'On the command line', command: 'xively organizations list' },
      ]}
    >
      <div className="groups">
        <div className="card groups-side">
          <Groups chosen={view.search ? undefined : id} path={(path.data ?? []).map((p) => p.id)} onChoose={(g) => void navigate(`/groups/${g}${view.tab === 'devices' ? '' : `?tab=${view.tab}`}`)} onMove={(g, to) => void moved(g, to)} />
          <div className="groups-dynamic">
            <Text size="xs" fw={600} c="dimmed" px={14} pb={4}>Dynamic groups</Text>
            {searches.data?.length === 0 && <Text size="xs" c="dimmed" px={14} pb={8}>A search that is saved in the list of devices shows here, with all it finds.</Text>}
            {searches.data?.map((s) => <UnstyledButton key={s.id} className="tree-row" data-chosen={view.search === s.id || undefined} onClick={() => setView({ search: s.id })}><IconFilter size={15} stroke={1.7} /><span className="clip">{s.name}</span></UnstyledButton>)}
          </div>
        </div>
        <div style={{ minWidth: 0 }}>
          {view.search ? <Dynamic id={view.search} />
            : id ? <Loaded query={group}>{(g) => <Detail key={g.id} group={g} path={path.data ?? []} tab={view.tab} onTab={(tab) => setView({ tab })} />}</Loaded>
              : <div className="card"><Empty icon={IconBinaryTree2} title="Choose a group">Drag a group onto another to move it, or use “Move to…” in its menu.</Empty></div>}
        </div>
      </div>
      {creating && <CreateGroup parent={null} onClose={() => setCreating(false)} onDone={(g) => { setCreating(false); void navigate(`/groups/${g}`); }} />}
    </Page>
  );
}
