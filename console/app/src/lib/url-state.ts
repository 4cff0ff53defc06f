import { useCallback } from 'react';
import { useSearchParams } from 'react-router';

// useURLState keeps strings in the address, so that a view can be shared, reloaded and gone back to. What equals its
// default is left out. A change replaces the entry of the history.
export function useURLState<T extends Record<string, string>>(defaults: T): [T, (change: Partial<T>) => void] {
  const [params, setParams] = useSearchParams();
  const state = { ...defaults };
  for (const key in defaults) state[key] = (params.get(key) ?? defaults[key]) as T[typeof key];
  const set = useCallback((change: Partial<T>) => {
    setParams((old) => {
      const next = new URLSearchParams(old);
      for (const key in change) {
        const v = change[key];
        if (v === undefined || v === defaults[key]) next.delete(key);
        else next.set(key, v);
      }
      return next;
    }, { replace: true });
  }, [setParams]);
  return [state, set];
}
