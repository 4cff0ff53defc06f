// Changes of many devices: what is to be done is sent in batches, and what the server refused is kept with its reason.
import { api, must, toError, type Device } from '../../api/client';

export interface Target { id: string; name: string; serialNumber: string; tags: string[]; version: string; deviceTemplateId: string }

export const target = (d: Device): Target => ({ id: d.id, name: d.name || d.serialNumber, serialNumber: d.serialNumber, tags: d.tags, version: d.version, deviceTemplateId: d.deviceTemplateId });

export interface Request { method: 'PUT' | 'DELETE'; path: string; payload?: Record<string, unknown> }
export interface Failure { target: Target; reason: string }
export interface Progress { done: number; total: number; failures: Failure[]; over: boolean }

// Job says what happens to a device: a request, nothing, or why it cannot be.
export type Job = (t: Target) => Request | null | string;

const path = (t: Target) => `/api/v1/devices/${t.id}`;

export const moveTo = (organizationId: string | null): Job => (t) => ({ method: 'PUT', path: path(t), payload: { organizationId } });

// setField sets a field of all devices, or of those of some templates: the server passes over fields that a template does not have.
export const setField = (name: string, v: unknown, templates?: string[]): Job => (t) =>
  (templates && !templates.includes(t.deviceTemplateId) ? `Its template has no field ${name}.` : { method: 'PUT', path: path(t), payload: { [name]: v } });

export const remove: Job = (t) => ({ method: 'DELETE', path: path(t) });

// tag changes a list that somebody else may change at the same time: the etag has the server refuse what is stale.
export const tag = (add: string[], drop: string[]): Job => (t) => {
  const tags = [...t.tags.filter((x) => !drop.includes(x)), ...add.filter((x) => !t.tags.includes(x))];
  if (tags.join('\n') === t.tags.join('\n')) return null;
  return { method: 'PUT', path: path(t), payload: { tags, etag: t.version } };
};

const batchSize = 100;

// send asks for one batch and returns, for each request, why it was refused, or null.
export async function send(requests: Request[]): Promise<(string | null)[]> {
  const answers = await must(api.POST('/api/v1/batch', { body: { requests: requests.map((r) => ({ ...r, payload: r.payload as never })) } })) as unknown[];
  return requests.map((_, i) => refusal(answers[i]));
}

// refusal reads an answer in a batch: an error body has its statusCode.
export function refusal(answer: unknown): string | null {
  const a = (answer ?? {}) as { statusCode?: number; error?: unknown };
  if (typeof a.statusCode !== 'number' || a.statusCode < 400) return null;
  return toError(new Response(null, { status: a.statusCode }), a).message;
}

// run does the job for every device. It goes on after refusals, tells how far it is after each batch, and stops when asked to.
export async function run(targets: Target[], job: Job, tell: (p: Progress) => void, stop: AbortSignal, ask = send): Promise<Progress> {
  const p: Progress = { done: 0, total: targets.length, failures: [], over: false };
  for (let i = 0; i < targets.length && !stop.aborted; i += batchSize) {
    const part: { t: Target; r: Request }[] = [];
    for (const t of targets.slice(i, i + batchSize)) {
      const r = job(t);
      if (typeof r === 'string') p.failures.push({ target: t, reason: r });
      else if (r) part.push({ t, r });
    }
    if (part.length > 0) {
      const reasons = await ask(part.map((x) => x.r)).catch((e: unknown) => part.map(() => (e instanceof Error ? e.message : String(e))));
      reasons.forEach((reason, n) => { if (reason !== null) p.failures.push({ target: part[n].t, reason }); });
    }
    p.done = Math.min(i + batchSize, targets.length);
    tell({ ...p });
  }
  p.over = true;
  tell({ ...p });
  return p;
}

// collect reads all devices that a query finds, before anything is changed: what is changed may no longer be found.
export async function collect(q: string, tell: (n: number, total: number) => void, stop: AbortSignal): Promise<Target[]> {
  const all = new Map<string, Target>();
  for (let page = 1; !stop.aborted; page++) {
    const { devices } = await must(api.GET('/api/v1/devices', { params: { query: { q: q || undefined, page, pageSize: 1000, sortBy: 'id' } }, signal: stop }));
    for (const d of devices.results ?? []) all.set(d.id, target(d));
    tell(all.size, devices.meta?.count ?? 0);
    if (page * 1000 >= (devices.meta?.count ?? 0)) break;
  }
  return [...all.values()];
}
