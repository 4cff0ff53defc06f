import { UnstyledButton } from '@mantine/core';
import { useMemo } from 'react';
import { Chart, type Line } from '../../components/chart';
import { severities, severityHue, type Severity } from '../../components/marks';
import { compact } from '../../lib/format';
import { stack, type Bucket } from '../../lib/log-entry';

interface Props { buckets: Bucket[]; interval: number; from: number; to: number; shown: (s: Severity) => boolean; onZoom: (from: number, to: number) => void; onReset: () => void }

// Histogram shows how many entries there are over time. Dragging over it narrows the span.
export function Histogram({ buckets, interval, from, to, shown, onZoom, onReset }: Props) {
  const times = useMemo(() => buckets.map((b) => b.time / 1000), [buckets]);
  const lines: Line[] = useMemo(() => stack(buckets, shown).map((s) => ({ label: s.severity, values: s.values, color: severityHue[s.severity], bars: true })), [buckets, shown]);
  const start = Math.floor(from / interval) * interval / 1000;
  return <Chart label="Entries over time, by severity" times={times} lines={lines} height={132} range={[start, to / 1000]} onZoom={(a, b) => onZoom(a * 1000, b * 1000)} onReset={onReset} zero stacked />;
}

interface ChipsProps { counts: Record<string, number>; chosen: string[]; onChange: (chosen: string[]) => void }

// SeverityChips choose severities and tell how many entries each has.
export function SeverityChips({ counts, chosen, onChange }: ChipsProps) {
  const present = severities.filter((s) => (counts[s] ?? 0) > 0 || chosen.includes(s));
  return (
    <div className="chips" role="group" aria-label="Severities">
      {present.map((s) => (
        <UnstyledButton key={s} className="chip" aria-pressed={chosen.includes(s)} onClick={() => onChange(chosen.includes(s) ? chosen.filter((c) => c !== s) : [...chosen, s])}>
          <i style={{ background: severityHue[s] }} />{s}<span className="num">{compact(counts[s] ?? 0)}</span>
        </UnstyledButton>
      ))}
    </div>
  );
}
