// What comes over MQTT, kept where messages can come faster than the page is drawn.
import { useQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useReducer, useRef, useState } from 'react';
import { api, must } from '../../api/client';
import { useMQTT, type Connection, type Message } from '../../lib/mqtt';
import { TopicTree } from './tree';

const kept = 2000; // messages
const perTopic = 20_000; // topics whose last message is kept

export interface Subscription { filter: string; refused: string | null; pending: boolean }

export interface Feed {
  connection: Connection;
  subscriptions: Subscription[];
  tree: TopicTree;
  messages: Message[]; // the newest first
  last: ReadonlyMap<string, Message>; // by topic
  seen: number; // messages since the page was opened
  paused: boolean;
  pause: (on: boolean) => void;
  clear: () => void;
  version: number; // changes with what is to be drawn
  reload: () => void; // asks again what is retained
}

// useRetained reads which topics have a retained message.
const useRetained = () => useQuery({
  queryKey: ['mqtt', 'retained'],
  queryFn: async ({ signal }) => (await must(api.GET('/api/v1/messaging/retained', { params: { query: { pageSize: 1000, meta: false } }, signal }))).retained.results ?? [],
  refetchInterval: 15_000,
});

// useFeed subscribes to filters and collects what comes.
export function useFeed(filters: string[]): Feed {
  const tree = useRef(new TopicTree());
  const messages = useRef<Message[]>([]);
  const last = useRef(new Map<string, Message>());
  const seen = useRef(0);
  const dirty = useRef(false);
  const [paused, pause] = useState(false);
  const [version, draw] = useReducer((n: number) => n + 1, 0);

  const connection = useMQTT(true, (m) => {
    seen.current++;
    tree.current.add(m.topic, 1);
    if (last.current.size < perTopic || last.current.has(m.topic)) last.current.set(m.topic, m);
    messages.current.push(m);
    if (messages.current.length > kept * 2) messages.current.splice(0, kept);
    dirty.current = true;
  });
  useEffect(() => {
    if (paused) return;
    const timer = setInterval(() => { if (dirty.current) { dirty.current = false; draw(); } }, 250);
    return () => clearInterval(timer);
  }, [paused]);

  // What was there before the page: the busiest topics, and what is retained.
  useEffect(() => {
    const stop = new AbortController();
    must(api.GET('/api/v1/messaging/topics', { params: { query: { pageSize: 1000, sortBy: 'messages', sortOrder: 'desc' } }, signal: stop.signal }))
      .then(({ topics }) => { for (const t of topics.results ?? []) tree.current.add(t.topic, t.messages); draw(); }, () => {});
    return () => stop.abort();
  }, []);
  const retained = useRetained();
  useEffect(() => { if (retained.data) { tree.current.setRetained(retained.data.map((r) => r.topic)); draw(); } }, [retained.data]);

  const subscriptions = useSubscriptions(connection, filters);
  const clear = useCallback(() => { messages.current = []; last.current.clear(); seen.current = 0; draw(); }, []);
  const view = useRef<{ version: number; list: Message[] }>({ version: -1, list: [] });
  if (view.current.version !== version) view.current = { version, list: messages.current.slice(-kept).reverse() };
  return { connection, subscriptions, tree: tree.current, messages: view.current.list, last: last.current, seen: seen.current, paused, pause, clear, version, reload: () => void retained.refetch() };
}

// useSubscriptions keeps the connection subscribed to just these filters.
function useSubscriptions(connection: Connection, filters: string[]): Subscription[] {
  const [states, setStates] = useState<Record<string, string | null>>({}); // granted: null
  const held = useRef(new Set<string>());
  const key = filters.join('\n');
  useEffect(() => {
    const wanted = new Set(filters);
    for (const f of held.current) if (!wanted.has(f)) { connection.unsubscribe(f); held.current.delete(f); }
    for (const f of wanted) {
      if (held.current.has(f)) continue;
      held.current.add(f);
      void connection.subscribe(f, 1).then((refused) => setStates((old) => ({ ...old, [f]: refused })));
    }
    setStates((old) => Object.fromEntries(Object.entries(old).filter(([f]) => wanted.has(f))));
  }, [key]);
  return filters.map((filter) => ({ filter, refused: states[filter] ?? null, pending: !(filter in states) }));
}
