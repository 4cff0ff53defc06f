import { Text } from '@mantine/core';
import { useMemo } from 'react';
import { Link } from 'react-router';
import { Chart, type Line } from '../../components/chart';
import { severities as order, severityHue } from '../../components/marks';
import { compact, count } from '../../lib/format';
import type { Overview } from './overview';

// LogSeverities shows what the log had in the last day: how many entries of each severity, hour by hour.
export function LogSeverities({ logs, severities }: { logs: Overview['logs']; severities: Record<string, number> }) {
  const present = order.filter((s) => (severities[s] ?? 0) > 0);
  const { times, lines } = useMemo(() => {
    const hours = logs.hours as { time: number | string; severities?: Record<string, number> }[];
    const shown = order.filter((s) => hours.some((h) => (h.severities?.[s] ?? 0) > 0));
    // The last of them is drawn first, so each is the sum of itself and those after it.
    const sums = shown.map((_, i) => hours.map((h) => shown.slice(i).reduce((n, s) => n + (h.severities?.[s] ?? 0), 0)));
    return {
      times: hours.map((h) => new Date(h.time).getTime() / 1000),
      lines: shown.map<Line>((s, i) => ({ label: s, values: sums[i], color: severityHue[s], bars: true })),
    };
  }, [logs]);
  return (
    <>
      {times.length > 0 ? <Chart label="Log entries by hour and severity" times={times} lines={lines} height={150} zero stacked /> : <Text size="sm" c="dimmed">No entries in the last 24 hours.</Text>}
      <div className="severities">
        {present.map((s) => (
          <Link key={s} to={`/logs?q=${encodeURIComponent(`severity:${s}`)}`} className="severity-count" title={`${count(severities[s])} entries in 24 hours`}>
            <i style={{ background: severityHue[s] }} /><span>{s}</span><b className="num">{compact(severities[s])}</b>
          </Link>
        ))}
      </div>
    </>
  );
}
