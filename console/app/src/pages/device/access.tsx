import { Anchor, Badge, Group, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconUsers } from '@tabler/icons-react';
import { Fragment } from 'react';
import { Link } from 'react-router';
import { api, must, type Device, type Schemas } from '../../api/client';
import { Card } from '../../components/page';
import { Empty, Loaded } from '../../components/states';
import { plural } from '../../lib/format';

type Relation = Schemas['Relation'];

const words: Record<string, string> = {
  'devices:read': 'see', 'devices:update': 'change', 'devices:delete': 'delete', 'devices:credential': 'make credentials', 'devices:associate': 'associate', 'devices:share': 'share', 'channels:read': 'read messages', 'channels:write': 'publish',
};

// Access is who can reach the device, and by which path.
export default function Access({ device: d }: { device: Device }) {
  const query = useQuery({
    queryKey: ['access', d.id],
    queryFn: async () => (await must(api.GET('/api/v1/access/devices/{id}/users', { params: { path: { id: d.id } } }))).users,
  });
  return (
    <Card title="Who can reach it" pad={false} actions={<Anchor component={Link} size="sm" to={`/access?object=${d.id}`}>Explain one case</Anchor>}>
      <Loaded query={query}>
        {(users) => {
          const list = users.results ?? [];
          if (list.length === 0) return <Empty icon={IconUsers} title="Nobody but applications can reach it" />;
          return (
            <>
              <ul className="relations">{list.map((r) => <Who key={`${r.kind} ${r.id}`} relation={r} />)}</ul>
              {(users.meta?.count ?? 0) > list.length && <Text size="xs" c="dimmed" p="md">The first {list.length} of {plural(users.meta?.count ?? 0, 'user')}.</Text>}
            </>
          );
        }}
      </Loaded>
    </Card>
  );
}

const place: Record<string, string> = { endUser: '/end-users', organization: '/groups', device: '/devices' };

function Who({ relation: r }: { relation: Relation }) {
  const to = place[r.kind];
  return (
    <li>
      <Group justify="space-between" gap="6px 16px" align="flex-start">
        <div style={{ minWidth: 0 }}>
          {to ? <Anchor component={Link} to={`${to}/${r.id}`} size="sm" fw={550}>{r.name}</Anchor> : <Text span size="sm" fw={550}>{r.name}</Text>}
          <Text span size="xs" c="dimmed" ml={8}>{r.kind === 'accountUser' ? 'admin' : 'end user'}</Text>
          <div className="path">
            {r.path.map((s, i) => (
              <Fragment key={s.id}>
                {place[s.kind] && i > 0 && i < r.path.length - 1 ? <Anchor component={Link} to={`${place[s.kind]}/${s.id}`} size="xs">{s.name}</Anchor> : <span>{s.name}</span>}
                {s.leads && <span className="leads">{s.leads}</span>}
              </Fragment>
            ))}
          </div>
        </div>
        <Group gap={4}>{r.permissions.map((p) => <Badge key={p} size="sm" radius="sm" variant="default" tt="none" fw={500} title={p}>{words[p] ?? p}</Badge>)}</Group>
      </Group>
    </li>
  );
}
