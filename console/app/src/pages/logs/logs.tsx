import { ActionIcon, Alert, Button, Group, Switch, Text, Tooltip } from '@mantine/core';
import { IconDownload, IconListSearch, IconPlayerPause, IconPlayerPlay } from '@tabler/icons-react';
import { useCallback, useMemo, useState } from 'react';
import { ApiError } from '../../api/client';
import { useSession } from '../../api/session';
import { curl } from '../../components/hints';
import { LogList } from '../../components/log-list';
import type { Severity } from '../../components/marks';
import { Page } from '../../components/page';
import { QueryInput } from '../../components/query-input';
import { RangePicker } from '../../components/range-picker';
import { Empty, Failed, Loading } from '../../components/states';
import { count, shellQuote } from '../../lib/format';
import { countBySeverity, withSeverities, withTerm } from '../../lib/log-entry';
import { useLogs, useLogTail, type Tail } from '../../lib/logs';
import { rangeOf, spanOf } from '../../lib/range';
import { useURLState } from '../../lib/url-state';
import { completer } from './complete';
import { joined, useHistogram } from './feed';
import { Histogram, SeverityChips } from './histogram';

const defaults = { q: '', severity: '', from: '24h', to: '', live: '' };

export default function LogsPage() {
  const { accountId } = useSession();
  const [view, setView] = useURLState(defaults);
  const [asOf, setAsOf] = useState(Date.now);
  const [from, to] = useMemo(() => spanOf(view, asOf), [view.from, view.to, asOf]);
  const chosen = useMemo(() => (view.severity ? view.severity.split(',') : []), [view.severity]);
  const q = withSeverities(view.q, chosen);
  const live = view.live === '1';

  const { rows, query, count: total } = useLogs({ q, from: String(from), to: String(to) });
  const histogram = useHistogram(view.q, from, to);
  const ready = query.isSuccess && !query.isPlaceholderData;
  const tail = useLogTail(q, live && ready, 5000, ready ? rows.at(0)?.id : undefined);
  const all = live && tail.entries.length > 0 ? joined(tail.entries, rows) : rows;

  const shown = useCallback((s: Severity) => chosen.length === 0 || chosen.includes(s), [chosen]);
  const counts = useMemo(() => countBySeverity(histogram.data?.buckets ?? []), [histogram.data]);
  const complete = useMemo(() => completer(query.data?.pages[0].results ?? [], accountId), [query.data, accountId]);
  const error = query.error instanceof ApiError && query.error.field === 'q' ? query.error : null;
  const parameters = new URLSearchParams({ ...(q && { q }), from: view.from, ...(view.to && { to: view.to }) });

  return (
    <Page
      fill title="Logs" description="What devices and the platform did."
      hints={[
        { title: 'These entries', command: curl('GET', `/api/v1/logs?${parameters}`) },
        { title: 'On the command line', command: `xively logs search ${shellQuote(q || '*')}` },
        { title: 'Follow them as they come', command: `${curl('GET', `/api/v1/logs/tail?${new URLSearchParams({ q })}`)} -N` },
        { title: 'Write one', command: curl('POST', '/api/v1/logs', { message: 'hello', severity: 'notice', sourceId: 'script', sourceType: 'script' }) },
      ]}
      actions={<Button component="a" variant="default" leftSection={<IconDownload size={16} />} href={`/api/v1/logs/export?${new URLSearchParams({ ...(q && { q }), from: String(from), to: String(to) })}`} download="logs.ndjson">Export</Button>}
    >
      <Group gap={8} mb={10} align="flex-start">
        <QueryInput value={view.q} onChange={(text) => setView({ q: text })} complete={complete} name="logs" label="Query" placeholder="words, severity>=warning, device:AP-000001, code:4*, -tag:audit …" error={error?.message} />
        <RangePicker range={view} onChange={setView} onRefresh={() => setAsOf(Date.now())} busy={query.isFetching && !query.isFetchingNextPage} />
        <LiveSwitch live={live} tail={tail} onChange={(on) => { setAsOf(Date.now()); setView(on ? { live: '1', to: '' } : { live: '' }); }} />
      </Group>
      <div className="card log-histogram">
        {histogram.data && <Histogram {...histogram.data} from={from} to={to} shown={shown} onZoom={(a, b) => setView({ ...rangeOf(a, b), live: '' })} onReset={() => { setAsOf(Date.now()); setView({ from: defaults.from, to: '' }); }} />}
        {!histogram.data && <div style={{ height: 132 }} />}
        <Group justify="space-between" gap="sm" mt={6}>
          <SeverityChips counts={counts} chosen={chosen} onChange={(list) => setView({ severity: list.join(',') })} />
          <Text size="xs" c="dimmed" className="num">{query.data ? `${count(total)} entries` : ' '}</Text>
        </Group>
      </div>
      {tail.left > 0 && live && <Alert color="yellow" variant="light" mt={10} py={8}>{count(tail.left)} entries came too fast to be shown here. Refresh, or narrow the query.</Alert>}
      <div className="card grow log-card">
        {query.isPending && <Loading />}
        {query.isError && !error && <Failed error={query.error} again={() => void query.refetch()} />}
        {error && (
          <Empty icon={IconListSearch} title="This query cannot be read">
            {error.message} Words are looked for everywhere; <Text span className="mono">severity&gt;=warning</Text>, <Text span className="mono">device:NAME</Text>, <Text span className="mono">code:4*</Text> and <Text span className="mono">custom.remote:10.0.0.7</Text> in one member. AND, OR, NOT and parentheses join them.
          </Empty>
        )}
        {query.isSuccess && all.total === 0 && (
          <Empty icon={IconListSearch} title={live ? 'Waiting for entries' : 'No entries'} action={!live && (view.q || chosen.length > 0 || view.from !== '30d') && <Button variant="default" onClick={() => setView({ q: '', severity: '', from: '30d', to: '' })}>Show the last 30 days without a filter</Button>}>
            {view.q || chosen.length > 0 ? 'Nothing in this span fits the query.' : 'Devices write here by publishing to their channel _log; the platform tells of connections, refusals and changes.'}
          </Empty>
        )}
        {query.isSuccess && all.total > 0 && <LogList rows={all} label="Log entries" onTerm={(t) => setView({ q: withTerm(view.q, t) })} />}
      </div>
    </Page>
  );
}

function LiveSwitch({ live, tail, onChange }: { live: boolean; tail: Tail; onChange: (on: boolean) => void }) {
  return (
    <Group gap={8} h={36} wrap="nowrap">
      <Switch checked={live} onChange={(e) => onChange(e.currentTarget.checked)} label={live ? { connecting: 'Connecting…', live: tail.paused ? 'Paused' : 'Live', broken: 'Cut off' }[tail.state] : 'Live'} />
      {live && (
        <Tooltip label={tail.paused ? 'Go on' : 'Pause'}>
          <ActionIcon variant="default" size={36} aria-label={tail.paused ? 'Go on' : 'Pause'} onClick={() => tail.pause(!tail.paused)}>{tail.paused ? <IconPlayerPlay size={16} /> : <IconPlayerPause size={16} />}</ActionIcon>
        </Tooltip>
      )}
      {live && tail.paused && <Text size="xs" c="dimmed" className="num">{count(tail.waiting)} new</Text>}
    </Group>
  );
}
