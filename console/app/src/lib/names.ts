// What ids are called. The directory's lists of an account are small but for devices and groups, so templates come whole and
// the others as they are needed.
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { api, must, type Schemas } from '../api/client';

export type DeviceTemplate = Schemas['DeviceTemplate'];

const most = 1000; // of a page

// useDeviceTemplates are all device templates of the account, by name.
export const useDeviceTemplates = () => useQuery({
  queryKey: ['device-templates'],
  queryFn: async () => (await must(api.GET('/api/v1/devices/templates', { params: { query: { pageSize: most, sortBy: 'name' } } }))).deviceTemplates.results ?? [],
  staleTime: 30_000,
});

export type CustomField = Schemas['DeviceField'];

// useDeviceFields are the custom fields of all device templates.
export const useDeviceFields = () => useQuery({
  queryKey: ['device-fields'],
  queryFn: async () => (await must(api.GET('/api/v1/devices/custom-fields', { params: { query: { pageSize: most, sortBy: 'name' } } }))).deviceFields.results ?? [],
  staleTime: 30_000,
});

const idsIn = (ids: string[]) => `id:(${ids.join(' OR ')})`;
const atOnce = 60; // a query has at most 64 terms

async function inParts<T>(ids: string[], read: (q: string) => Promise<T[]>): Promise<T[]> {
  const parts: Promise<T[]>[] = [];
  for (let i = 0; i < ids.length; i += atOnce) parts.push(read(idsIn(ids.slice(i, i + atOnce))));
  return (await Promise.all(parts)).flat();
}

const uuid = /^[0-9a-f-]{36}$/;
const wanted = (ids: (string | null | undefined)[]) => [...new Set(ids.filter((id): id is string => !!id && uuid.test(id)))].sort();

const deviceName = (d: { name: string | null; serialNumber: string }) => d.name || d.serialNumber;

// useDeviceNames finds the names of devices: the name, else the serial number. Ids that are no device's are not in it.
export function useDeviceNames(ids: (string | null | undefined)[]): ReadonlyMap<string, string> {
  const list = wanted(ids);
  const { data } = useQuery({
    queryKey: ['device-names', list],
    enabled: list.length > 0,
    staleTime: 60_000,
    placeholderData: keepPreviousData,
    queryFn: async () => new Map((await inParts(list, async (q) => (await must(api.GET('/api/v1/devices', { params: { query: { q, pageSize: atOnce, meta: false } } }))).devices.results ?? []))
      .map((d) => [d.id, deviceName(d)])),
  });
  return data ?? new Map();
}

// useGroupNames finds the names of groups.
export function useGroupNames(ids: (string | null | undefined)[]): ReadonlyMap<string, string> {
  const list = wanted(ids);
  const { data } = useQuery({
    queryKey: ['group-names', list],
    enabled: list.length > 0,
    staleTime: 60_000,
    placeholderData: keepPreviousData,
    queryFn: async () => new Map((await inParts(list, async (q) => (await must(api.GET('/api/v1/organizations', { params: { query: { q, pageSize: atOnce, meta: false } } }))).organizations.results ?? []))
      .map((o) => [o.id, o.name ?? o.id])),
  });
  return data ?? new Map();
}
