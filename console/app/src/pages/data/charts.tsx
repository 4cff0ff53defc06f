import { useMemo } from 'react';
import { Chart, type Line } from '../../components/chart';
import type { Aligned } from './align';
import type { Named } from './legend';
import { Texts } from './texts';

interface Props { series: Named[]; aligned: Aligned; range: [number, number]; split: string; height: number; onZoom: (from: number, to: number) => void; onReset: () => void }

interface Part { title: string; lines: Line[] }

// partsOf puts the lines into one chart, one for each channel, or one each.
function partsOf(series: Named[], aligned: Aligned, split: string): Part[] {
  const parts = new Map<string, Part>();
  series.forEach((s, i) => {
    if (s.hidden || s.course.texts || !aligned.columns[i]) return;
    const title = { channel: s.channel, series: s.name }[split] ?? '';
    const part = parts.get(title) ?? { title, lines: [] };
    part.lines.push({ label: split === 'channel' && s.category === undefined ? s.deviceName : s.name, color: s.color, ...aligned.columns[i] });
    parts.set(title, part);
  });
  return [...parts.values()];
}

// Charts share the cursor and the span.
export function Charts({ series, aligned, range, split, height, onZoom, onReset }: Props) {
  const parts = useMemo(() => partsOf(series, aligned, split), [series, aligned, split]);
  return (
    <>
      {parts.map((p) => (
        <div key={p.title}>
          {p.title && <h2 className="chart-title">{p.title}</h2>}
          <Chart label={p.title || `${p.lines.length} series over time`} times={aligned.times} lines={p.lines} height={parts.length > 1 ? Math.max(170, Math.round(height / 2)) : height} range={range} sync="data"
            onZoom={(a, b) => onZoom(a * 1000, b * 1000)} onReset={onReset} />
        </div>
      ))}
      {series.filter((s) => !s.hidden && s.course.texts).map((s) => <Texts key={s.key} series={s} range={range} />)}
    </>
  );
}
