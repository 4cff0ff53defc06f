import { useMemo } from 'react';
import { DataTable, type Column } from '../../components/table';
import { absolute, value } from '../../lib/format';
import type { Aligned } from './align';
import type { Named } from './legend';

// TableView shows the numbers behind the charts, the newest first.
export function TableView({ series, aligned }: { series: Named[]; aligned: Aligned }) {
  const shown = series.flatMap((s, i) => (s.hidden || !aligned.columns[i] ? [] : [{ ...s, ...aligned.columns[i] }]));
  const places = useMemo(() => aligned.times.flatMap((_, i) => (shown.some((s) => typeof s.values[i] === 'number' || s.texts?.[i] !== undefined) ? [i] : [])).reverse(), [aligned, shown.map((s) => s.key).join()]);
  const columns: Column<number>[] = [
    { key: 'time', header: 'Time', width: 170, cell: (i) => <span className="num">{absolute(aligned.times[i] * 1000)}</span> },
    ...shown.map((s): Column<number> => ({ key: s.key, width: 150, right: !s.texts, header: <span title={s.name} className="clip" style={{ display: 'block' }}>{s.name}</span>, cell: (i) => (s.texts ? <span title={s.texts[i]}>{s.texts[i]}</span> : value(s.values[i] ?? null)) })),
  ];
  return <DataTable columns={columns} rows={{ total: places.length, at: (n) => places[n], see: () => {} }} rowKey={String} label="Values" height={460} />;
}
