import { Anchor } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { lazy, Suspense } from 'react';
import { Link } from 'react-router';
import { api, must, type Device } from '../../api/client';
import { useSession } from '../../api/session';
import { ID } from '../../components/code';
import { Ago } from '../../components/marks';
import { Card } from '../../components/page';
import { useDeviceFields } from '../../lib/names';
import { Connections } from './connections';
import { FieldRow, Reported, type Field } from './field-row';
import { Latest } from './latest';

const Place = lazy(() => import('./place'));

// Overview is what is known of a device: its fields, what it measures now, how it is connected, and where it is.
export function Overview({ device: d }: { device: Device }) {
  const custom = (useDeviceFields().data ?? []).filter((f) => f.deviceTemplateId === d.deviceTemplateId);
  const reported = useReported(d.id);
  const note = (name: string) => { const at = reported.get(name); return at && <Reported at={at} />; };
  const fields: Field[] = [
    { name: 'name', label: 'Name', type: 'string' },
    { name: 'serialNumber', label: 'Serial number', type: 'string' },
    { name: 'organizationId', label: 'Group', type: 'group', shown: d.organization ? <Anchor component={Link} to={`/groups/${d.organizationId}`} size="sm">{d.organization.name}</Anchor> : undefined },
    { name: 'firmwareVersion', label: 'Firmware', type: 'string' },
    { name: 'deviceVersion', label: 'Device version', type: 'string' },
    { name: 'location', label: 'Location', type: 'string' },
    { name: 'latitude', label: 'Latitude', type: 'place' },
    { name: 'longitude', label: 'Longitude', type: 'place' },
    { name: 'purchaseDate', label: 'Bought', type: 'datetime' },
    { name: 'tags', label: 'Tags', type: 'tags' },
  ];
  const row = (f: Field) => <FieldRow key={f.name} device={d} field={{ ...f, note: note(f.name) }} />;
  const lat = d.latitude ?? d.geoIpLatitude;
  const lon = d.longitude ?? d.geoIpLongitude;
  return (
    <div className="overview">
      <div>
        <Card title="Fields"><dl className="facts">{fields.map(row)}</dl></Card>
        {custom.length > 0 && <Card title={<>Fields of {d.deviceTemplate?.name ?? 'its template'}</>}><dl className="facts">{custom.map((f) => row({ name: f.name, label: f.name, type: f.fieldType }))}</dl></Card>}
      </div>
      <div>
        <Latest device={d} />
        <Connections device={d} />
        {lat !== null && lon !== null && (
          <Card title="Place" pad={false}>
            <Suspense fallback={<div className="place" />}><Place latitude={lat} longitude={lon} byAddress={d.latitude === null} label={d.location ?? d.name ?? d.serialNumber} /></Suspense>
          </Card>
        )}
        <Card title="In the directory">
          <dl className="facts">
            <dt>Id</dt><dd><ID id={d.id} /></dd>
            <dt>State</dt><dd>{d.provisioningState}</dd>
            <dt>Created</dt><dd><Ago time={d.created} /></dd>
            <dt>Changed</dt><dd><Ago time={d.lastModified} /></dd>
            <dt>Version</dt><dd className="mono">{d.version}</dd>
          </dl>
        </Card>
      </div>
    </div>
  );
}

// useReported is when the device itself last set each of its fields, from the audit trail.
function useReported(id: string): ReadonlyMap<string, string> {
  const { accountId } = useSession();
  const { data } = useQuery({
    queryKey: ['audit', id, 'reported'],
    queryFn: async () => (await must(api.GET('/api/v1/audit', { params: { query: { accountId, objectId: id, pageSize: 100 } } }))).audit.results ?? [],
    refetchInterval: 15_000,
  });
  // Only where nobody else has set it since: entries come newest first.
  const last = new Map<string, { by: string; at: string }>();
  for (const e of data ?? []) for (const name of Object.keys(e.after ?? {})) if (!last.has(name)) last.set(name, { by: e.byId || e.by, at: e.at });
  return new Map([...last].filter(([, v]) => v.by === id).map(([name, v]) => [name, v.at]));
}
