// Putting courses with times of their own onto one axis.
import { csv } from '../../lib/download';

// A Course is what a series is over time: seconds, ascending. One of texts has no values; more tells that there are older ones.
export interface Course { times: number[]; values: number[]; low?: number[]; high?: number[]; texts?: string[]; more?: boolean }

type Column = (number | null | undefined)[];

export interface Aligned { times: number[]; columns: { values: Column; low?: Column; high?: Column; texts?: (string | undefined)[] }[] }

// gapAfter is the distance between two points from which on the line is not drawn between them: something was missing.
export function gapAfter(times: number[]): number {
  if (times.length < 3) return Infinity;
  const steps = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b);
  return Math.max(steps[Math.floor(steps.length * 0.5)] * 5, steps[Math.floor((steps.length - 1) * 0.9)] * 1.5);
}

// align has one column for each course. undefined stands where a course has no point of this time, and null where its
// line breaks off; uPlot draws on over the first and not over the second.
export function align(courses: Course[]): Aligned {
  const breaks = courses.map((c) => {
    if (c.texts) return [];
    const most = gapAfter(c.times);
    return c.times.flatMap((t, i) => (i > 0 && t - c.times[i - 1] > most ? [(t + c.times[i - 1]) / 2] : []));
  });
  const all = new Set<number>();
  courses.forEach((c, i) => { for (const t of c.times) all.add(t); for (const t of breaks[i]) all.add(t); });
  const times = Float64Array.from(all).sort();
  const place = new Map<number, number>();
  times.forEach((t, i) => place.set(t, i));
  const column = (c: Course, from: number[], gaps: number[]) => {
    const list = new Array<number | null | undefined>(times.length).fill(undefined);
    c.times.forEach((t, i) => { list[place.get(t)!] = from[i]; });
    for (const t of gaps) list[place.get(t)!] = null;
    return list;
  };
  const texts = (c: Course) => {
    const list = new Array<string | undefined>(times.length).fill(undefined);
    c.times.forEach((t, i) => { list[place.get(t)!] = c.texts![i]; });
    return list;
  };
  return {
    times: [...times],
    columns: courses.map((c, i) => ({ values: column(c, c.values, breaks[i]), ...(c.texts && { texts: texts(c) }), ...(c.low && c.high && { low: column(c, c.low, breaks[i]), high: column(c, c.high, breaks[i]) }) })),
  };
}

export interface Figures { last?: number; min?: number; max?: number; avg?: number; count: number }

export function figures(c: Course): Figures {
  if (c.values.length === 0) return { count: c.texts?.length ?? 0 };
  let min = Infinity;
  let max = -Infinity;
  let sum = 0;
  for (const v of c.values) { if (v < min) min = v; if (v > max) max = v; sum += v; }
  return { last: c.values.at(-1), min, max, avg: sum / c.values.length, count: c.values.length };
}

// toCSV has a line for each time and a column for each course.
export function toCSV(names: string[], a: Aligned): string {
  const rows = a.times.flatMap((t, i) => {
    const values = a.columns.map((c) => c.texts?.[i] ?? c.values[i]);
    return values.some((v) => typeof v === 'number' || typeof v === 'string') ? [[new Date(t * 1000).toISOString(), ...values]] : [];
  });
  return csv([['time', ...names], ...rows]);
}

// toNDJSON has a line for each point.
export function toNDJSON(names: string[], courses: Course[]): string {
  return courses.map((c, i) => c.times.map((t, n) => `${JSON.stringify({ series: names[i], time: new Date(t * 1000).toISOString(), value: c.texts?.[n] ?? c.values[n] })}\n`).join('')).join('');
}
