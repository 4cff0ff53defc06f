import { useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query';
import { api, must, type Device } from '../../api/client';

const key = (id: string) => ['device', id];

// useDevice is the device with its template and group, read again every few seconds: it comes and goes by itself.
export const useDevice = (id: string) => useQuery({
  queryKey: key(id),
  queryFn: async ({ signal }) => (await must(api.GET('/api/v1/devices/{id}', { params: { path: { id }, query: { expand: 'device-template,organization' } }, signal }))).device,
  refetchInterval: 5_000,
});

// changed puts the answer to a change in place, and has what else shows it read it again.
export function changed(client: QueryClient, d: Device) {
  client.setQueryData<Device>(key(d.id), (old) => ({ ...old, ...d }));
  for (const k of [key(d.id), ['devices'], ['device-names'], ['audit', d.id]]) void client.invalidateQueries({ queryKey: k });
}

// useChange changes members of the device, on the version that is shown: somebody else's change in between is refused.
export function useChange(d: Device) {
  const client = useQueryClient();
  return async (change: Record<string, unknown>) => {
    const { device } = await must(api.PUT('/api/v1/devices/{id}', { params: { path: { id: d.id }, header: { etag: d.version } }, body: change as never }));
    changed(client, device);
  };
}

// useCredential is what the server shows of a device's credential, null when it has none.
export const useCredential = (id: string) => useQuery({
  queryKey: ['credential', id],
  queryFn: async () => (await must(api.GET('/api/v1/access/mqtt-credentials', { params: { query: { filters: { entityId: id } } } }))).mqttCredentials.results?.[0] ?? null,
});

// useCredentialRenewed has everything read again that a device's credential shows in.
export function useCredentialRenewed(id: string) {
  const client = useQueryClient();
  return () => { for (const k of [['credential', id], key(id), ['audit', id]]) void client.invalidateQueries({ queryKey: k }); };
}

// byCertificate tells whether a device signs in with an X.509 certificate in place of a secret.
export const byCertificate = (d: Device) => d.deviceTemplate?.authenticationMethod === 'certificate';

export const platformChannel = (name: string) => name.startsWith('_');
