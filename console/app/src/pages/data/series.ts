// The series of the page, as its address keeps them, and what the server answers for them.
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { must, api, type Schemas } from '../../api/client';
import { durationText, stepFor } from '../../lib/range';
import { align, type Course } from './align';

export interface SeriesID { device: string; channel: string; category?: string }

// parseSeries reads "device:channel:category,…"; what is broken is left out.
export function parseSeries(text: string): SeriesID[] {
  return text.split(',').flatMap((part) => {
    try {
      const [device, channel, category] = part.split(':').map(decodeURIComponent);
      return device && channel ? [{ device, channel, ...(category !== undefined && { category }) }] : [];
    } catch {
      return [];
    }
  });
}

export const formatSeries = (list: SeriesID[]) => list.map((s) => [s.device, s.channel, ...(s.category === undefined ? [] : [s.category])].map(encodeURIComponent).join(':')).join(',');

export const sameSeries = (a: SeriesID, b: SeriesID) => a.device === b.device && a.channel === b.channel && a.category === b.category;

export const topicOf = (accountId: string, s: SeriesID) => `xi/blue/v1/${accountId}/d/${s.device}/${s.channel}`;

export const functions = [
  ['avg', 'Average'], ['min', 'Minimum'], ['max', 'Maximum'], ['sum', 'Sum'], ['count', 'Count'], ['first', 'First'], ['last', 'Last'], ['p50', 'Median'], ['p95', '95th percentile'], ['p99', '99th percentile'],
  ['twa', 'Average weighted by time'], ['delta', 'Change'], ['rate', 'Change per second'],
] as const;

export interface Asked { series: SeriesID[]; from: number; to: number; every: string; fn: string; band: boolean; width: number }

// intervalOf is how long the time is that one point of the chart stands for; null for the points themselves.
export function intervalOf({ every, from, to, width }: Pick<Asked, 'every' | 'from' | 'to' | 'width'>): string | null {
  if (every === 'raw') return null;
  if (every !== '') return every;
  return durationText(stepFor(to - from, Math.max(60, Math.min(1200, width / 2))));
}

// parametersOf is the query for the server.
export function parametersOf(a: Asked, accountId: string) {
  const interval = intervalOf(a);
  const topics = [...new Set(a.series.map((s) => topicOf(accountId, s)))];
  return {
    topic: topics, startDateTime: String(a.from), endDateTime: String(a.to), timeFormat: 'epoch', omitNull: true,
    ...(interval === null ? { points: Math.min(10_000, Math.floor(100_000 / Math.max(1, topics.length))) } : { interval, aggregate: a.band ? [...new Set([a.fn, 'min', 'max'])].join(',') : a.fn }),
  };
}

export interface Shown extends SeriesID { key: string; course: Course }

type Row = Schemas['Point'];

// split makes a course of each category that was asked for. A series without a category in the address shows all it has.
export function split(asked: SeriesID[], answer: Map<string, Row[]>, topic: (s: SeriesID) => string, a: Pick<Asked, 'fn' | 'band'>, raw: boolean): Shown[] {
  return asked.flatMap((s) => {
    const byCategory = new Map<string, Course>();
    for (const row of answer.get(topic(s)) ?? []) {
      const category = row.category ?? '';
      if (s.category !== undefined && s.category !== category) continue;
      let c = byCategory.get(category);
      if (!c) byCategory.set(category, c = { times: [], values: [], ...(a.band && !raw && { low: [], high: [] }) });
      const v = raw ? row.numericValue : row[a.fn];
      if (typeof v !== 'number') continue;
      c.times.push((row.time as number) / 1000);
      c.values.push(v);
      c.low?.push(row.min ?? v);
      c.high?.push(row.max ?? v);
    }
    if (byCategory.size === 0) byCategory.set(s.category ?? '', { times: [], values: [] });
    return [...byCategory].map(([category, course]) => ({ ...s, ...(category !== '' && { category }), key: formatSeries([{ ...s, category }]), course }));
  });
}

const mostTexts = 1000; // of a series: a page of the server

// textsOf is the course of a series by its points, newest first; undefined when there is no text among them.
export function textsOf(s: SeriesID, newest: Row[], more: boolean): Course | undefined {
  const points = newest.filter((p) => typeof p.stringValue === 'string' && p.stringValue !== '' && (p.category ?? '') === (s.category ?? '')).reverse();
  if (points.length === 0) return undefined;
  return { times: points.map((p) => (p.time as number) / 1000), values: [], texts: points.map((p) => p.stringValue!), more };
}

// useSeries reads what the chart shows. Of a series without numbers it reads the texts, for which there are no functions.
export function useSeries(a: Asked, accountId: string) {
  const parameters = parametersOf(a, accountId);
  return useQuery({
    queryKey: ['data', parameters, formatSeries(a.series), a.fn, a.band],
    enabled: a.series.length > 0 && a.width > 0,
    placeholderData: keepPreviousData,
    staleTime: 60_000,
    queryFn: async ({ signal }) => {
      const began = performance.now();
      const { series } = await must(api.POST('/api/v4/query', { body: parameters as never, signal }));
      const answer = new Map(series.map((s) => [s.topic, s.result]));
      const shown = split(a.series, answer, (s) => topicOf(accountId, s), a, intervalOf(a) === null);
      const silent = shown.filter((s) => s.course.times.length === 0);
      if (silent.length > 0) {
        const { series: newest } = await must(api.POST('/api/v4/query', { body: {
          topic: [...new Set(silent.map((s) => topicOf(accountId, s)))], startDateTime: String(a.from), endDateTime: String(a.to), timeFormat: 'epoch', latest: true, pageSize: mostTexts,
        } as never, signal }));
        const found = new Map(newest.map((n) => [n.topic, n]));
        for (const s of silent) {
          const n = found.get(topicOf(accountId, s));
          s.course = textsOf(s, n?.result ?? [], !!n?.meta.pagingToken) ?? s.course;
        }
      }
      return { shown, aligned: align(shown.map((s) => s.course)), points: shown.reduce((n, s) => n + s.course.times.length, 0), ms: performance.now() - began };
    },
  });
}
