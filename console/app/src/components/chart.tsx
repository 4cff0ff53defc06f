import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { absolute, compact, value } from '../lib/format';
import { seriesColors } from '../theme';

export interface Line {
  label: string;
  values: (number | null | undefined)[]; // as many as there are times
  color?: string;
  unit?: string;
  fill?: boolean;
  bars?: boolean;
  low?: (number | null | undefined)[]; // a band around the line
  high?: (number | null | undefined)[];
}

interface Props {
  label: string; // what the chart shows, for screen readers
  times: number[]; // seconds since 1970, ascending
  lines: Line[];
  height?: number;
  range?: [number, number]; // seconds; otherwise that of times
  onZoom?: (from: number, to: number) => void; // seconds; dragging chooses, a double click goes back by onReset
  onReset?: () => void;
  sync?: string; // charts of one name share the cursor
  axes?: boolean;
  zero?: boolean; // the scale starts at 0
  stacked?: boolean; // values are already summed from the last line to the first
}

// How times are written along the axis: year, month and day where they change. The columns are uPlot's.
const day = '\n{MMM} {D}';
const time = (format: string) => [format, `${day}, {YYYY}`, null, day, null, null, null, 1];
const timeFormats = [
  [3600 * 24 * 365, '{YYYY}', null, null, null, null, null, null, 1],
  [3600 * 24 * 28, '{MMM}', '\n{YYYY}', null, null, null, null, null, 1],
  [3600 * 24, '{MMM} {D}', '\n{YYYY}', null, null, null, null, null, 1],
  [60, ...time('{HH}:{mm}')],
  [1, ...time('{HH}:{mm}:{ss}')],
  [0.001, ...time(':{ss}.{fff}')],
] as uPlot.Axis.Values;

// tick writes a number of the axis so that neighbours, step apart, differ.
export function tick(n: number, step: number): string {
  const digits = step < 1e-6 ? 8 : (String(Number(step.toPrecision(4))).split('.')[1] ?? '').length;
  return digits === 0 || Math.abs(n) >= 10_000 ? compact(n) : n.toFixed(digits);
}

