// Small marks that mean the same everywhere.
import { Tooltip } from '@mantine/core';
import { absolute, relative } from '../lib/format';
import { useNow } from '../lib/live';

// Ago is a time as people say it; the exact one is in its tooltip.
export function Ago({ time, empty = 'never' }: { time?: string | number | null; empty?: string }) {
  const now = useNow(15_000);
  if (!time) return <span style={{ color: 'var(--mantine-color-dimmed)' }}>{empty}</span>;
  return <Tooltip label={absolute(time)}><time dateTime={new Date(time).toISOString()}>{relative(time, now)}</time></Tooltip>;
}

export function Online({ connected, label = true }: { connected: boolean; label?: boolean }) {
  return (
    <span style={{ display: 'inline-flex', alignItems: 'center', gap: 8 }}>
      <span className={connected ? 'dot on' : 'dot'} role="img" aria-label={connected ? 'online' : 'offline'} />
      {label && (connected ? 'Online' : 'Offline')}
    </span>
  );
}

export const severities = ['emergency', 'alert', 'critical', 'error', 'warning', 'notice', 'informational', 'debug', 'lifecycle'] as const;
export type Severity = (typeof severities)[number];

const severityTones: Record<string, string> = { emergency: 'bad', alert: 'bad', critical: 'bad', error: 'bad', warning: 'warn', notice: 'note', lifecycle: 'life' };

// severityHue is the colour of a severity in charts, for light and dark grounds alike.
export const severityHue: Record<Severity, string> = {
  emergency: '#7f1d1d', alert: '#b91c1c', critical: '#dc2626', error: '#ef4444', warning: '#e09f1f', notice: '#4f7fe8', informational: '#8793a3', debug: '#b3bcc8', lifecycle: '#22988f',
};

export const SeverityMark = ({ severity }: { severity: string }) => <span className={`severity ${severityTones[severity] ?? ''}`}>{severity}</span>;
