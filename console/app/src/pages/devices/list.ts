// What the list of devices asks the server.
import { api, must, type Device } from '../../api/client';
import type { PageOf, Sort } from '../../components/table';

export interface Search { q: string; sort: Sort }

export async function devicePage({ q, sort }: Search, page: number, pageSize: number, signal?: AbortSignal): Promise<PageOf<Device>> {
  const { devices } = await must(api.GET('/api/v1/devices', {
    params: { query: { q: q || undefined, page, pageSize, sortBy: sort.by, sortOrder: sort.order, expand: 'device-template,organization' } }, signal,
  }));
  return { rows: devices.results ?? [], total: devices.meta?.count ?? 0 };
}

export const exportURL = (q: string, sort: Sort) => `/api/v1/devices/export?${new URLSearchParams({ ...(q ? { q } : {}), sortBy: sort.by, sortOrder: sort.order })}`;
