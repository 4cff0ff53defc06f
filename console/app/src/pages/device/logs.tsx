import { ActionIcon, Group, Switch, Text, Tooltip } from '@mantine/core';
import { IconListSearch, IconPlayerPause, IconPlayerPlay } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { ApiError, type Device } from '../../api/client';
import { useSession } from '../../api/session';
import { LogList } from '../../components/log-list';
import { QueryInput } from '../../components/query-input';
import { RangePicker } from '../../components/range-picker';
import { Empty, Failed, Loading } from '../../components/states';
import { count } from '../../lib/format';
import { withTerm } from '../../lib/log-entry';
import { useLogs, useLogTail } from '../../lib/logs';
import { and } from '../../lib/query';
import { spanOf } from '../../lib/range';
import { useURLState } from '../../lib/url-state';
import { completer } from '../logs/complete';
import { joined } from '../logs/feed';

// Logs are the entries of the device: a search, with new ones above as they come.
export default function Logs({ device: d }: { device: Device }) {
  const { accountId } = useSession();
  const [view, setView] = useURLState({ q: '', from: '7d', to: '', live: '1' });
  const [asOf, setAsOf] = useState(Date.now);
  const [from, to] = useMemo(() => spanOf(view, asOf), [view.from, view.to, asOf]);
  const q = and(`sourceId:${d.id}`, view.q);
  const { rows, query, count: total } = useLogs({ q, from: String(from), to: String(to) });
  const ready = query.isSuccess && !query.isPlaceholderData;
  const live = view.live === '1' && view.to === '';
  const tail = useLogTail(q, live && ready, 2000, ready ? rows.at(0)?.id : undefined);
  const all = live && tail.entries.length > 0 ? joined(tail.entries, rows) : rows;
  const complete = useMemo(() => completer(query.data?.pages[0]?.results ?? [], accountId), [query.data, accountId]);
  const error = query.error instanceof ApiError && query.error.field === 'q' ? query.error : null;
  return (
    <>
      <Group gap={8} mb={10} align="flex-start">
        <QueryInput value={view.q} onChange={(text) => setView({ q: text })} complete={complete} name={`logs ${d.id}`} label="Query" placeholder="words, severity>=warning, code:4* …" error={error?.message} />
        <RangePicker range={view} onChange={setView} onRefresh={() => setAsOf(Date.now())} busy={query.isFetching && !query.isFetchingNextPage} />
        <Group gap={8} h={36} wrap="nowrap">
          <Switch checked={live} onChange={(e) => { setAsOf(Date.now()); setView(e.currentTarget.checked ? { live: '1', to: '' } : { live: '0' }); }} label={live && tail.paused ? 'Paused' : 'Live'} />
          {live && <Tooltip label={tail.paused ? 'Go on' : 'Pause'}><ActionIcon variant="default" size={36} aria-label={tail.paused ? 'Go on' : 'Pause'} onClick={() => tail.pause(!tail.paused)}>{tail.paused ? <IconPlayerPlay size={16} /> : <IconPlayerPause size={16} />}</ActionIcon></Tooltip>}
          <Text size="xs" c="dimmed" className="num">{live && tail.paused ? `${count(tail.waiting)} new` : query.data ? `${count(total + tail.entries.length)} entries` : ''}</Text>
        </Group>
      </Group>
      <div className="card grow log-card">
        {query.isPending && <Loading />}
        {query.isError && !error && <Failed error={query.error} again={() => void query.refetch()} />}
        {error && <Empty icon={IconListSearch} title="This query cannot be read">{error.message}</Empty>}
        {query.isSuccess && all.total === 0 && <Empty icon={IconListSearch} title="No entries">{view.q ? 'Nothing of the device in this span fits the query.' : 'The device writes here by publishing to its channel _log; the platform tells of its connections and of what it was refused.'}</Empty>}
        {query.isSuccess && all.total > 0 && <LogList rows={all} label="Log entries of the device" source={false} onTerm={(t) => setView({ q: withTerm(view.q, t) })} />}
      </div>
    </>
  );
}
