import { useEffect, useRef, useState } from 'react';

export type LiveState = 'connecting' | 'live' | 'broken';

// useEvents follows a stream of server-sent events while url is not null. on gets the name and the data of each; the browser
// comes back by itself after a break, with Last-Event-ID.
export function useEvents(url: string | null, names: string[], on: (name: string, data: string) => void): LiveState {
  const [state, setState] = useState<LiveState>('connecting');
  const handler = useRef(on);
  useEffect(() => { handler.current = on; });
  const list = names.join(',');
  useEffect(() => {
    if (url === null) return;
    setState('connecting');
    const source = new EventSource(url);
    source.onopen = () => setState('live');
    source.onerror = () => setState(source.readyState === EventSource.CLOSED ? 'broken' : 'connecting');
    for (const name of list.split(',')) {
      source.addEventListener(name, (e) => handler.current(name, (e as MessageEvent<string>).data));
    }
    return () => source.close();
  }, [url, list]);
  return state;
}

// useNow is the time, renewed every step milliseconds.
export function useNow(step: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), step);
    return () => clearInterval(timer);
  }, [step]);
  return now;
}
