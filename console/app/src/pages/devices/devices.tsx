import { ActionIcon, Button, Drawer, Group, Menu, Text, Tooltip } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconChevronDown, IconCpu, IconFilter, IconPlus, IconSearchOff } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useNavigate } from 'react-router';
import { ApiError } from '../../api/client';
import { curl, type Hint } from '../../components/hints';
import { Page } from '../../components/page';
import { QueryInput } from '../../components/query-input';
import { Empty, Failed } from '../../components/states';
import { DataTable, useServerRows, type Sort } from '../../components/table';
import { attempt } from '../../lib/act';
import { completeDirectory } from '../../lib/complete';
import { plural, shellQuote } from '../../lib/format';
import { useDeviceFields } from '../../lib/names';
import { useURLState } from '../../lib/url-state';
import { BulkBar, everything, type Chosen } from './bulk-bar';
import { ColumnChooser, useColumns } from './columns';
import { CreateDevice } from './create';
import { exportDevices } from './export';
import { Facets } from './facets';
import { devicePage } from './list';
import './devices.css';
import { SavedSearches } from './saved';

const complete = completeDirectory('device');
const none: Chosen = { ids: new Set(), all: false };

export default function DevicesPage() {
  const [url, setURL] = useURLState({ q: '', sort: 'name', order: 'asc' });
  const sort: Sort = { by: url.sort, order: url.order === 'desc' ? 'desc' : 'asc' };
  const [chosen, setChosen] = useState<Chosen>(none);
  const [creating, create] = useDisclosure();
  const [narrowing, narrow] = useDisclosure();
  const fields = useDeviceFields().data ?? [];
  const columns = useColumns(fields);
  const client = useQueryClient();
  const navigate = useNavigate();
  const search = { q: url.q, sort };
  const { rows, query } = useServerRows(['devices', 'list', url.q, sort.by, sort.order], (page, size, signal) => devicePage(search, page, size, signal), { refetch: 15_000 });
  const setQuery = (q: string) => { setChosen(none); setURL({ q }); };
  const wrong = query.error instanceof ApiError && query.error.field === 'q' ? query.error.message : undefined;
  const nothing = query.isSuccess && rows.total === 0;
  const chosing = chosen.all || chosen.ids.size > 0;
  const facets = <Facets q={wrong ? '' : url.q} onQuery={setQuery} fields={fields} />;
  return (
    <Page title="Devices" fill hints={hints(url.q, sort)}
      heading={<>Devices {query.data && <Text span size="sm" c="dimmed" fw={400} ml={6} className="num">{plural(rows.total, url.q ? 'match' : 'device', url.q ? 'matches' : 'devices')}</Text>}</>}
      actions={<>
        <Menu position="bottom-end">
          <Menu.Target><Button variant="default" rightSection={<IconChevronDown size={14} />}>Import and export</Button></Menu.Target>
          <Menu.Dropdown>
            <Menu.Item component={Link} to="/devices/import">Import from CSV…</Menu.Item>
            <Menu.Item onClick={() => void attempt(() => exportDevices('csv', { ...none, all: true }, url.q, sort))} disabled={nothing}>Export {url.q ? 'these' : 'all'} as CSV</Menu.Item>
            <Menu.Item onClick={() => void attempt(() => exportDevices('ndjson', { ...none, all: true }, url.q, sort))} disabled={nothing}>Export {url.q ? 'these' : 'all'} as NDJSON</Menu.Item>
          </Menu.Dropdown>
        </Menu>
        <Button leftSection={<IconPlus size={16} />} onClick={create.open}>Create device</Button>
      </>}>
      <Group gap={8} mb="sm" wrap="nowrap" align="flex-start">
        <Tooltip label="Narrow down"><ActionIcon className="only-narrow" variant="default" size={34} aria-label="Narrow down" onClick={narrow.open}><IconFilter size={17} stroke={1.7} /></ActionIcon></Tooltip>
        <QueryInput value={url.q} onChange={setQuery} complete={complete} name="devices" label="Search devices" placeholder="kitchen connected:true tag:roof lastConnected:<2d" error={wrong} />
        <SavedSearches search={search} onSearch={(q, s) => { setChosen(none); setURL({ q, sort: s.by, order: s.order }); }} />
        <ColumnChooser {...columns} />
      </Group>
      <div className="beside grow">
        <aside className="facets only-wide" aria-label="Narrow down">{facets}</aside>
        <div className="main">
          {query.isError && !wrong && <Failed error={query.error} again={() => void query.refetch()} />}
          <div className="card table-card" style={{ flex: 1 }}>
            {chosing && <BulkBar chosen={chosen} total={rows.total} q={url.q} onChoose={setChosen} onExport={(form) => void attempt(() => exportDevices(form, chosen, url.q, sort))}
              onDone={() => { setChosen(none); void client.invalidateQueries({ queryKey: ['devices'] }); }} />}
            <DataTable label="Devices" height="100%" rows={query.isPending || (query.isFetching && rows.total === 0) ? { total: 20, at: () => undefined, see: () => {} } : rows} columns={columns.columns} rowKey={(d) => d.id}
              sort={sort} onSort={(s) => setURL({ sort: s.by, order: s.order })} onRow={(d) => void navigate(`/devices/${d.id}`)}
              selected={chosen.all ? everything : chosen.ids} onSelect={(ids) => setChosen({ ids, all: false })}
              empty={wrong ? <Empty icon={IconSearchOff} title="The search cannot be understood">{wrong}</Empty> : nothing && (url.q
                ? <Empty icon={IconSearchOff} title="No device is like this" action={<Button variant="default" onClick={() => setQuery('')}>Show all devices</Button>}>Take a word out of the search, or look whether a field has another name.</Empty>
                : <Empty icon={IconCpu} title="No devices yet" action={<Group justify="center"><Button component={Link} to="/first-device">Connect your first device</Button><Button variant="default" component={Link} to="/devices/import">Import from CSV</Button></Group>}>
                  A device has a serial number, a template that gives it fields and channels, and credentials to connect with.</Empty>)} />
          </div>
        </div>
      </div>
      <CreateDevice opened={creating} onClose={create.close} />
      <Drawer opened={narrowing} onClose={narrow.close} title="Narrow down" position="left" size={300}>{facets}</Drawer>
    </Page>
  );
}

function hints(q: string, sort: Sort): Hint[] {
  const params = new URLSearchParams({ ...(q ? { q } : {}), sortBy: sort.by, sortOrder: sort.order });
  return [
    { title: 'This list', command: curl('GET', `/api/v1/devices?${params}&pageSize=100`) },
    { title: 'On the command line', command: `xively devices list${q ? ` --query ${shellQuote(q)}` : ''}` },
    { title: 'As CSV', command: `${curl('GET', `/api/v1/devices/export?${params}`)} > devices.csv` },
  ];
}
