import { Badge, Button, Group, Stack, Text } from '@mantine/core';
import { IconUserOff } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { api, must } from '../../api/client';
import { confirm, confirmed } from '../../components/confirm';
import { Ago } from '../../components/marks';
import { Empty, Loaded } from '../../components/states';
import { attempt } from '../../lib/act';
import { sessionText } from '../../lib/sessions';

// SignIn is how somebody signs in, and what an admin can do about it.
export function SignIn({ userId, who, self = false }: { userId: string | null; who: string; self?: boolean }) {
  const client = useQueryClient();
  const profile = useQuery({ queryKey: ['profile', userId], enabled: !!userId, queryFn: () => must(api.GET('/api/v1/profile/{userId}', { params: { path: { userId: userId! } } })) });
  const sessions = useQuery({
    queryKey: ['sessions', userId], enabled: !!userId,
    queryFn: async () => (await must(api.GET('/api/v1/sessions', { params: { query: { userId: userId!, pageSize: 200 } } }))).sessions.results ?? [],
  });
  if (!userId) return <Empty icon={IconUserOff} title="No identity">{who} cannot sign in. Make an end user with “Let them sign in”, or with an e-mail address in the import.</Empty>;
  const again = () => Promise.all([client.invalidateQueries({ queryKey: ['profile', userId] }), client.invalidateQueries({ queryKey: ['sessions', userId] }), client.invalidateQueries({ queryKey: ['users'] })]);
  const act = async (ask: Parameters<typeof confirm>[0], run: () => Promise<unknown>, done: string) => {
    if (await confirm(ask) && await attempt(() => confirmed(run), done)) await again();
  };
  const path = { path: { userId } };
  return (
    <Loaded query={profile}>{(p) => (
      <Stack>
        <dl className="facts">
          <dt>Signs in with</dt><dd>{p.emailAddress} {p.emailVerified && <Badge size="xs" variant="light" tt="none">verified</Badge>}</dd>
          <dt>State</dt><dd>{p.disabled ? <Badge color="red" variant="light" tt="none">disabled</Badge> : <Badge variant="light" tt="none">may sign in</Badge>}</dd>
          <dt>Second factor</dt><dd>{p.secondFactor ? 'On' : 'Off'}</dd>
        </dl>
        {!self && (
          <Group gap={8}>
            {p.disabled
              ? <Button variant="default" onClick={() => void attempt(() => confirmed(() => must(api.PUT('/api/v1/users/{userId}', { params: path, body: { disabled: false } }))), 'They may sign in again.').then(again)}>Allow again</Button>
              : <Button variant="default" onClick={() => void act({ title: `Disable ${who}?`, body: 'Every sign-in of theirs ends at once, and their MQTT connections with it. It can be allowed again at any time.', action: 'Disable' }, () => must(api.PUT('/api/v1/users/{userId}', { params: path, body: { disabled: true } })), `${who} cannot sign in any more.`)}>Disable</Button>}
            {p.secondFactor && <Button variant="default" onClick={() => void act({ title: 'Remove the second factor?', body: `For somebody who has lost the authenticator and the recovery codes. The password alone will do to sign in as ${who}.`, action: 'Remove it' }, () => must(api.DELETE('/api/v1/users/{userId}/second-factor', { params: path })), 'The second factor is removed.')}>Remove the second factor</Button>}
          </Group>
        )}
        <div>
          <Text fw={570} size="sm" mb={6}>Signed in now</Text>
          <Loaded query={sessions}>{(list) => (list.length === 0 ? <Text size="sm" c="dimmed">Nowhere.</Text> : (
            <Stack gap={8}>
              {list.map((s) => (
                <Group key={s.id} justify="space-between" wrap="nowrap">
                  <div style={{ minWidth: 0 }}>
                    <Text size="sm" className="clip" title={s.userAgent}>{sessionText(s)}</Text>
                    <Text size="xs" c="dimmed">{s.remote} · last used <Ago time={s.lastUsed} /></Text>
                  </div>
                  {!s.current && <Button size="compact-xs" variant="default" style={{ flex: 'none' }} onClick={() => void attempt(() => must(api.DELETE('/api/v1/sessions/{id}', { params: { path: { id: s.id }, query: { userId } } })), 'The session has ended.').then(again)}>End</Button>}
                </Group>
              ))}
            </Stack>
          ))}</Loaded>
        </div>
      </Stack>
    )}</Loaded>
  );
}
