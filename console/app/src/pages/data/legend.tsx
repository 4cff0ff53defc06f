import { ActionIcon, Anchor, Tooltip } from '@mantine/core';
import { IconEye, IconEyeOff, IconX } from '@tabler/icons-react';
import { Link } from 'react-router';
import { DataTable, arrayRows, type Column } from '../../components/table';
import { count, value } from '../../lib/format';
import { figures, type Figures } from './align';
import type { Shown } from './series';

export interface Named extends Shown { name: string; deviceName: string; color: string; hidden: boolean }

interface Props { series: Named[]; onHide: (key: string) => void; onRemove: (s: Named) => void }

// SeriesTable names the lines of the charts and tells what is in them.
export function SeriesTable({ series, onHide, onRemove }: Props) {
  const rows = series.map((s) => ({ ...s, ...figures(s.course) }));
  type Row = Named & Figures;
  const number = (key: 'last' | 'min' | 'avg' | 'max', header: string, wide = false): Column<Row> => ({ key, header, width: 92, right: true, wide, cell: (r) => value(r[key]) });
  const columns: Column<Row>[] = [
    { key: 'name', header: 'Series', cell: (r) => (
      <span style={{ display: 'inline-flex', alignItems: 'center', gap: 8, maxWidth: '100%', opacity: r.hidden ? 0.55 : 1 }}>
        <i className="series-color" style={{ background: r.color }} />
        <span className="clip">{r.channel}{r.category !== undefined && ` · ${r.category}`}</span>
        <Anchor component={Link} to={`/devices/${r.device}/data`} size="sm" c="dimmed" className="clip">{r.deviceName}</Anchor>
      </span>
    ) },
    { ...number('last', 'Last'), cell: (r) => (r.course.texts ? <span title={r.course.texts.at(-1)}>{r.course.texts.at(-1)}</span> : value(r.last)) }, number('min', 'Min', true), number('avg', 'Mean', true), number('max', 'Max', true),
    { key: 'count', header: 'Points', width: 80, right: true, wide: true, cell: (r) => `${count(r.count)}${r.course.more ? '+' : ''}` },
    { key: 'acts', header: <span className="visually-hidden">Actions</span>, width: 76, right: true, cell: (r) => (
      <span style={{ display: 'inline-flex' }}>
        <Tooltip label={r.hidden ? 'Show' : 'Hide'}><ActionIcon size="sm" aria-label={`${r.hidden ? 'Show' : 'Hide'} ${r.name}`} onClick={() => onHide(r.key)}>{r.hidden ? <IconEyeOff size={15} /> : <IconEye size={15} />}</ActionIcon></Tooltip>
        <Tooltip label="Remove"><ActionIcon size="sm" aria-label={`Remove ${r.name}`} onClick={() => onRemove(r)}><IconX size={15} /></ActionIcon></Tooltip>
      </span>
    ) },
  ];
  return <DataTable columns={columns} rows={arrayRows(rows)} rowKey={(r) => r.key} label="Series" />;
}
