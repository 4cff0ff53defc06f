// The REST API, as every script uses it. The session is the HttpOnly cookie, which no page sees.
import createClient from 'openapi-fetch';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];
export type Device = Schemas['Device'];
export type Organization = Schemas['Organization'];

// The members of filters are parameters of their own: ?organizationId=…
export const api = createClient<paths>({ querySerializer: { object: { style: 'form', explode: true } } });

// An ApiError is the server's refusal: its message for people, its status, and the field it is about.
export class ApiError extends Error {
  constructor(readonly status: number, message: string, readonly field?: string, readonly requestId?: string, readonly retryAfter?: number) {
    super(message);
  }
}

interface Refusal {
  message?: string;
  details?: { message?: string; field?: string }[];
  error?: string | { message?: string; details?: { message?: string; field?: string }[] };
}

export function toError(response: Response, body: unknown): ApiError {
  const said = (typeof body === 'object' && body !== null ? body : {}) as Refusal;
  const inner = typeof said.error === 'object' ? said.error : undefined;
  const detail = (inner?.details ?? said.details)?.[0];
  const message = detail?.message || inner?.message || said.message || `The server answered ${response.status}.`;
  return new ApiError(response.status, message, detail?.field, response.headers.get('X-Request-Id') ?? undefined,
    Number(response.headers.get('Retry-After')) || undefined);
}

// must takes the answer of an api call and returns its data, or throws an ApiError.
export async function must<T>(call: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await call.catch((e: unknown) => {
    if (e instanceof DOMException && e.name === 'AbortError') throw e;
    throw new ApiError(0, 'The server does not answer. Is it running, and is the network up?');
  });
  if (!response.ok) throw toError(response, error);
  return data as T;
}

// send is for what the description of the API does not fit: uploads, downloads, paths put together.
export async function send<T = unknown>(method: string, path: string, body?: unknown, init: RequestInit = {}): Promise<T> {
  const raw = body instanceof Blob || body instanceof ArrayBuffer || ArrayBuffer.isView(body) || typeof body === 'string';
  const response = await fetch(path, {
    method,
    headers: body === undefined || raw ? {} : { 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : raw ? (body as BodyInit) : JSON.stringify(body),
    ...init,
  });
  const text = await response.text();
  let data: unknown = text;
  try { data = text === '' ? undefined : JSON.parse(text); } catch { /* an answer in another form */ }
  if (!response.ok) throw toError(response, data);
  return data as T;
}

// topicPath puts a topic into a path: its slashes stay, all else is encoded.
export const topicPath = (topic: string) => topic.split('/').map(encodeURIComponent).join('/');
