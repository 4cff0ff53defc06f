import { useVirtualizer } from '@tanstack/react-virtual';
import { useRef } from 'react';
import { preview } from '../../components/payload';
import { bytes, clock } from '../../lib/format';
import type { Message } from '../../lib/mqtt';
import { useDeviceNames } from '../../lib/names';
import { deviceOf } from './tree';

interface Props { messages: Message[]; topic: string; current: number | null; onOpen: (m: Message) => void }

// MessageList shows messages, the newest first. topic is what is chosen: what all of them have is left out.
export function MessageList({ messages, topic, current, onOpen }: Props) {
  const scroll = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: messages.length, getScrollElement: () => scroll.current, estimateSize: () => 30, overscan: 10 });
  const items = virtual.getVirtualItems();
  const names = useDeviceNames(items.map((i) => deviceOf(messages[i.index]?.topic ?? '')));
  return (
    <div ref={scroll} className="message-list" role="listbox" aria-label="Messages" tabIndex={0} onKeyDown={(e) => {
      const by = { ArrowDown: 1, ArrowUp: -1 }[e.key];
      if (!by) return;
      e.preventDefault();
      const next = messages[Math.max(0, Math.min(messages.length - 1, messages.findIndex((m) => m.id === current) + by))];
      if (next) { onOpen(next); virtual.scrollToIndex(messages.indexOf(next)); }
    }}>
      <div role="presentation" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {items.map(({ index, start }) => {
          const m = messages[index];
          const id = deviceOf(m.topic);
          const name = id ? names.get(id) : undefined;
          return (
            <div key={m.id} role="option" aria-selected={m.id === current} className="log-row" style={{ transform: `translateY(${start}px)`, height: 30 }} onClick={() => onOpen(m)}>
              <span className="log-time mono">{clock(m.time)}</span>
              {m.topic !== topic && <span className="message-topic clip" title={m.topic}>{name !== undefined ? <>{name} <span className="mono message-channel">{m.topic.slice(m.topic.indexOf(id!) + id!.length)}</span></> : <span className="mono">{m.topic}</span>}</span>}
              <span className="log-message clip mono">{m.payload.length === 0 ? <span className="message-channel">(empty)</span> : preview(m.payload)}</span>
              <span className="message-meta num">{m.retain ? 'retained' : bytes(m.payload.length)}</span>
            </div>
          );
        })}
      </div>
    </div>
  );
}
