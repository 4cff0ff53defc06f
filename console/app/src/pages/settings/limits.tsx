import { Progress, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { api, must, type Schemas } from '../../api/client';
import { Card } from '../../components/page';
import { Loaded } from '../../components/states';
import { arrayRows, DataTable } from '../../components/table';
import { bytes, count, duration, plural } from '../../lib/format';

type Limit = Schemas['Limit'];

export const useLimits = () => useQuery({ queryKey: ['limits'], queryFn: async () => (await must(api.GET('/api/v1/limits', { params: { query: { pageSize: 1000 } } }))).limits.results ?? [] });

// limitText writes a figure of a limit in its unit; none is without bound.
export function limitText(n: number | null, unit: Limit['unit']): string {
  if (n === null) return 'no limit';
  if (unit === 'bytes') return bytes(n);
  if (unit === 'perSecond') return `${count(n)} a second`;
  if (unit === 'seconds') return n === 0 ? 'for good' : n >= 2 * 86400 ? plural(Math.round(n / 86400), 'day') : duration(n * 1000);
  return count(n);
}

// Limits is what is bounded, and how much of it the account takes.
export function Limits() {
  const limits = useLimits();
  return (
    <Card title="Limits" pad={false}>
      <Loaded query={limits}>{(list) => (
        <DataTable
          label="Limits" rows={arrayRows(list.filter((l) => l.unit !== 'seconds').sort((a, b) => share(b) - share(a)))} rowKey={(l) => l.code}
          columns={[
            { key: 'text', header: 'What', cell: (l) => <span title={l.text}>{l.text}</span> },
            { key: 'used', header: 'Used', width: 120, right: true, cell: (l) => (l.used === null ? '' : limitText(l.used, l.unit)) },
            { key: 'limit', header: 'Limit', width: 130, right: true, cell: (l) => limitText(l.limit, l.unit) },
            { key: 'share', header: '', width: 130, wide: true, cell: (l) => (l.used !== null && l.limit ? <Progress value={share(l) * 100} size="sm" color={share(l) > 0.9 ? 'red' : share(l) > 0.75 ? 'yellow' : 'brand'} aria-label={`Used of ${l.text}`} /> : '') },
            { key: 'setting', header: 'Setting', width: 220, wide: true, cell: (l) => <span className="mono">{l.setting}</span> },
          ]}
        />
      )}</Loaded>
      <Text size="xs" c="dimmed" p="sm">Limits are settings of the server's configuration file; config.example.yaml explains each.</Text>
    </Card>
  );
}

const share = (l: Limit) => (l.used !== null && l.limit ? l.used / l.limit : -1);
