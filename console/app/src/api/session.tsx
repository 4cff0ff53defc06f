// Who is signed in, and the token for what cannot use the cookie (MQTT).
import { createContext, use, useEffect, useMemo, useState, type ReactNode } from 'react';
import { api, ApiError, must, send } from './client';

export interface Claims { id: string; userId: string; accountId: string; expires: number }

export interface Session extends Claims {
  accountUserId: string; // of the admin
  name: string; // what to call them: their name, else their e-mail address
  emailAddress: string;
}

// A token's payload tells account and user; it is read, not checked: that is the server's business.
export function claims(jwt: string): Claims {
  const bytes = Uint8Array.from(atob(jwt.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes)) as Claims;
}

// freshToken renews the session and returns a JWT, or null for somebody who is not signed in.
export async function freshToken(): Promise<string | null> {
  try {
    return (await send<{ jwt: string }>('POST', '/api/v1/sessions/renew-session', {})).jwt;
  } catch (e) {
    if (e instanceof ApiError && e.status === 401) return null;
    throw e;
  }
}

async function load(): Promise<Session | 'signed out' | 'no admin'> {
  const jwt = await freshToken();
  if (jwt === null) return 'signed out';
  const who = claims(jwt);
  const [users, profile] = await Promise.all([
    must(api.GET('/api/v1/account-users', { params: { query: { accountId: who.accountId, filters: { userId: who.userId } } } })).catch(() => null),
    must(api.GET('/api/v1/profile/{userId}', { params: { path: { userId: who.userId } } })).catch(() => null),
  ]);
  const admin = users?.accountUsers?.results?.[0];
  if (!admin) return 'no admin';
  const p = (profile ?? {}) as { firstName?: string; lastName?: string; emailAddress?: string };
  const emailAddress = p.emailAddress ?? '';
  return { ...who, accountUserId: admin.id, emailAddress, name: [p.firstName, p.lastName].filter(Boolean).join(' ') || admin.name || emailAddress };
}

const Context = createContext<Session | null>(null);

// useSession returns the signed-in admin; only below SessionProvider.
export function useSession(): Session {
  const session = use(Context);
  if (!session) throw new Error('useSession outside of SessionProvider');
  return session;
}

const here = () => location.pathname + location.search;
export const signInURL = () => `/sign-in?${new URLSearchParams({ next: here() })}`;

interface Props { children: ReactNode; loading: ReactNode; noAdmin: ReactNode; failed: (e: Error) => ReactNode }

// SessionProvider shows its children to a signed-in admin and sends everybody else to the sign-in page.
export function SessionProvider({ children, loading, noAdmin, failed }: Props) {
  const [state, setState] = useState<Awaited<ReturnType<typeof load>> | Error | null>(null);
  useEffect(() => { load().then(setState, setState); }, []);
  const value = useMemo(() => (typeof state === 'object' && state !== null && !(state instanceof Error) ? state : null), [state]);
  useEffect(() => { if (state === 'signed out') location.replace(signInURL()); }, [state]);
  if (state === null || state === 'signed out') return loading;
  if (state instanceof Error) return failed(state);
  if (!value) return noAdmin;
  return <Context value={value}>{children}</Context>;
}

// useToken returns a JWT that stays good while the component lives, null until there is one.
export function useToken(): string | null {
  const [token, setToken] = useState<string | null>(null);
  useEffect(() => {
    let over = false;
    const renew = () => freshToken().then((t) => { if (!over) setToken(t); }, () => {});
    renew();
    const timer = setInterval(renew, 10 * 60_000);
    return () => { over = true; clearInterval(timer); };
  }, []);
  return token;
}
