// What the page asks the server for beside the entries themselves.
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { api, must } from '../../api/client';
import { fill } from '../../lib/log-entry';
import type { LogEntry } from '../../lib/logs';
import { durationText, stepFor } from '../../lib/range';
import type { Rows } from '../../components/table';

// useHistogram counts the entries of [from, to) by time and severity.
export function useHistogram(q: string, from: number, to: number) {
  return useQuery({
    queryKey: ['logs', 'histogram', q, from, to],
    queryFn: async ({ signal }) => {
      const interval = durationText(stepFor(to - from, 72));
      const { histogram } = await must(api.GET('/api/v1/logs/histogram', { params: { query: { q: q || undefined, from: String(from), to: String(to), interval } }, signal }));
      return { interval: histogram.interval, buckets: fill(histogram.buckets, histogram.interval, from, to) };
    },
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  });
}

// joined are rows with others above them.
export const joined = (above: LogEntry[], rows: Rows<LogEntry>): Rows<LogEntry> => ({
  total: above.length + rows.total,
  at: (i) => (i < above.length ? above[i] : rows.at(i - above.length)),
  see: (first, last) => rows.see(Math.max(0, first - above.length), Math.max(0, last - above.length)),
});
