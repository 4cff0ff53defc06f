import { Progress, Text } from '@mantine/core';
import { Link } from 'react-router';
import type { Schemas } from '../../api/client';
import { Spark } from '../../components/chart';
import { Card } from '../../components/page';
import { bytes, count, duration, plural } from '../../lib/format';
import { seriesColors } from '../../theme';

// ServerCard is for the account that runs the server: what it takes, and for how long the disk will do.
export function ServerCard({ server: s }: { server: Schemas['ServerFigures'] }) {
  const { storage } = s;
  const used = storage.diskTotalBytes > 0 ? ((storage.diskTotalBytes - storage.diskFreeBytes) / storage.diskTotalBytes) * 100 : null;
  return (
    <Card title="Server" actions={<Link to="/settings" className="small">Settings</Link>}>
      <dl className="facts">
        <dt>Version</dt><dd>{s.version}</dd>
        <dt>Running for</dt><dd>{duration(s.uptimeSeconds * 1000)}</dd>
        <dt>Memory</dt><dd className="num">{bytes(s.memoryBytes)}</dd>
        <dt>Stored</dt>
        <dd className="num">
          {bytes(storage.bytes)} <Text span size="xs" c="dimmed">file {bytes(storage.fileBytes)}, of it logs {bytes(storage.logBytes)} · journal {bytes(storage.journalBytes)}</Text>
          {storage.sizes.length > 1 && <Spark label="Size of the store over time" values={storage.sizes.map((x) => x.bytes)} color={seriesColors[9]} height={28} />}
        </dd>
        <dt>Growth</dt>
        <dd className="num">{storage.growthPerDay === null || storage.growthPerDay === undefined ? <Text span size="sm" c="dimmed">known after a day</Text> : <>{bytes(storage.growthPerDay)} a day{typeof storage.daysLeft === 'number' && <Text span size="xs" c="dimmed"> · the disk will do for {plural(storage.daysLeft, 'day')}</Text>}</>}</dd>
        {used !== null && <><dt>Disk</dt><dd><Progress value={used} color={used > 90 ? 'red' : used > 75 ? 'yellow' : 'brand'} size="sm" mt={6} aria-label="Disk used" /><Text size="xs" c="dimmed" mt={2}>{bytes(storage.diskFreeBytes)} free of {bytes(storage.diskTotalBytes)}</Text></dd></>}
        <dt>Dropped</dt><dd className="num">{s.droppedQoS0 + s.droppedQueue === 0 ? 'nothing' : `${count(s.droppedQoS0)} at QoS 0 for slow clients, ${count(s.droppedQueue)} from full queues`}</dd>
      </dl>
    </Card>
  );
}
