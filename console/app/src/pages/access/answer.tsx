import { Anchor, Button, Group, Text } from '@mantine/core';
import { IconCircleCheckFilled, IconCircleXFilled } from '@tabler/icons-react';
import { Link } from 'react-router';
import type { Schemas } from '../../api/client';
import { kindNames } from './lookup';

type Explanation = Schemas['Explanation'];
type Step = Schemas['Step'];

const pages: Record<string, (id: string) => string> = {
  device: (id) => `/devices/${id}`, organization: (id) => `/groups/${id}`, endUser: (id) => `/end-users/${id}`, accountUser: () => '/admins', deviceTemplate: (id) => `/model/devices/${id}`,
};

function Name({ step }: { step: Step }) {
  const to = pages[step.kind]?.(step.id);
  const name = step.name || step.id;
  return to ? <Anchor component={Link} to={to} className="break" fw={550} size="sm">{name}</Anchor> : <Text span size="sm" fw={550} className={step.kind === 'topic' ? 'mono break' : 'break'}>{name}</Text>;
}

// Answer tells whether it is allowed, in words and as the way from the one who asks to what is asked for.
export function Answer({ access: a }: { access: Explanation }) {
  const last = a.path.at(-1);
  const reached = last !== undefined && last.kind === a.object.kind && last.id === a.object.id;
  return (
    <section className="card" aria-live="polite">
      <div className={`answer ${a.allowed ? 'yes' : 'no'}`}>
        {a.allowed ? <IconCircleCheckFilled size={28} /> : <IconCircleXFilled size={28} />}
        <div>
          <h2>{a.allowed ? 'Allowed' : 'Denied'}</h2>
          <Text size="sm" className="break">{a.text}</Text>
        </div>
      </div>
      <ol className="steps">
        {a.path.map((s, i) => (
          <li key={i}>
            <Text size="xs" c="dimmed">{kindNames[s.kind] ?? s.kind}</Text>
            <Name step={s} />
            {s.leads && i < a.path.length - 1 && <Text size="xs" c="dimmed" className="leads">{s.leads}</Text>}
          </li>
        ))}
        {!reached && (
          <>
            {!a.allowed && <li className="missing"><Text size="xs">Missing</Text><Text size="sm" fw={550}>{a.missing ?? 'a way from here to there'}</Text></li>}
            <li className={a.allowed ? undefined : 'beyond'}><Text size="xs" c="dimmed">{kindNames[a.object.kind] ?? a.object.kind}</Text><Name step={a.object} /></li>
          </>
        )}
      </ol>
      {!a.allowed && <Remedy access={a} />}
    </section>
  );
}

// Remedy links to where the missing step can be made.
function Remedy({ access: a }: { access: Explanation }) {
  const { principal, object } = a;
  const template = object.kind === 'topic' && principal.kind === 'device';
  return (
    <Group gap={8} px={20} pb={20}>
      {object.kind === 'device' && <Button component={Link} to={`/devices/${object.id}/access`} size="xs" variant="default">Access of this device</Button>}
      {object.kind === 'organization' && <Button component={Link} to={`/groups/${object.id}`} size="xs" variant="default">Open the group</Button>}
      {template && <Button component={Link} to="/model/devices" size="xs" variant="default">Device templates</Button>}
      {principal.kind !== 'accountUser' && <Button component={Link} to={pages[principal.kind]?.(principal.id) ?? '/'} size="xs" variant="default">Open {principal.name || 'who asks'}</Button>}
      <Button component={Link} to={`/logs?${new URLSearchParams({ q: `tag:refused source:${principal.id}`, from: '7d' })}`} size="xs" variant="default">Its refusals in the log</Button>
    </Group>
  );
}
