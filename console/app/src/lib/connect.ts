// How devices reach this server: from what it tells of itself, and from where this page was loaded.
import { useQuery } from '@tanstack/react-query';
import { useSettings, type ServerSettings } from '../shell/shell';

export interface Reach { host: string; port: number; origin: string; caPem: string | null; local: boolean } // local: only this machine has this address

const loopback = (hostname: string) => hostname === 'localhost' || hostname.startsWith('127.') || hostname === '[::1]' || hostname === '::1';

// reachOf prefers the public address of the configuration. Where that is none but this machine, what works for this browser
// works for a device beside it.
export function reachOf(s: Pick<ServerSettings, 'publicUrl' | 'mqttsPort' | 'tlsPort'>, page: { origin: string; hostname: string }): Omit<Reach, 'caPem'> {
  const url = s.publicUrl && URL.canParse(s.publicUrl) ? new URL(s.publicUrl) : null;
  const known = url && !loopback(url.hostname) ? url : null;
  const hostname = known?.hostname ?? page.hostname;
  return { local: loopback(hostname), host: hostname.replace(/^\[|\]$/g, ''), port: s.mqttsPort || s.tlsPort || 8883, origin: known?.origin ?? page.origin };
}

// useReach also reads the authority's certificate, where there is one to trust.
export function useReach(): Reach | undefined {
  const settings = useSettings().data;
  const ca = useQuery({
    queryKey: ['ca.pem'],
    enabled: settings?.authority === true,
    staleTime: Infinity,
    queryFn: async () => { const r = await fetch('/ca.pem'); if (!r.ok) throw new Error(`The authority's certificate is not to be had: ${r.status}.`); return r.text(); },
  });
  if (!settings || (settings.authority && ca.isPending)) return undefined;
  return { ...reachOf(settings, location), caPem: settings.authority ? ca.data ?? null : null };
}
