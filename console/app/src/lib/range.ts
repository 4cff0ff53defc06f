// Spans of time as the address of a page keeps them: from is how long ago ("6h") or milliseconds since 1970, to is empty
// for now or milliseconds.
import { absolute } from './format';

export interface Range { from: string; to: string }

export const presets = [
  ['15m', 'Last 15 minutes'], ['1h', 'Last hour'], ['6h', 'Last 6 hours'], ['24h', 'Last 24 hours'], ['3d', 'Last 3 days'],
  ['7d', 'Last 7 days'], ['30d', 'Last 30 days'], ['90d', 'Last 90 days'], ['365d', 'Last year'],
] as const;

const units: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

// ago is the length of "6h" in milliseconds, null for anything else.
export function ago(text: string): number | null {
  const m = /^(\d{1,6})([smhdw])$/.exec(text);
  return m ? Number(m[1]) * units[m[2]] : null;
}

// spanOf is the range in milliseconds; what cannot be read is the last day.
export function spanOf(range: Range, now: number): [from: number, to: number] {
  const ms = (text: string) => (/^\d{10,14}$/.test(text) ? Number(text) : null);
  const to = ms(range.to) ?? now;
  const back = ago(range.from);
  const from = back !== null ? now - back : ms(range.from) ?? now - units.d;
  return from < to ? [from, to] : [to - 60_000, to];
}

// rangeOf keeps a span that was chosen by hand.
export const rangeOf = (from: number, to: number): Range => ({ from: String(Math.floor(from)), to: String(Math.ceil(to)) });

export const isLive = (range: Range) => range.to === '' && ago(range.from) !== null;

export function nameOf(range: Range, now: number): string {
  const preset = presets.find(([from]) => from === range.from);
  if (preset && range.to === '') return preset[1];
  if (isLive(range)) return `Last ${range.from}`;
  const [from, to] = spanOf(range, now);
  const year = absolute(now).slice(0, 5);
  const short = (t: string) => (t.startsWith(year) ? t.slice(5) : t); // this year goes without saying
  const a = absolute(from).slice(0, 16);
  const b = absolute(to).slice(0, 16);
  return `${short(a)} – ${a.slice(0, 10) === b.slice(0, 10) ? b.slice(11) : short(b)}`;
}

// Widths of bars and of aggregates that people can read off an axis.
const steps = [1, 2, 5, 10, 15, 30].map((s) => s * 1000)
  .concat([1, 2, 5, 10, 15, 30].map((m) => m * units.m), [1, 2, 3, 6, 12].map((h) => h * units.h), [1, 2, 7, 14, 30].map((d) => d * units.d));

// stepFor is the shortest of them that cuts a span into at most so many parts.
export const stepFor = (span: number, parts: number): number => steps.find((s) => span / s <= parts) ?? steps.at(-1)!;

// durationText is a step as the API takes it.
export function durationText(ms: number): string {
  for (const [unit, size] of [['h', units.h], ['m', units.m], ['s', 1000]] as const) if (ms % size === 0) return `${ms / size}${unit}`;
  return `${ms}ms`;
}
