import { api, must } from '../api/client';
import type { Completion } from '../components/query-input';
import { charAt } from './query';

// completeDirectory completes the language in which a noun of the directory is searched. The server counts in bytes.
export const completeDirectory = (kind: 'device' | 'endUser' | 'organization') => async (text: string, signal: AbortSignal): Promise<Completion[]> => {
  const cursor = new TextEncoder().encode(text).length;
  const { suggestions } = await must(api.GET('/api/v1/search/suggest', { params: { query: { q: text, kind, cursor } }, signal }));
  return suggestions.results.map((s) => ({ insert: s.text, label: s.text, from: charAt(text, s.from), note: s.text.endsWith(':') ? undefined : String(s.count) }));
};
