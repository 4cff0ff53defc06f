// How a query of the log goes on.
import { api, must } from '../../api/client';
import { severities } from '../../components/marks';
import type { Completion } from '../../components/query-input';
import type { LogEntry } from '../../lib/logs';
import { quoted } from '../../lib/query';

const fields: [string, string][] = [
  ['severity:', 'one severity'], ['severity>=', 'this severity or worse'], ['device:', 'name, serial number or id'], ['code:', 'of an entry'], ['tag:', 'of an entry'], ['message:', 'words in the message'],
  ['details:', 'words in the details'], ['type:', 'deviceId, userId, …'], ['organization:', 'id of a group'], ['template:', 'id of a device template'], ['custom.', 'a member of the entry’s own'], ['since:', 'such as 2h or 2026-11-23'],
];

const lastWord = (text: string) => /\S*$/.exec(text)![0];

// valuesOf are the values of a member in entries that are loaded, those that occur most first.
function valuesOf(entries: LogEntry[], values: (e: LogEntry) => (string | undefined)[]): [string, number][] {
  const sums = new Map<string, number>();
  for (const e of entries) for (const v of values(e)) if (v) sums.set(v, (sums.get(v) ?? 0) + 1);
  return [...sums].sort((a, b) => b[1] - a[1]);
}

async function devices(begin: string, accountId: string): Promise<Completion[]> {
  const q = begin === '' ? '' : `${quoted(begin)}${/\W$/.test(begin) ? '' : '*'}`;
  const { devices: found } = await must(api.GET('/api/v1/devices', { params: { query: { accountId, q: q || undefined, pageSize: 12, meta: false, sortBy: 'name' } } }));
  return (found.results ?? []).map((d) => ({ insert: quoted(d.serialNumber), label: d.name || d.serialNumber, note: d.name ? d.serialNumber : undefined }));
}

// completer completes from the language, from what is loaded, and from the directory.
export const completer = (entries: LogEntry[], accountId: string) => async (text: string): Promise<Completion[]> => {
  const word = lastWord(text);
  const m = /^(-?\(?)([\w.]+)(:|>=|<=|>|<)(.*)$/.exec(word);
  if (!m) {
    const [, before, begin] = /^(-?\(?)(.*)$/.exec(word)!;
    const list: Completion[] = fields.filter(([f]) => f.startsWith(begin.toLowerCase())).map(([f, note]) => ({ insert: before + f, label: f, note }));
    if (begin.startsWith('custom.')) {
      for (const [name] of valuesOf(entries, (e) => Object.keys(e.custom ?? {}))) if (`custom.${name}`.startsWith(begin)) list.push({ insert: `${before}custom.${name}:`, label: `custom.${name}:` });
    }
    return list;
  }
  const [, before, field, op, begin] = m;
  const start = begin.replace(/^"/, '').toLowerCase();
  const as = (c: Completion): Completion => ({ ...c, insert: `${before}${field}${op}${c.insert} ` });
  const of = (values: (e: LogEntry) => (string | undefined)[]) => valuesOf(entries, values).filter(([v]) => v.toLowerCase().startsWith(start)).slice(0, 30)
    .map(([v, n]) => as({ insert: quoted(v), label: v, note: `${n} of those loaded` }));
  switch (field) {
    case 'severity': return severities.filter((s) => s.startsWith(start)).map((s) => as({ insert: s, label: s }));
    case 'device': return (await devices(start, accountId)).map(as);
    case 'code': return of((e) => [e.code]);
    case 'tag': case 'tags': return of((e) => e.tags ?? []);
    case 'type': return of((e) => [e.sourceType]);
    case 'since': case 'until': return ['15m', '1h', '6h', '24h', '7d'].filter((t) => t.startsWith(start)).map((t) => as({ insert: t, label: t, note: 'ago' }));
    default:
      if (field.startsWith('custom.')) {
        const name = field.slice('custom.'.length);
        return of((e) => { const v = e.custom?.[name]; return [v === undefined || typeof v === 'object' ? undefined : String(v)]; });
      }
      return [];
  }
};
