import { Select } from '@mantine/core';
import { IconArchive, IconBuilding, IconCertificate, IconGauge, IconHistory, IconHourglass, IconKey, IconLock, IconMail } from '@tabler/icons-react';
import type { ComponentType } from 'react';
import { NavLink, useNavigate, useParams } from 'react-router';
import { curl, type Hint } from '../../components/hints';
import { Page } from '../../components/page';
import { Account } from './account';
import { ApiKeys } from './api-keys';
import { Audit } from './audit';
import { Backups } from './backups';
import { Limits } from './limits';
import { Mail } from './mail';
import { Retention } from './retention';
import { Security } from './security';
import { Tls } from './tls';

interface Section { tab: string; label: string; icon: ComponentType<{ size?: number; stroke?: number }>; body: ComponentType; hints: Hint[] }

const sections: Section[] = [
  { tab: 'security', label: 'Sign-in and security', icon: IconLock, body: Security, hints: [{ title: 'Your sign-ins', command: `${curl('GET', '/api/v1/sessions')}\nxively sessions list` }] },
  { tab: 'api-keys', label: 'API keys', icon: IconKey, body: ApiKeys, hints: [{ title: 'A new key', command: `${curl('POST', '/api/v1/api-keys', { name: 'ci', scopes: ['read'] })}\nxively api-keys create --name ci --scope read` }] },
  { tab: 'account', label: 'Account', icon: IconBuilding, body: Account, hints: [{ title: 'The account', command: curl('GET', '/api/v1/accounts') }] },
  { tab: 'audit', label: 'Audit trail', icon: IconHistory, body: Audit, hints: [{ title: 'What was changed', command: `${curl('GET', '/api/v1/audit?pageSize=100')}\nxively audit list` }] },
  { tab: 'retention', label: 'Retention', icon: IconHourglass, body: Retention, hints: [{ title: 'How long points are kept', command: `${curl('GET', '/api/v4/retention')}\n${curl('PUT', '/api/v4/retention', { keepPoints: '2y' })}` }] },
  { tab: 'limits', label: 'Limits', icon: IconGauge, body: Limits, hints: [{ title: 'Limits and what is used of them', command: `${curl('GET', '/api/v1/limits')}\nxively limits` }] },
  { tab: 'backups', label: 'Backups', icon: IconArchive, body: Backups, hints: [{ title: 'A backup now', command: `${curl('POST', '/api/v1/backups?wait=true')}\nxively backup` }, { title: 'Restore one, into a new folder', command: 'xively restore BACKUP --data DIR' }] },
  { tab: 'mail', label: 'Mail', icon: IconMail, body: Mail, hints: [{ title: 'A test mail', command: curl('POST', '/api/v1/server/mail/test', { to: 'ann@example.com' }) }] },
  { tab: 'tls', label: 'Certificate', icon: IconCertificate, body: Tls, hints: [{ title: 'The certificate', command: curl('GET', '/api/v1/server/certificate') }] },
];

export default function SettingsPage() {
  const { tab = 'security' } = useParams();
  const navigate = useNavigate();
  const section = sections.find((s) => s.tab === tab) ?? sections[0];
  const Body = section.body;
  return (
    <Page title="Settings" hints={section.hints}>
      <div className="settings">
        <nav aria-label="Settings" className="only-wide">
          {sections.map(({ tab: t, label, icon: Icon }) => (
            <NavLink key={t} to={`/settings/${t}`} className={t === section.tab ? 'nav-link active' : 'nav-link'}><Icon size={18} stroke={1.7} />{label}</NavLink>
          ))}
        </nav>
        <Select className="only-narrow" aria-label="Settings" data={sections.map((s) => ({ value: s.tab, label: s.label }))} value={section.tab} onChange={(t) => t && navigate(`/settings/${t}`)} allowDeselect={false} mb="md" />
        <div className="settings-body"><Body /></div>
      </div>
    </Page>
  );
}
