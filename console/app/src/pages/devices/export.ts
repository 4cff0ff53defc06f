// Exports of the devices found or chosen. CSV is the server's, in the form that the import takes.
import { api, must, send } from '../../api/client';
import type { Sort } from '../../components/table';
import { save } from '../../lib/download';
import type { Chosen } from './bulk-bar';
import { exportURL } from './list';

const atOnce = 60;

function queries(chosen: Chosen, q: string): string[] {
  if (chosen.all) return [q];
  const ids = [...chosen.ids];
  return Array.from({ length: Math.ceil(ids.length / atOnce) }, (_, i) => `id:(${ids.slice(i * atOnce, (i + 1) * atOnce).join(' OR ')})`);
}

export async function exportDevices(form: 'csv' | 'ndjson', chosen: Chosen, q: string, sort: Sort): Promise<void> {
  const parts: string[] = [];
  for (const query of queries(chosen, q)) {
    if (form === 'csv') {
      const text = await send<string>('GET', exportURL(query, sort));
      parts.push(parts.length === 0 ? text : text.slice(text.indexOf('\n') + 1));
      continue;
    }
    for (let page = 1; ; page++) {
      const { devices } = await must(api.GET('/api/v1/devices', { params: { query: { q: query || undefined, page, pageSize: 1000, sortBy: sort.by, sortOrder: sort.order } } }));
      parts.push(...(devices.results ?? []).map((d) => `${JSON.stringify(d)}\n`));
      if (page * 1000 >= (devices.meta?.count ?? 0)) break;
    }
  }
  save(`devices.${form}`, parts, form === 'csv' ? 'text/csv' : 'application/x-ndjson');
}
