import { Button, Text } from '@mantine/core';
import { IconFilter } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from 'react-router';
import { api, must, send, type Device } from '../../api/client';
import { useSession } from '../../api/session';
import { Card } from '../../components/page';
import { Empty, Failed, Loading } from '../../components/states';
import { arrayRows, DataTable, useServerRows } from '../../components/table';
import { kindNames } from '../access/lookup';
import { deviceColumns } from './members';

export function useSearches() {
  const { accountId } = useSession();
  return useQuery({
    queryKey: ['searches'], staleTime: 15_000,
    queryFn: async ({ signal }) => (await must(api.GET('/api/v1/searches', { params: { query: { accountId, pageSize: 1000, sortBy: 'name', sortOrder: 'asc' } }, signal }))).savedSearches.results ?? [],
  });
}

interface Thing { id: string; name?: string | null; emailAddress?: string | null }

// Dynamic shows a saved search as the group it is: of what it finds now.
export function Dynamic({ id }: { id: string }) {
  const searches = useSearches();
  const search = searches.data?.find((s) => s.id === id);
  if (searches.isError) return <Failed error={searches.error} again={() => void searches.refetch()} />;
  if (!searches.data) return <Loading />;
  if (!search) return <div className="card"><Empty icon={IconFilter} title="There is no such dynamic group">It may have been deleted.</Empty></div>;
  return (
    <Card pad={false} title={<>{search.name} <Text span size="xs" c="dimmed" fw={400}>dynamic</Text></>} actions={search.kind === 'device' && <Button component={Link} to={`/devices?${new URLSearchParams({ q: search.query ?? '' })}`} size="xs" variant="default">Open in the list</Button>}>
      <Text size="sm" c="dimmed" px={16} pt={12}>{search.description || 'All that this finds, kept up to date:'} <span className="mono break">{search.query || 'everything'}</span></Text>
      {search.kind === 'device' ? <FoundDevices id={id} /> : <Found id={id} kind={search.kind ?? ''} />}
    </Card>
  );
}

function FoundDevices({ id }: { id: string }) {
  const navigate = useNavigate();
  const { rows, query } = useServerRows<Device>(['search-results', id], async (page, pageSize, signal) => {
    const { devices } = await send<{ devices: { results: Device[]; meta: { count: number } } }>('GET', `/api/v1/searches/${id}/results?page=${page}&pageSize=${pageSize}`, undefined, { signal });
    return { rows: devices.results, total: devices.meta.count };
  });
  if (query.isError) return <Failed error={query.error} again={() => void query.refetch()} />;
  return <DataTable columns={deviceColumns} rows={rows} rowKey={(d) => d.id} label="Devices that are found" height="min(60dvh, 620px)" onRow={(d) => void navigate(`/devices/${d.id}`)} empty={query.isSuccess && <Empty icon={IconFilter} title="It finds no device now" />} />;
}

function Found({ id, kind }: { id: string; kind: string }) {
  const query = useQuery({
    queryKey: ['search-results', id, 'some'],
    queryFn: async ({ signal }) => {
      const answer = await send<Record<string, { results?: Thing[]; meta?: { count: number } }>>('GET', `/api/v1/searches/${id}/results?pageSize=200`, undefined, { signal });
      return Object.values(answer)[0];
    },
  });
  if (query.isError) return <Failed error={query.error} again={() => void query.refetch()} />;
  if (!query.data) return <Loading />;
  const to = (t: Thing) => ({ endUser: `/end-users/${t.id}`, organization: `/groups/${t.id}` })[kind];
  const nameOf = (t: Thing) => t.name || t.emailAddress || t.id;
  return <DataTable rows={arrayRows(query.data.results ?? [])} rowKey={(t) => t.id} label="What is found" empty={<Empty icon={IconFilter} title="It finds nothing now" />}
    columns={[{ key: 'name', header: kindNames[kind] ?? 'Name', cell: (t: Thing) => (to(t) ? <Link to={to(t)!}>{nameOf(t)}</Link> : nameOf(t)) }]} />;
}
