import { UnstyledButton } from '@mantine/core';
import { IconChevronDown, IconChevronRight, IconPinFilled } from '@tabler/icons-react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useMemo, useRef, useState } from 'react';
import { compact } from '../../lib/format';
import { useDeviceNames } from '../../lib/names';
import { deviceOf, rowsOf, type TopicTree, type TreeRow } from './tree';

interface Props { tree: TopicTree; version: number; chosen: string; onChoose: (path: string) => void }

// TopicList shows the tree of topics and draws the rows in view.
export function TopicList({ tree, version, chosen, onChoose }: Props) {
  const scroll = useRef<HTMLDivElement>(null);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const rows = useMemo(() => rowsOf(tree.root, open), [tree, version, open]);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroll.current, estimateSize: () => 30, overscan: 12 });
  const items = virtual.getVirtualItems();
  // The device's name stands for its id, at the row whose label has it.
  const idOf = (r: TreeRow) => { const id = deviceOf(r.node.path); return id && r.label.includes(id) ? id : null; };
  const names = useDeviceNames(items.map((i) => (rows[i.index] ? idOf(rows[i.index]) : null)));
  const toggle = (r: TreeRow) => {
    if (!r.leaf) setOpen((old) => { const next = new Set(old); if (!next.delete(r.node.path)) next.add(r.node.path); return next; });
  };
  return (
    <div ref={scroll} className="topic-list" tabIndex={0} role="region" aria-label="Topics">
      <div role="list" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {items.map(({ index, start }) => {
          const r = rows[index];
          const id = idOf(r);
          const name = id === null ? undefined : names.get(id);
          return (
            <div key={r.node.path} role="listitem" className="topic-row" data-chosen={chosen === r.node.path || undefined} style={{ transform: `translateY(${start}px)`, paddingLeft: 6 + r.depth * 16 }}>
              {r.leaf ? <span className="topic-twist" /> : (
                <UnstyledButton className="topic-twist" aria-label={`${r.open ? 'Close' : 'Open'} ${r.node.path}`} aria-expanded={r.open} onClick={() => toggle(r)}>{r.open ? <IconChevronDown size={14} /> : <IconChevronRight size={14} />}</UnstyledButton>
              )}
              <UnstyledButton className="topic-name" title={r.node.path} onClick={() => { onChoose(r.node.path); if (!r.open) toggle(r); }}>
                {name !== undefined ? <span className="clip">{r.label.replace(id!, '').replace(/^\/|\/$/g, '')} {name}</span> : <span className="clip mono">{r.label === '' ? '(empty)' : r.label}</span>}
                {r.node.retained && <IconPinFilled size={12} aria-label="retained" />}
              </UnstyledButton>
              <span className="topic-count num" title={`${r.node.messages} messages`}>{compact(r.node.messages)}</span>
            </div>
          );
        })}
      </div>
    </div>
  );
}
