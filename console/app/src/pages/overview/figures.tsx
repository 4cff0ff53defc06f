import { SimpleGrid } from '@mantine/core';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import type { Schemas } from '../../api/client';
import { Spark } from '../../components/chart';
import { compact, count, value } from '../../lib/format';
import { seriesColors } from '../../theme';
import type { Overview } from './overview';

const hour = 60; // minutes: of the rates, the last two hours are shown

// Figures are the four numbers that one looks for first.
export function Figures({ overview, live }: { overview: Overview; live: Schemas['LiveFigures'] | null }) {
  const { history } = overview;
  const counts = live?.counts ?? overview.counts;
  const rates = live?.rates ?? overview.rates;
  const recent = (list: number[]) => list.slice(-2 * hour);
  const share = counts.devices > 0 ? (counts.connectedDevices / counts.devices) * 100 : 0;
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, lg: 4 }} spacing="md">
      <Figure to="/devices?q=connected%3Atrue" title="Connected devices" value={count(counts.connectedDevices)} note={`of ${count(counts.devices)} · ${value(Math.round(share * 10) / 10)} %`}>
        <Spark label="Connections in the last two hours" values={recent(history.connections)} color={seriesColors[0]} />
      </Figure>
      <Figure to="/messages" title="Messages in" value={compact(rates.messagesReceivedPerSecond)} unit="per second" note={`${compact((live?.traffic ?? overview.traffic).messagesReceived)} since the start`}>
        <Spark label="Messages received in the last two hours" values={recent(history.messagesReceivedPerSecond)} color={seriesColors[2]} />
      </Figure>
      <Figure to="/messages" title="Messages out" value={compact(rates.messagesDeliveredPerSecond)} unit="per second" note={`${compact((live?.traffic ?? overview.traffic).messagesDelivered)} since the start`}>
        <Spark label="Messages delivered in the last two hours" values={recent(history.messagesDeliveredPerSecond)} color={seriesColors[7]} />
      </Figure>
      <Figure to="/data" title="Points stored" value={compact(rates.pointsPerSecond)} unit="per second" note={`${count(counts.series)} series`}>
        <Spark label="Points stored in the last two hours" values={recent(history.pointsPerSecond)} color={seriesColors[1]} />
      </Figure>
    </SimpleGrid>
  );
}

function Figure({ to, title, value: shown, unit, note, children }: { to: string; title: string; value: string; unit?: string; note: string; children: ReactNode }) {
  return (
    <Link to={to} className="card figure">
      <span className="figure-title">{title}</span>
      <span className="figure-value num">{shown}{unit && <small>{unit}</small>}</span>
      <span className="figure-note num">{note}</span>
      <span className="figure-spark">{children}</span>
    </Link>
  );
}
