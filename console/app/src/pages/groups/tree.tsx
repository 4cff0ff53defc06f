import { Button, CloseButton, Skeleton, Text, TextInput, UnstyledButton } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconChevronDown, IconChevronRight, IconFolder, IconSearch } from '@tabler/icons-react';
import { useEffect, useState, type DragEvent } from 'react';
import { Failed } from '../../components/states';
import { compact, count } from '../../lib/format';
import { atOnce, mostFound, useChildren, useFound, type Group } from './load';

interface Props { chosen?: string; path: string[]; onChoose: (id: string) => void; onMove: (group: Group, to: Group | null) => void }

// What is dragged; the browser tells its id only when it is dropped.
let dragged: Group | null = null;

// Groups is the tree, or what a search finds in it.
export function Groups(props: Props) {
  const [typed, setTyped] = useState('');
  const [settled] = useDebouncedValue(typed, 150);
  return (
    <>
      <TextInput mx={10} mb={6} size="xs" aria-label="Find groups" placeholder="Find groups" value={typed} onChange={(e) => setTyped(e.currentTarget.value)} leftSection={<IconSearch size={14} />}
        rightSection={typed && <CloseButton size="xs" aria-label="Clear the search" onClick={() => setTyped('')} />} onKeyDown={(e) => { if (e.key === 'Escape') setTyped(''); }} />
      {typed.trim() && settled.trim() ? <Found typed={settled} {...props} /> : <Tree {...props} />}
    </>
  );
}

function Found({ typed, chosen, onChoose }: Props & { typed: string }) {
  const found = useFound(typed);
  if (found.isError) return <Failed error={found.error} again={() => void found.refetch()} />;
  if (!found.data) return <Skeletons depth={0} />;
  const list = found.data.results ?? [];
  const total = found.data.meta?.count ?? list.length;
  return (
    <>
      <ul className="group-tree">
        {list.map((g) => (
          <li key={g.id} className="group-row" data-chosen={g.id === chosen || undefined} style={{ paddingLeft: 12 }}>
            <UnstyledButton className="group-name" aria-current={g.id === chosen || undefined} onClick={() => onChoose(g.id)}><IconFolder size={15} stroke={1.7} /><span className="clip">{g.name}</span></UnstyledButton>
            {g.parent && <Text span size="xs" c="dimmed" className="clip" maw="45%">in {g.parent.name}</Text>}
          </li>
        ))}
      </ul>
      <Text size="xs" c="dimmed" px={14} py={8} aria-live="polite">{total === 0 ? 'No group has these words.' : total > mostFound ? `The first ${mostFound} of ${count(total)}. More words find fewer.` : `${count(total)} found.`}</Text>
    </>
  );
}

// Rest tells how many groups of a place are shown, and shows more.
function Rest({ children, depth }: { children: ReturnType<typeof useChildren>; depth: number }) {
  const total = children.data?.pages.at(-1)?.meta?.count ?? 0;
  const shown = children.data?.pages.reduce((n, p) => n + (p.results?.length ?? 0), 0) ?? 0;
  if (!children.hasNextPage) return null;
  return (
    <div className="group-rest" style={{ paddingLeft: 26 + depth * 18 }}>
      <Text span size="xs" c="dimmed" className="num">{count(shown)} of {count(total)}</Text>
      <Button size="compact-xs" variant="subtle" loading={children.isFetchingNextPage} onClick={() => void children.fetchNextPage()}>Show {count(Math.min(atOnce, total - shown))} more</Button>
    </div>
  );
}

const groupsOf = (children: ReturnType<typeof useChildren>) => children.data?.pages.flatMap((p) => p.results ?? []) ?? [];

// Tree shows the groups; what is in one is read when it is opened. A group is dragged onto another to move it there.
function Tree(props: Props) {
  const roots = useChildren(null);
  const [over, setOver] = useState(false);
  if (roots.isError) return <Failed error={roots.error} again={() => void roots.refetch()} />;
  if (!roots.data) return <Skeletons depth={0} />;
  const drop = (e: DragEvent) => { e.preventDefault(); setOver(false); if (dragged?.parentId) props.onMove(dragged, null); };
  return (
    <>
      <ul className="group-tree">{groupsOf(roots).map((g) => <Branch key={g.id} group={g} depth={0} {...props} />)}</ul>
      <Rest children={roots} depth={0} />
      <div className="group-top" data-over={over || undefined} onDragOver={(e) => { if (dragged?.parentId) { e.preventDefault(); setOver(true); } }} onDragLeave={() => setOver(false)} onDrop={drop}>{over ? 'To the top' : ''}</div>
    </>
  );
}

function Branch({ group: g, depth, chosen, path, onChoose, onMove }: Props & { group: Group; depth: number }) {
  const onPath = path.includes(g.id);
  const [open, setOpen] = useState(onPath);
  const [over, setOver] = useState(false);
  useEffect(() => { if (onPath) setOpen(true); }, [onPath]);
  const inner = g.childrenCount ?? 0;
  const children = useChildren(g.id, open && inner > 0);
  const takes = () => dragged !== null && dragged.id !== g.id && dragged.parentId !== g.id;
  return (
    <li>
      <div className="group-row" data-chosen={g.id === chosen || undefined} data-over={over || undefined} style={{ paddingLeft: 6 + depth * 18 }} draggable
        onDragStart={(e) => { dragged = g; e.dataTransfer.effectAllowed = 'move'; e.dataTransfer.setData('text/plain', g.name ?? g.id); }} onDragEnd={() => { dragged = null; setOver(false); }}
        onDragOver={(e) => { if (takes()) { e.preventDefault(); setOver(true); } }} onDragLeave={() => setOver(false)}
        onDrop={(e) => { e.preventDefault(); setOver(false); if (dragged && takes()) onMove(dragged, g); }}>
        {inner > 0 ? <UnstyledButton className="topic-twist" aria-label={`${open ? 'Close' : 'Open'} ${g.name}`} aria-expanded={open} onClick={() => setOpen(!open)}>{open ? <IconChevronDown size={14} /> : <IconChevronRight size={14} />}</UnstyledButton> : <span className="topic-twist" />}
        <UnstyledButton className="group-name" aria-current={g.id === chosen || undefined} onClick={() => onChoose(g.id)}><IconFolder size={15} stroke={1.7} /><span className="clip">{g.name}</span></UnstyledButton>
        {(g.devicesCount ?? 0) > 0 && <Text span size="xs" c="dimmed" className="num" title={`${g.devicesCount} devices`}>{compact(g.devicesCount!)}</Text>}
      </div>
      {open && inner > 0 && (
        children.data ? <><ul className="group-tree">{groupsOf(children).map((c) => <Branch key={c.id} group={c} depth={depth + 1} chosen={chosen} path={path} onChoose={onChoose} onMove={onMove} />)}</ul><Rest children={children} depth={depth + 1} /></>
          : children.isError ? <Failed error={children.error} again={() => void children.refetch()} /> : <Skeletons depth={depth + 1} />
      )}
    </li>
  );
}

const Skeletons = ({ depth }: { depth: number }) => <div style={{ padding: `8px 14px 8px ${34 + depth * 18}px` }} aria-busy="true"><Skeleton height={10} width="70%" mb={14} /><Skeleton height={10} width="55%" /></div>;
