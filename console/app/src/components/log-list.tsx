// The list of log entries and the drawer that shows all of one; for the logs explorer, a device's page, and others.
import { ActionIcon, Anchor, Button, Drawer, Group, Skeleton, Text, Tooltip } from '@mantine/core';
import { useHotkeys, useMediaQuery } from '@mantine/hooks';
import { IconChevronDown, IconChevronUp, IconZoomIn, IconZoomOut } from '@tabler/icons-react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { Link } from 'react-router';
import { absolute, clock } from '../lib/format';
import { factsOf, isDevice, sourceKind, term, whyPath, type Fact } from '../lib/log-entry';
import type { LogEntry } from '../lib/logs';
import { useDeviceNames, useDeviceTemplates, useGroupNames } from '../lib/names';
import { Code, Copy } from './code';
import { Ago, SeverityMark, severityHue, type Severity } from './marks';
import type { Rows } from './table';

interface Props {
  rows: Rows<LogEntry>;
  label: string;
  height?: number | string; // of the part that scrolls; otherwise that of what it stands in
  source?: boolean; // shows what an entry is about
  onTerm?: (term: string) => void; // adds a term to the query
  empty?: ReactNode;
}

// LogList shows entries, the newest first, and draws those in view. A click opens one. The keys j and k, or the arrows, go
// through them, and Enter opens.
export function LogList({ rows, label, height = '100%', source = true, onTerm, empty }: Props) {
  const scroll = useRef<HTMLDivElement>(null);
  const wide = useMediaQuery('(min-width: 48em)', true, { getInitialValueInEffect: false });
  const virtual = useVirtualizer({ count: rows.total, getScrollElement: () => scroll.current, estimateSize: () => (wide ? 30 : 52), overscan: 10 });
  useEffect(() => virtual.measure(), [wide]);
  const items = virtual.getVirtualItems();
  rows.see(items[0]?.index ?? 0, items.at(-1)?.index ?? 0);
  const inView = items.map((i) => rows.at(i.index)).filter((e) => e !== undefined);
  const names = useDeviceNames(source ? inView.filter(isDevice).map((e) => e.sourceId) : []);

  // What is current is an entry and not a place: new ones come in above it.
  const [current, setCurrent] = useState<string | null>(null);
  const [open, setOpen] = useState<LogEntry | null>(null);
  const find = (id: string) => { for (let i = 0; i < rows.total; i++) if (rows.at(i)?.id === id) return i; return -1; };
  const go = (to: (from: number) => number) => {
    const i = Math.max(0, Math.min(rows.total - 1, to(current === null ? -1 : find(current))));
    const e = rows.at(i);
    if (!e) return;
    setCurrent(e.id);
    virtual.scrollToIndex(i);
    if (open) setOpen(e);
    else scroll.current?.focus({ preventScroll: true }); // Enter is for the entry then, not for the button used last
  };
  const step = (by: number) => go((i) => i + by);
  const openCurrent = () => { const e = current !== null && rows.at(find(current)); if (e) setOpen(e); };
  useHotkeys([['j', () => step(1)], ['k', () => step(-1)]]);
  useHotkeys([['Enter', openCurrent]], ['INPUT', 'TEXTAREA', 'SELECT', 'BUTTON', 'A']);
  const key = (e: KeyboardEvent) => {
    const to = { ArrowDown: (i: number) => i + 1, ArrowUp: (i: number) => i - 1, PageDown: (i: number) => i + 15, PageUp: (i: number) => i - 15, Home: () => 0 }[e.key];
    if (to) { e.preventDefault(); go(to); }
  };
  if (rows.total === 0) return <>{empty}</>;
  return (
    <>
      <div ref={scroll} className="log-list" style={{ height }} role="listbox" aria-label={label} tabIndex={0} onKeyDown={key} aria-activedescendant={current !== null && inView.some((e) => e.id === current) ? `log-${current}` : undefined}>
        <div role="presentation" style={{ height: virtual.getTotalSize(), position: 'relative' }}>
          {items.map(({ index, start, size }) => {
            const e = rows.at(index);
            const style = { transform: `translateY(${start}px)`, height: size };
            if (!e) return <div key="more" className="log-row" style={style} role="presentation"><Skeleton height={10} width="60%" /></div>;
            return (
              <div key={e.id} id={`log-${e.id}`} role="option" aria-selected={e.id === current} className="log-row" style={style} onClick={() => { setCurrent(e.id); setOpen(e); }}>
                <LogLine entry={e} source={source ? names.get(e.sourceId) ?? (isDevice(e) ? e.sourceId.slice(0, 8) : sourceKind(e.sourceType)) : undefined} />
              </div>
            );
          })}
        </div>
      </div>
      <LogDrawer entry={open} onClose={() => setOpen(null)} onStep={step} onTerm={onTerm && ((t) => { setOpen(null); onTerm(t); })} />
    </>
  );
}

