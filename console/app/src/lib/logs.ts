// Log entries: pages of a search, and those that come.
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { api, must, type Schemas } from '../api/client';
import type { Rows } from '../components/table';
import { useEvents, type LiveState } from './live';

export type LogEntry = Schemas['ListedEntry'];

const pageSize = 200;

export interface LogSearch { q: string; from?: string; to?: string }

// useLogs are the entries that a search finds, the newest first, read on as a table shows them.
export function useLogs({ q, from, to }: LogSearch, enabled = true) {
  const query = useInfiniteQuery({
    queryKey: ['logs', q, from, to],
    enabled,
    initialPageParam: '',
    queryFn: async ({ pageParam, signal }) => (await must(api.GET('/api/v1/logs', {
      params: { query: { q: q || undefined, from: from || undefined, to: to || undefined, size: pageSize, cursor: pageParam || undefined } }, signal,
    }))).logs,
    getNextPageParam: (last) => last.meta.cursor,
    placeholderData: keepPreviousData,
    refetchOnWindowFocus: false,
  });
  const list = query.data?.pages.flatMap((p) => p.results) ?? [];
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const rows: Rows<LogEntry> = {
    total: list.length + (hasNextPage ? 1 : 0),
    at: (i) => list[i],
    see: (_, last) => { if (last >= list.length - 10 && hasNextPage && !isFetchingNextPage) queueMicrotask(() => void fetchNextPage()); },
  };
  return { rows, query, count: query.data?.pages[0]?.meta.count ?? 0 };
}

export interface Tail {
  entries: LogEntry[]; // the newest first
  state: LiveState;
  left: number; // entries that are not among them because they came too fast
  paused: boolean;
  waiting: number; // entries that came during a pause
  pause: (on: boolean) => void;
  clear: () => void;
}

// useLogTail are the entries of a search that come while enabled, from the one with the id after on; at most most of them.
export function useLogTail(q: string, enabled: boolean, most = 500, after = ''): Tail {
  const [entries, setEntries] = useState<LogEntry[]>([]);
  const [left, setLeft] = useState(0);
  const [paused, pause] = useState(false);
  const [waiting, setWaiting] = useState(0);
  const buffer = useRef<LogEntry[]>([]); // in the order in which they came
  const url = enabled ? `/api/v1/logs/tail?${new URLSearchParams({ ...(q && { q }), ...(after && { lastEventId: after }) })}` : null;
  const clear = useCallback(() => { buffer.current = []; setEntries([]); setLeft(0); setWaiting(0); }, []);
  useEffect(() => { clear(); pause(false); }, [url, clear]);
  const state = useEvents(url, ['entry', 'dropped'], (name, data) => {
    if (name === 'entry') buffer.current.push(JSON.parse(data) as LogEntry);
    else setLeft((n) => n + (JSON.parse(data) as { dropped: number }).dropped);
    if (buffer.current.length > most) { buffer.current.shift(); setLeft((n) => n + 1); }
  });
  // Entries may come by the hundred a second: the page is drawn a few times a second.
  useEffect(() => {
    if (!enabled) return;
    const timer = setInterval(() => {
      if (paused) { setWaiting(buffer.current.length); return; }
      setWaiting(0);
      if (buffer.current.length === 0) return;
      const come = buffer.current.splice(0).reverse();
      setEntries((old) => [...come, ...old].slice(0, most));
    }, 250);
    return () => clearInterval(timer);
  }, [enabled, most, paused]);
  return { entries, state, left, paused, waiting, pause, clear };
}
