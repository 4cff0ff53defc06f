import { Text } from '@mantine/core';
import { useMemo } from 'react';
import { DataTable, type Column } from '../../components/table';
import { absolute, duration, plural } from '../../lib/format';
import { seriesColors } from '../../theme';
import type { Course } from './align';
import type { Named } from './legend';
import './texts.css';

interface Stay { from: number; to: number; text: string } // seconds

// staysOf is how long each text held: until another one came, the last until the end. The same one again goes on.
export function staysOf(c: Course, end: number): Stay[] {
  const list: Stay[] = [];
  c.texts?.forEach((text, i) => {
    const last = list.at(-1);
    if (last?.text === text) return;
    if (last) last.to = c.times[i];
    list.push({ from: c.times[i], to: Math.max(c.times[i], end), text });
  });
  return list;
}

const mostStates = 8;
const mostLetters = 32;

// statesOf are the texts of a series that takes one of a few, by how long they held; null when they are words of many kinds.
export function statesOf(stays: Stay[]): string[] | null {
  const held = new Map<string, number>();
  for (const s of stays) held.set(s.text, (held.get(s.text) ?? 0) + s.to - s.from);
  const states = [...held].sort((a, b) => b[1] - a[1]).map(([text]) => text);
  return states.length <= mostStates && states.every((s) => s.length <= mostLetters) ? states : null;
}

// Texts shows a series of texts: a strip of its states over time, where it has some, and each text with its time.
export function Texts({ series: s, range: [from, to] }: { series: Named; range: [number, number] }) {
  const end = Math.min(to, Date.now() / 1000);
  const stays = useMemo(() => staysOf(s.course, end), [s.course, end]);
  const states = useMemo(() => statesOf(stays), [stays]);
  const color = (text: string) => seriesColors[(states?.indexOf(text) ?? 0) % seriesColors.length];
  const texts = s.course.texts ?? [];
  const columns: Column<number>[] = [
    { key: 'time', header: 'Time', width: 170, cell: (i) => <span className="num">{absolute(s.course.times[i] * 1000)}</span> },
    { key: 'text', header: 'Text', cell: (i) => <span title={texts[i]}>{states && <i className="text-state" style={{ background: color(texts[i]) }} />}{texts[i]}</span> },
    { key: 'next', header: 'Until the next', width: 110, right: true, wide: true, cell: (i) => (i + 1 < texts.length ? duration((s.course.times[i + 1] - s.course.times[i]) * 1000) : '') },
  ];
  return (
    <div className="texts">
      <div className="texts-head">
        <h2>{s.name}</h2>
        <Text size="xs" c="dimmed">{s.course.more ? `the newest ${plural(texts.length, 'text')} of this span` : plural(texts.length, 'text')} as they came: functions are for numbers{states && '. Each holds until the next'}</Text>
      </div>
      {states && (
        <>
          <div className="texts-strip" role="img" aria-label={`States over time: ${states.join(', ')}`}>
            {stays.map((p) => <span key={p.from} title={`${p.text}\n${absolute(p.from * 1000)}, ${duration((p.to - p.from) * 1000)}`} style={{ left: `${((p.from - from) / (to - from)) * 100}%`, width: `${((p.to - p.from) / (to - from)) * 100}%`, background: color(p.text) }} />)}
          </div>
          <div className="texts-ends num"><span>{absolute(from * 1000)}</span><span>{absolute(to * 1000)}</span></div>
          <div className="legend">{states.map((t) => <span key={t}><i style={{ background: color(t) }} />{t}</span>)}</div>
        </>
      )}
      <div className="texts-table"><DataTable label={`Texts of ${s.name}`} columns={columns} rows={{ total: texts.length, at: (n) => texts.length - 1 - n, see: () => {} }} rowKey={String} height={Math.min(286, 40 + texts.length * 41)} /></div>
    </div>
  );
}
