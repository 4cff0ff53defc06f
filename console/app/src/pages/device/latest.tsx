import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'react-router';
import { api, must, type Device } from '../../api/client';
import { Spark } from '../../components/chart';
import { Ago } from '../../components/marks';
import { Card } from '../../components/page';
import { value } from '../../lib/format';

interface Now { channel: string; time?: number; shown?: string; values: number[] }

const day = 86_400_000;

// Latest is the newest value of each channel, and its course over the last day.
export function Latest({ device: d }: { device: Device }) {
  const channels = d.channels.filter((c) => c.persistenceType === 'timeSeries');
  const { data } = useQuery({
    queryKey: ['latest', d.id],
    enabled: channels.length > 0,
    refetchInterval: 10_000,
    queryFn: async ({ signal }): Promise<Now[]> => {
      const ask = (more: object) => must(api.POST('/api/v4/query', { body: { topic: channels.map((c) => c.channel), timeFormat: 'epoch', ...more } as never, signal }));
      const [newest, course] = await Promise.all([ask({ latest: true }), ask({ interval: '15m', aggregate: 'avg', startDateTime: String(Date.now() - day), endDateTime: String(Date.now()) })]);
      return channels.map((c) => {
        const point = newest.series.find((s) => s.topic === c.channel)?.result[0];
        const values = (course.series.find((s) => s.topic === c.channel)?.result ?? []).map((p) => p.avg).filter((v) => typeof v === 'number');
        return { channel: c.channelTemplateName, time: point && Number(point.time), shown: point && (typeof point.numericValue === 'number' ? value(point.numericValue) : point.stringValue ?? ''), values };
      });
    },
  });
  if (channels.length === 0) return <Card title="Now"><Text size="sm" c="dimmed">Its template has no channel whose points are kept. Give it one under Model, with persistence “time series”.</Text></Card>;
  return (
    <Card title="Now" pad={false} actions={<Text size="xs" c="dimmed">course of the last day</Text>}>
      <div className="latest">
        {channels.map((c) => {
          const now = data?.find((n) => n.channel === c.channelTemplateName);
          return (
            <Link key={c.channel} to={`/devices/${d.id}/data?channels=${encodeURIComponent(c.channelTemplateName)}`} className="latest-one">
              <span className="clip latest-name">{c.channelTemplateName}</span>
              <span className="clip latest-value num">{now?.shown ?? '–'}</span>
              <span className="latest-spark">{now && <Spark label={`${c.channelTemplateName} of the last day`} values={from(now.values)} height={28} />}</span>
              <span className="latest-time"><Ago time={now?.time} empty="no points yet" /></span>
            </Link>
          );
        })}
      </div>
    </Card>
  );
}

// from moves a course so that its least value is the bottom: what is shown is its shape.
function from(values: number[]): number[] {
  if (values.length === 0) return values;
  const least = Math.min(...values);
  return values.map((v) => v - least);
}
