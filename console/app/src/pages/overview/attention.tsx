import { Text } from '@mantine/core';
import { IconCircleCheck } from '@tabler/icons-react';
import { Link } from 'react-router';
import type { Schemas } from '../../api/client';
import { Ago, SeverityMark } from '../../components/marks';
import { count } from '../../lib/format';

type Attention = Schemas['Attention'];

const pages: Record<string, string> = { certificate: '/settings/tls', disk: '/settings/backups', mail: '/settings/mail', backup: '/settings/backups', dropped: '/settings/limits' };

// where an entry leads: to the device it is about, or to the page where one can do something about it.
function where(a: Attention): string {
  if (a.code !== 'log') return pages[a.code] ?? '/logs';
  return a.sourceType === 'deviceId' && a.sources === 1 ? `/devices/${a.sourceId}/diagnose` : `/logs?q=${encodeURIComponent(`severity>=error ${JSON.stringify(a.text)}`)}`;
}

export function AttentionList({ attention }: { attention: Attention[] }) {
  if (attention.length === 0) {
    return <div className="all-well"><IconCircleCheck size={20} /><Text size="sm">Nothing. No errors in the last 24 hours, no certificate that ends soon, nothing dropped.</Text></div>;
  }
  return (
    <ul className="attention">
      {attention.slice(0, 8).map((a) => (
        <li key={`${a.code} ${a.text}`}>
          <SeverityMark severity={a.severity} />
          <div>
            <Link to={where(a)} className="row-link break">{a.text}</Link>
            <Text size="xs" c="dimmed">
              {a.count !== undefined && <>{count(a.count)} times{a.sources !== undefined && a.sources > 1 && `, from ${count(a.sources)} devices`} · </>}
              {a.newest && <>last <Ago time={a.newest} /></>}
            </Text>
          </div>
        </li>
      ))}
    </ul>
  );
}
