import { useMemo } from 'react';
import type { Schemas } from '../../api/client';
import { Chart, Legend, type Line } from '../../components/chart';
import { seriesColors } from '../../theme';

// Traffic draws the rates of the last day, a minute to a point.
export function Traffic({ history }: { history: Schemas['TrafficHistory'] }) {
  const times = useMemo(() => history.messagesReceivedPerSecond.map((_, i) => (history.from + i * history.interval) / 1000), [history]);
  const lines = useMemo<Line[]>(() => [
    { label: 'Messages in', values: history.messagesReceivedPerSecond, color: seriesColors[2], unit: '/s', fill: true },
    { label: 'Messages out', values: history.messagesDeliveredPerSecond, color: seriesColors[7], unit: '/s' },
    { label: 'Points', values: history.pointsPerSecond, color: seriesColors[1], unit: '/s' },
  ], [history]);
  // A server that has just started has little to show: an hour is the least, so that it does not look like a day.
  const last = times.at(-1) ?? Date.now() / 1000;
  const range = useMemo<[number, number]>(() => [Math.min(times[0] ?? last, last - 3600), last], [times, last]);
  return (
    <>
      <Chart label="Messages and points per second in the last 24 hours" times={times} lines={lines} height={200} range={range} zero />
      <Legend lines={lines} />
    </>
  );
}