function LogLine({ entry: e, source }: { entry: LogEntry; source?: string }) {
  return (
    <>
      <i className="log-bar" style={{ background: severityHue[e.severity as Severity] }} />
      <time className="log-time mono" dateTime={new Date(e.serviceTimestamp).toISOString()} title={absolute(e.serviceTimestamp)}><span className="log-date">{absolute(e.serviceTimestamp).slice(5, 10)} </span>{clock(e.serviceTimestamp)}</time>
      <span className="log-severity"><SeverityMark severity={e.severity} /></span>
      {source !== undefined && <span className="log-source clip" title={source}>{source}</span>}
      <span className="log-message clip">{e.message}</span>
      {e.code && <span className="log-code mono clip">{e.code}</span>}
    </>
  );
}

interface DrawerProps { entry: LogEntry | null; onClose: () => void; onStep?: (by: 1 | -1) => void; onTerm?: (term: string) => void }

// LogDrawer shows everything of an entry. onStep goes to the next one, or the one before.
export function LogDrawer({ entry, onClose, onStep, onTerm }: DrawerProps) {
  return (
    <Drawer opened={entry !== null} onClose={onClose} size="lg" title={(
      <Group gap="sm" wrap="nowrap">
        Log entry
        {onStep && (
          <Group gap={0} wrap="nowrap">
            <Tooltip label="Newer (k)"><ActionIcon aria-label="Newer entry" onClick={() => onStep(-1)}><IconChevronUp size={16} /></ActionIcon></Tooltip>
            <Tooltip label="Older (j)"><ActionIcon aria-label="Older entry" onClick={() => onStep(1)}><IconChevronDown size={16} /></ActionIcon></Tooltip>
          </Group>
        )}
      </Group>
    )}>
      {entry && <Entry entry={entry} onTerm={onTerm} />}
    </Drawer>
  );
}

function Entry({ entry: e, onTerm }: { entry: LogEntry; onTerm?: (term: string) => void }) {
  const device = useDeviceNames(isDevice(e) ? [e.sourceId] : []).get(e.sourceId);
  const group = useGroupNames([e.organizationId]).get(e.organizationId ?? '');
  const template = useDeviceTemplates().data?.find((t) => t.id === e.deviceTemplateId)?.name;
  const called: Record<string, string | null | undefined> = { source: device, organization: group, template };
  const why = whyPath(e);
  return (
    <>
      <Group gap={8} align="flex-start" wrap="nowrap"><Text fw={550} className="break" flex={1} style={{ whiteSpace: 'pre-wrap' }}>{e.message}</Text><Copy text={e.message} label="Copy the message" /></Group>
      <Group gap={8} mt={8} mb="md"><SeverityMark severity={e.severity} /><Text size="sm" c="dimmed" className="num"><Ago time={e.serviceTimestamp} /> · {absolute(e.serviceTimestamp)}</Text></Group>
      <Group gap={8} mb="lg">
        {isDevice(e) && <Button component={Link} to={`/devices/${e.sourceId}`} size="xs" variant="default">{device ?? 'Device'}</Button>}
        {isDevice(e) && <Button component={Link} to={`/devices/${e.sourceId}/diagnose`} size="xs" variant="default">Diagnose</Button>}
        {why && <Button component={Link} to={why} size="xs" variant="light">Why was it refused?</Button>}
      </Group>
      <dl className="entry-facts">
        <Row label="Severity" value={e.severity} member="severity" onTerm={onTerm} />
        {factsOf(e).map((f, i) => <Row key={f.label + i} {...f} name={called[f.member ?? ''] ?? undefined} onTerm={onTerm} />)}
        {e.serviceTimestamp !== e.sourceTimestamp && <Row label="Time at the source" value={`${absolute(e.sourceTimestamp)}.${String(e.sourceTimestamp % 1000).padStart(3, '0')}`} />}
        <Row label="Entry" value={e.id} member="id" onTerm={onTerm} />
      </dl>
      <Text size="sm" fw={550} mt="lg" mb={6}>As JSON</Text>
      <Code text={JSON.stringify(e, null, 2)} />
    </>
  );
}

function Row({ label, value, member, name, onTerm }: Fact & { name?: string; onTerm?: (term: string) => void }) {
  const pick = member && onTerm && value !== '';
  return (
    <div>
      <dt className="clip" title={label}>{label}</dt>
      <dd>{value === '' ? <Text span c="dimmed" size="sm">empty</Text> : <>{name !== undefined && <div><Named member={member!} id={value} name={name} /></div>}<span className="mono">{value}</span></>}</dd>
      <dd className="entry-acts">
        {pick && <Tooltip label="Filter for this value"><ActionIcon size="sm" aria-label={`Filter for ${label} ${value}`} onClick={() => onTerm(term(member, value))}><IconZoomIn size={14} /></ActionIcon></Tooltip>}
        {pick && <Tooltip label="Filter it out"><ActionIcon size="sm" aria-label={`Filter out ${label} ${value}`} onClick={() => onTerm(term(member, value, true))}><IconZoomOut size={14} /></ActionIcon></Tooltip>}
        <Copy text={value} label={`Copy ${label}`} />
      </dd>
    </div>
  );
}

const pages: Record<string, string> = { source: '/devices/', organization: '/groups/', template: '/model/devices/' };

const Named = ({ member, id, name }: { member: string; id: string; name: string }) => <Anchor component={Link} to={pages[member] + id} size="sm">{name}</Anchor>;
