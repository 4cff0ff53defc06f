// Log entries as people read and ask for them, and counts of them over time.
import type { Schemas } from '../api/client';
import { severities, type Severity } from '../components/marks';
import type { LogEntry } from './logs';
import { quoted, tokens } from './query';

export type Bucket = Schemas['LogBucket'];

export const isDevice = (e: Pick<LogEntry, 'sourceType'>) => e.sourceType === 'deviceId';

// What people call the source of an entry, by its type.
const sourceTypes: Record<string, string> = { deviceId: 'device', endUserId: 'end user', accountUserId: 'admin', userId: 'user', applicationId: 'application', address: 'address' };
export const sourceKind = (type: string) => sourceTypes[type] ?? type.replace(/Id$/, '');

export interface Fact { label: string; value: string; member?: string } // member: what a query calls it

const plain = (v: unknown): string => (typeof v === 'string' ? v : JSON.stringify(v));

// factsOf are all members of an entry but its message and severity, those that have a value.
export function factsOf(e: LogEntry): Fact[] {
  const facts: Fact[] = [{ label: 'Source', value: e.sourceId, member: 'source' }, { label: 'Source type', value: e.sourceType, member: 'type' }];
  if (e.code) facts.push({ label: 'Code', value: e.code, member: 'code' });
  for (const tag of e.tags ?? []) facts.push({ label: 'Tag', value: tag, member: 'tag' });
  if (e.details) facts.push({ label: 'Details', value: e.details });
  if (e.organizationId) facts.push({ label: 'Group', value: e.organizationId, member: 'organization' });
  if (e.deviceTemplateId) facts.push({ label: 'Template', value: e.deviceTemplateId, member: 'template' });
  for (const [name, v] of Object.entries(e.custom ?? {})) {
    const scalar = ['string', 'number', 'boolean'].includes(typeof v) && v !== '' && /^[\w.-]+$/.test(name);
    facts.push({ label: name, value: plain(v), member: scalar ? `custom.${name}` : undefined });
  }
  return facts;
}

// term is what a query has to have, or not to have, for entries with this value.
export const term = (member: string, value: string, out = false) => `${out ? '-' : ''}${member}:${quoted(value)}`;

// withTerm adds a term to a query; its opposite goes.
export function withTerm(q: string, next: string): string {
  const opposite = next.startsWith('-') ? next.slice(1) : `-${next}`;
  const now = tokens(q);
  if (now.includes(next)) return q;
  const rest = now.filter((t) => t !== opposite);
  const kept = rest.includes('OR') ? [`(${rest.join(' ')})`] : rest;
  return [...kept, next].join(' ');
}

// withSeverities narrows a query to some severities; none of them means all.
export function withSeverities(q: string, chosen: readonly string[]): string {
  if (chosen.length === 0 || chosen.length === severities.length) return q;
  const terms = chosen.map((s) => `severity:${s}`);
  const one = terms.length > 1 ? `(${terms.join(' OR ')})` : terms[0];
  return q.trim() === '' ? one : `${tokens(q).includes('OR') ? `(${q.trim()})` : q.trim()} ${one}`;
}

// fill puts the buckets that the server left out, as nothing is in them, into their places between from and to.
export function fill(buckets: Bucket[], interval: number, from: number, to: number): Bucket[] {
  const known = new Map(buckets.map((b) => [b.time, b]));
  const all: Bucket[] = [];
  for (let t = Math.floor(from / interval) * interval; t < to && all.length < 2000; t += interval) all.push(known.get(t) ?? { time: t, count: 0, severities: {} });
  return all;
}

export interface Stack { severity: Severity; values: number[] }

// stack has one layer for each severity that occurs, the mildest first. Each layer is summed with those after it, so that the
// worst stands on the ground.
export function stack(buckets: Bucket[], shown: (s: Severity) => boolean): Stack[] {
  const present = severities.filter((s) => shown(s) && buckets.some((b) => (b.severities[s] ?? 0) > 0));
  let below = buckets.map(() => 0);
  const layers = present.map((severity) => {
    below = buckets.map((b, i) => below[i] + (b.severities[severity] ?? 0));
    return { severity, values: below };
  });
  return layers.reverse();
}

export function countBySeverity(buckets: Bucket[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const b of buckets) for (const [s, n] of Object.entries(b.severities)) sum[s] = (sum[s] ?? 0) + (n ?? 0);
  return sum;
}

// whyPath is the page that explains a refusal, for an entry that tells of one; null for others. A refused sign-in of a
// device is a matter for its diagnosis.
export function whyPath(e: LogEntry): string | null {
  if (!e.tags?.includes('refused')) return null;
  const of = (name: string) => (typeof e.custom?.[name] === 'string' ? e.custom[name] as string : '');
  const action = of('action');
  const object = of('topic') || of('object');
  if (action && object && action !== 'connect') return `/access?${new URLSearchParams({ principal: e.sourceId, action, object })}`;
  return isDevice(e) ? `/devices/${e.sourceId}/diagnose` : null;
}
