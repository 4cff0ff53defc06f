import type { Schemas } from '../api/client';

const methods: Record<string, string> = {
  password: 'with the password', openid: 'through another provider', invitation: 'by invitation', setup: 'at the set-up', client: 'by an application',
};

// program names the browser and system that a User-Agent header claims, roughly.
export function program(agent: string): string {
  const browser = /(Edg|OPR|Firefox|Chrome|Safari)\//.exec(agent)?.[1];
  const system = /Windows|Android|iPhone|iPad|Mac OS X|CrOS|Linux/.exec(agent)?.[0];
  if (!browser) return agent.slice(0, 60) || 'Unknown program';
  return ({ Edg: 'Edge', OPR: 'Opera' }[browser] ?? browser) + (system ? ` on ${system}` : '');
}

export const sessionText = (s: Schemas['Session']) => [program(s.userAgent), methods[s.method]].filter(Boolean).join(', signed in ');
