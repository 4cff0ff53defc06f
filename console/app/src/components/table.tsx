import { Checkbox, Skeleton } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { IconChevronDown, IconChevronUp } from '@tabler/icons-react';
import { useQueries, keepPreviousData } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useReducer, useRef, type ReactNode } from 'react';

export interface Column<T> {
  key: string;
  header: ReactNode;
  cell: (row: T) => ReactNode;
  width?: number; // px; columns without share what is left
  sort?: boolean; // the header sorts by key
  right?: boolean;
  wide?: boolean; // left out on narrow screens
}

export interface Sort { by: string; order: 'asc' | 'desc' }

// Rows are what a table shows: an array, or pages that a server has.
export interface Rows<T> {
  total: number;
  at: (index: number) => T | undefined; // undefined: not loaded yet
  see: (first: number, last: number) => void;
}

export const arrayRows = <T,>(rows: T[]): Rows<T> => ({ total: rows.length, at: (i) => rows[i], see: () => {} });

interface Props<T> {
  columns: Column<T>[];
  rows: Rows<T>;
  rowKey: (row: T) => string;
  label: string; // what the table holds, for screen readers
  sort?: Sort;
  onSort?: (sort: Sort) => void;
  selected?: ReadonlySet<string>;
  onSelect?: (selected: Set<string>) => void;
  onRow?: (row: T) => void;
  height?: number | string; // of the part that scrolls; otherwise all rows show
  rowHeight?: number;
  empty?: ReactNode;
  current?: string; // the key of the row that is shown elsewhere
}

// DataTable shows any number of rows and draws those in view.
export function DataTable<T>({ columns, rows, rowKey, label, sort, onSort, selected, onSelect, onRow, height, rowHeight = 41, empty, current }: Props<T>) {
  const scroll = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.total, getScrollElement: () => scroll.current, estimateSize: () => rowHeight, overscan: 12, enabled: height !== undefined });
  const items = height === undefined ? Array.from({ length: rows.total }, (_, index) => ({ index, start: index * rowHeight, end: (index + 1) * rowHeight })) : virtual.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? 0;
  rows.see(first, last);
  const before = height === undefined ? 0 : (items[0]?.start ?? 0);
  const after = height === undefined ? 0 : virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const loaded = items.map((i) => rows.at(i.index)).filter((r) => r !== undefined);
  const all = loaded.length > 0 && loaded.every((r) => selected?.has(rowKey(r)));
  const desk = useMediaQuery('(min-width: 62.01em)', true, { getInitialValueInEffect: false });
  const width = columns.reduce((sum, c) => sum + (c.wide && !desk ? 0 : c.width ?? 140), onSelect ? 40 : 0);
  const toggle = (keys: string[], on: boolean) => {
    const next = new Set(selected);
    for (const k of keys) if (on) next.add(k); else next.delete(k);
    onSelect?.(next);
  };
  if (rows.total === 0 && empty) return <>{empty}</>;
  return (
    <div ref={scroll} className="table-scroll" style={{ height, overflowAnchor: 'none' }} tabIndex={0} role="region" aria-label={label}>
      <table className="grid" style={{ minWidth: Math.min(width, 1200) }} aria-rowcount={rows.total}>
        <colgroup>
          {onSelect && <col style={{ width: 40 }} />}
          {columns.map((c) => <col key={c.key} className={c.wide ? 'only-wide' : undefined} style={{ width: c.width }} />)}
        </colgroup>
        <thead>
          <tr>
            {onSelect && <th scope="col"><Checkbox size="xs" aria-label="Select all rows in view" checked={all} onChange={(e) => toggle(loaded.map(rowKey), e.currentTarget.checked)} /></th>}
            {columns.map((c) => (
              <th key={c.key} scope="col" className={[c.right && 'right', c.wide && 'only-wide'].filter(Boolean).join(' ')}
                aria-sort={sort?.by === c.key ? (sort.order === 'asc' ? 'ascending' : 'descending') : undefined}>
                {c.sort && onSort ? (
                  <button type="button" className="sort" onClick={() => onSort({ by: c.key, order: sort?.by === c.key && sort.order === 'asc' ? 'desc' : 'asc' })}>
                    {c.header}
                    {sort?.by === c.key && (sort.order === 'asc' ? <IconChevronUp size={13} /> : <IconChevronDown size={13} />)}
                  </button>
                ) : c.header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {before > 0 && <tr className="gap" aria-hidden="true"><td style={{ height: before }} /></tr>}
          {items.map(({ index }) => {
            const row = rows.at(index);
            if (row === undefined) {
              return (
                <tr key={`loading ${index}`} aria-busy="true">
                  {onSelect && <td />}
                  {columns.map((c) => <td key={c.key} className={c.wide ? 'only-wide' : undefined}><Skeleton height={10} width="70%" radius="sm" /></td>)}
                </tr>
              );
            }
            const key = rowKey(row);
            return (
              <tr key={key} className={onRow ? 'link' : undefined} aria-selected={selected?.has(key) || current === key || undefined}
                onClick={onRow && ((e) => { if (!(e.target as Element).closest('a, button, input, label')) onRow(row); })}>
                {onSelect && <td><Checkbox size="xs" aria-label="Select row" checked={selected?.has(key) ?? false} onChange={(e) => toggle([key], e.currentTarget.checked)} /></td>}
                {columns.map((c) => <td key={c.key} className={[c.right && 'right', c.wide && 'only-wide'].filter(Boolean).join(' ')}>{c.cell(row)}</td>)}
              </tr>
            );
          })}
          {after > 0 && <tr className="gap" aria-hidden="true"><td style={{ height: after }} /></tr>}
        </tbody>
      </table>
    </div>
  );
}

export interface PageOf<T> { rows: T[]; total: number }

// useServerRows are the rows of a list on the server, fetched page by page as they come into view. key names the list with
// all its filters; fetchPage gets pages counted from 1.
export function useServerRows<T>(key: readonly unknown[], fetchPage: (page: number, pageSize: number, signal: AbortSignal) => Promise<PageOf<T>>, options: { pageSize?: number; refetch?: number } = {}) {
  const size = options.pageSize ?? 100;
  const seen = useRef<[number, number]>([0, 0]);
  const wanted = new Set([0]);
  for (let p = Math.floor(seen.current[0] / size); p <= Math.floor(seen.current[1] / size); p++) wanted.add(p);
  const [, draw] = useReducer((n: number) => n + 1, 0);
  const list = [...wanted].sort((a, b) => a - b);
  const pages = useQueries({
    queries: list.map((p) => ({
      queryKey: [...key, 'page', p, size],
      queryFn: ({ signal }: { signal: AbortSignal }) => fetchPage(p + 1, size, signal),
      placeholderData: p === 0 ? keepPreviousData : undefined,
      refetchInterval: options.refetch,
      staleTime: 10_000,
    })),
  });
  const head = pages[0];
  const rows: Rows<T> = {
    total: head.data?.total ?? 0,
    at: (i) => pages[list.indexOf(Math.floor(i / size))]?.data?.rows[i % size],
    see: (from, to) => {
      const old = seen.current;
      seen.current = [from, to];
      for (const p of [Math.floor(from / size), Math.floor(to / size)]) {
        if (!wanted.has(p) && (old[0] !== from || old[1] !== to)) queueMicrotask(draw);
      }
    },
  };
  return { rows, query: head };
}
