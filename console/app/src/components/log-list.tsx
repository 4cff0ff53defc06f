// The list of log entries and the drawer that shows all of one; for the logs explorer, a device's page, and others.
import { ActionIcon, Anchor, Badge, Drawer, Group, Stack, Text, Tooltip } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { IconFilterPlus } from '@tabler/icons-react';
import { useState, type ReactNode } from 'react';
import { Link } from 'react-router';
import { absolute, clock } from '../lib/format';
import type { LogEntry } from '../lib/logs';
import { useDeviceNames, useDeviceTemplates, useGroupNames } from '../lib/names';
import { quoted } from '../lib/query';
import { Code, Copy, ID } from './code';
import { SeverityMark } from './marks';
import { DataTable, type Column, type Rows } from './table';

interface Props {
  rows: Rows<LogEntry>;
  label: string;
  height?: number | string;
  source?: boolean; // shows which device an entry is of
  onTerm?: (term: string) => void; // adds a term to the query
  empty?: ReactNode;
}

// LogList shows entries, the newest first. A click opens one.
export function LogList({ rows, label, height, source = true, onTerm, empty }: Props) {
  const [open, setOpen] = useState<LogEntry | null>(null);
  const shown = Array.from({ length: Math.min(rows.total, 500) }, (_, i) => rows.at(i)?.sourceId);
  const names = useDeviceNames(source ? shown : []);
  const wide = useMediaQuery('(min-width: 48em)') ?? true;
  const columns: Column<LogEntry>[] = [
    { key: 'time', header: 'Time', width: wide ? 168 : 92, cell: (e) => <LogTime time={e.sourceTimestamp} date={wide} /> },
    { key: 'severity', header: 'Severity', width: 112, cell: (e) => <SeverityMark severity={e.severity} /> },
    ...(source ? [{ key: 'source', header: 'Source', width: 180, wide: true, cell: (e: LogEntry) => names.get(e.sourceId) ?? <span className="mono">{e.sourceId.slice(0, 8)}</span> }] : []),
    { key: 'message', header: 'Message', width: wide ? undefined : 300, cell: (e) => <>{e.message}{e.code && <Text span size="xs" c="dimmed" ml={10} className="mono">{e.code}</Text>}</> },
  ];
  return (
    <>
      <DataTable columns={columns} rows={rows} rowKey={(e) => e.id} label={label} height={height} rowHeight={41} onRow={setOpen} current={open?.id} empty={empty} />
      <LogDrawer entry={open} onClose={() => setOpen(null)} onTerm={onTerm && ((term) => { setOpen(null); onTerm(term); })} />
    </>
  );
}

function LogTime({ time, date }: { time: number; date: boolean }) {
  return <time dateTime={new Date(time).toISOString()} className="num" title={absolute(time)}>{date && <Text span size="sm" c="dimmed">{absolute(time).slice(5, 10)} </Text>}{clock(time)}</time>;
}

// LogDrawer shows everything of an entry.
export function LogDrawer({ entry, onClose, onTerm }: { entry: LogEntry | null; onClose: () => void; onTerm?: (term: string) => void }) {
  return (
    <Drawer opened={entry !== null} onClose={onClose} size="lg" title="Log entry">
      {entry && <Entry entry={entry} onTerm={onTerm} />}
    </Drawer>
  );
}

function Entry({ entry: e, onTerm }: { entry: LogEntry; onTerm?: (term: string) => void }) {
  const device = useDeviceNames([e.sourceId]).get(e.sourceId);
  const group = useGroupNames([e.organizationId]).get(e.organizationId ?? '');
  const template = useDeviceTemplates().data?.find((t) => t.id === e.deviceTemplateId)?.name;
  const fact = (name: string, shown: ReactNode, term?: string) => (
    <>
      <dt>{name}</dt>
      <dd><Group gap={6} wrap="nowrap" align="flex-start"><div style={{ minWidth: 0 }}>{shown}</div>{term && onTerm && <More term={term} onTerm={onTerm} />}</Group></dd>
    </>
  );
  return (
    <Stack gap="lg">
      <Group gap={8} align="flex-start" wrap="nowrap"><Text fw={550} className="break" flex={1}>{e.message}</Text><Copy text={e.message} label="Copy the message" /></Group>
      {e.details && <Code text={e.details} />}
      <dl className="facts">
        {fact('Severity', <SeverityMark severity={e.severity} />, `severity:${e.severity}`)}
        {e.code && fact('Code', <span className="mono">{e.code}</span>, `code:${quoted(e.code)}`)}
        {fact('Time', <span className="num">{absolute(e.sourceTimestamp)}.{String(e.sourceTimestamp % 1000).padStart(3, '0')}</span>)}
        {e.serviceTimestamp !== e.sourceTimestamp && fact('Received', <span className="num">{absolute(e.serviceTimestamp)}.{String(e.serviceTimestamp % 1000).padStart(3, '0')}</span>)}
        {fact(e.sourceType === 'deviceId' ? 'Device' : 'Source', device ? <Anchor component={Link} to={`/devices/${e.sourceId}`} size="sm">{device}</Anchor> : <ID id={e.sourceId} />, `sourceId:${quoted(e.sourceId)}`)}
        {template && fact('Template', template, `deviceTemplateId:${e.deviceTemplateId}`)}
        {group && fact('Group', <Anchor component={Link} to={`/groups/${e.organizationId}`} size="sm">{group}</Anchor>, `organizationId:${e.organizationId}`)}
        {e.tags && e.tags.length > 0 && fact('Tags', <Group gap={4}>{e.tags.map((t) => <Badge key={t} variant="default" radius="sm" tt="none" fw={500}>{t}</Badge>)}</Group>, `tags:${quoted(e.tags[0])}`)}
        {Object.entries(e.custom ?? {}).map(([k, v]) => (v === '' ? null : (
          <Custom key={k} name={k} value={v} onTerm={onTerm} />
        )))}
        {fact('Entry', <ID id={e.id} />)}
      </dl>
      <div>
        <Text size="xs" c="dimmed" mb={6}>As stored</Text>
        <Code text={JSON.stringify(e, null, 2)} />
      </div>
    </Stack>
  );
}

function Custom({ name, value, onTerm }: { name: string; value: unknown; onTerm?: (term: string) => void }) {
  const shown = typeof value === 'string' ? value : JSON.stringify(value);
  return (
    <>
      <dt className="break">{name}</dt>
      <dd><Group gap={6} wrap="nowrap"><span className="mono break">{shown}</span>{onTerm && typeof value !== 'object' && <More term={`custom.${name}:${quoted(shown)}`} onTerm={onTerm} />}</Group></dd>
    </>
  );
}

function More({ term, onTerm }: { term: string; onTerm: (term: string) => void }) {
  return (
    <Tooltip label="Only entries like this">
      <ActionIcon size="xs" aria-label={`Only entries with ${term}`} onClick={() => onTerm(term)}><IconFilterPlus size={13} /></ActionIcon>
    </Tooltip>
  );
}
