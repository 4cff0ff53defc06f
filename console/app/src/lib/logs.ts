// Log entries: pages of a search, and those that come.
import { useInfiniteQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { api, must, type Schemas } from '../api/client';
import type { Rows } from '../components/table';
import { useEvents, type LiveState } from './live';

export type LogEntry = Schemas['ListedEntry'];

const pageSize = 100;

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

// useLogTail are the entries of a search that come while enabled, the newest first, at most most of them.
export function useLogTail(q: string, enabled: boolean, most = 500): { entries: LogEntry[]; state: LiveState; left: number; clear: () => void } {
  const [entries, setEntries] = useState<LogEntry[]>([]);
  const [left, setLeft] = useState(0); // entries that the server left out because they came too fast
  const waiting = useRef<LogEntry[]>([]);
  const url = enabled ? `/api/v1/logs/tail?${new URLSearchParams(q ? { q } : {})}` : null;
  useEffect(() => { waiting.current = []; setEntries([]); setLeft(0); }, [q]);
  const state = useEvents(url, ['entry', 'dropped'], (name, data) => {
    if (name === 'entry') waiting.current.push(JSON.parse(data) as LogEntry);
    else setLeft((n) => n + (Number((JSON.parse(data) as { count?: number }).count ?? data) || 0));
  });
  // Entries may come by the hundred a second: the page is drawn a few times a second.
  useEffect(() => {
    if (!enabled) return;
    const timer = setInterval(() => {
      if (waiting.current.length === 0) return;
      const come = waiting.current.splice(0).reverse();
      setEntries((old) => [...come, ...old].slice(0, most));
    }, 250);
    return () => clearInterval(timer);
  }, [enabled, most]);
  const clear = useCallback(() => { waiting.current = []; setEntries([]); setLeft(0); }, []);
  return { entries, state, left, clear };
}