// Chart draws lines over time on a canvas; a hundred thousand points are no trouble to it.
export function Chart({ label, times, lines, height = 220, range, onZoom, onReset, sync, axes = true, zero, stacked }: Props) {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const watch = new ResizeObserver(([e]) => setWidth(Math.floor(e.contentRect.width)));
    watch.observe(ref.current!);
    return () => watch.disconnect();
  }, []);
  const scheme = useComputedColorScheme('light');
  const plot = useRef<uPlot | null>(null);
  const tip = useRef<HTMLDivElement>(null);
  const zoom = useRef(onZoom);
  const reset = useRef(onReset);
  useEffect(() => { zoom.current = onZoom; reset.current = onReset; });
  const shape = JSON.stringify(lines.map((l) => [l.label, l.color, l.unit, l.fill, l.bars, !!l.low]));
  const ready = width > 0;
  const data = useRef<uPlot.AlignedData>([[]]);
  data.current = [times, ...lines.flatMap((l) => (l.low && l.high ? [l.values, l.high, l.low] : [l.values]))] as uPlot.AlignedData;
  const from = range?.[0];
  const to = range?.[1];
  const limits = useRef<[number, number] | undefined>(range);
  limits.current = range;

  useEffect(() => {
    const holder = ref.current;
    if (!holder || !ready) return;
    const css = getComputedStyle(document.documentElement);
    const of = (name: string) => css.getPropertyValue(name).trim();
    const text = of('--mantine-color-dimmed');
    const grid = of('--x-line');
    const font = `11px ${css.getPropertyValue('--mantine-font-family') || 'sans-serif'}`;
    const series: uPlot.Series[] = [{}];
    const bands: uPlot.Band[] = [];
    lines.forEach((l, i) => {
      const color = l.color ?? seriesColors[i % seriesColors.length];
      series.push({
        label: l.label, stroke: color, width: l.bars ? 0 : 1.6, points: { show: times.length < 2 || undefined, size: 4 }, spanGaps: false,
        fill: l.bars ? color : l.fill ? `${color}22` : undefined,
        paths: l.bars ? uPlot.paths.bars!({ size: [0.86, 60], align: 1 }) : undefined,
      });
      if (l.low && l.high) {
        series.push({ stroke: 'transparent', points: { show: false } }, { stroke: 'transparent', points: { show: false } });
        bands.push({ series: [series.length - 2, series.length - 1], fill: `${color}20` });
      }
    });
    const u = new uPlot({
      width: holder.clientWidth, height,
      padding: axes ? [8, 8, 0, 0] : [2, 0, 2, 0],
      legend: { show: false },
      cursor: {
        show: axes, y: false, points: { size: 7 }, drag: { x: !!onZoom, y: false, setScale: false },
        sync: sync ? { key: sync } : undefined,
        bind: { dblclick: () => () => { reset.current?.(); return null; } },
      },
      select: { show: !!onZoom } as uPlot.Select,
      scales: { x: { time: true, range: (_, min, max) => limits.current ?? (min === max ? [min - 60, max + 60] : [min, max]) }, y: zero ? { range: (_, __, max) => [0, max > 0 ? max * 1.08 : 1] } : {} },
      axes: axes ? [
        { stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 4 }, space: 70, values: timeFormats },
        { stroke: text, font, grid: { stroke: grid, width: 1 }, ticks: { show: false }, size: 52, values: (_, v, __, ___, step) => v.map((n) => tick(n, step)) },
      ] : [{ show: false }, { show: false }],
      series, bands,
      hooks: {
        setCursor: [(self) => showTip(self)],
        setSelect: [(self) => {
          if (self.select.width < 4) return;
          zoom.current?.(self.posToVal(self.select.left, 'x'), self.posToVal(self.select.left + self.select.width, 'x'));
          self.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        }],
      },
    }, data.current, holder);
    plot.current = u;

    function showTip(self: uPlot) {
      const box = tip.current;
      if (!box) return;
      const i = self.cursor.idx;
      if (i === null || i === undefined || !axes || (self.cursor.left ?? -1) < 0) { box.style.display = 'none'; return; }
      // Written through textContent: labels come from devices.
      box.replaceChildren();
      const head = document.createElement('div');
      head.className = 'chart-tip-time';
      head.textContent = absolute((self.data[0][i]) * 1000);
      box.append(head);
      let column = 1;
      lines.forEach((l, n) => {
        let v = stacked ? (self.data[column][i] as number | null | undefined) : near(self, column, i);
        if (stacked && n + 1 < lines.length && typeof v === 'number') v -= (self.data[column + 1][i] as number) ?? 0;
        column += l.low && l.high ? 3 : 1;
        if (v === null || v === undefined || (stacked && v === 0)) return;
        const row = document.createElement('div');
        row.className = 'chart-tip-row';
        const mark = document.createElement('i');
        mark.style.background = l.color ?? seriesColors[n % seriesColors.length];
        const name = document.createElement('span');
        name.textContent = l.label;
        const shown = document.createElement('b');
        shown.textContent = value(v) + (l.unit ? ` ${l.unit}` : '');
        row.append(mark, name, shown);
        box.append(row);
      });
      if (box.childElementCount === 1) { box.style.display = 'none'; return; }
      box.style.display = 'block';
      const left = self.cursor.left! + self.over.offsetLeft;
      const flip = left > self.width / 2;
      box.style.transform = `translate(${flip ? left - box.offsetWidth - 12 : left + 12}px, 8px)`;
    }

    // Lines with times of their own have no value at most places of the axis: the next point beside the cursor is told.
    function near(self: uPlot, column: number, i: number): number | null | undefined {
      const values = self.data[column] as (number | null | undefined)[];
      const [xs, at] = [self.data[0], self.valToPos(self.data[0][i], 'x')];
      for (let d = 0; d < values.length; d++) {
        let close = false;
        for (const n of [i - d, i + d]) {
          if (n < 0 || n >= values.length || Math.abs(self.valToPos(xs[n], 'x') - at) > 16) continue;
          if (values[n] !== undefined) return values[n];
          close = true;
        }
        if (!close) return undefined;
      }
      return undefined;
    }

    return () => { u.destroy(); plot.current = null; };
    // The lines' values come through data; what is listed here needs another plot.
  }, [ready, shape, scheme, height, axes, zero, stacked, sync, !!onZoom]);

  useEffect(() => { plot.current?.setData(data.current); }, [times, lines, from, to]);
  useEffect(() => { if (width > 0) plot.current?.setSize({ width, height }); }, [width, height]);

  return (
    <div className="chart" role="img" aria-label={label}>
      <div ref={ref} style={{ height }} />
      <div ref={tip} className="chart-tip" aria-hidden="true" />
    </div>
  );
}

// Spark is the shape of something over time, without axes.
export function Spark({ label, values, color = seriesColors[0], height = 36 }: { label: string; values: number[]; color?: string; height?: number }) {
  if (values.length < 2) return <div style={{ height }} />;
  const max = Math.max(...values, 1e-9);
  const points = values.map((v, i) => `${((i / (values.length - 1)) * 100).toFixed(2)},${(30 - (Math.max(v, 0) / max) * 27).toFixed(2)}`);
  return (
    <svg viewBox="0 0 100 32" preserveAspectRatio="none" height={height} width="100%" role="img" aria-label={label} style={{ display: 'block' }}>
      <polygon points={`0,32 ${points.join(' ')} 100,32`} fill={color} opacity={0.13} />
      <polyline points={points.join(' ')} fill="none" stroke={color} strokeWidth={1.6} vectorEffect="non-scaling-stroke" strokeLinejoin="round" />
    </svg>
  );
}

// Legend names the lines of a chart.
export function Legend({ lines }: { lines: Pick<Line, 'label' | 'color'>[] }) {
  return (
    <div className="legend">
      {lines.map((l, i) => <span key={l.label + i}><i style={{ background: l.color ?? seriesColors[i % seriesColors.length] }} />{l.label}</span>)}
    </div>
  );
}
