import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'react-router';
import { api, must, type Schemas } from '../../api/client';
import { Card } from '../../components/page';
import { Failed, Loaded } from '../../components/states';
import { said, useSubmit } from '../../lib/act';
import { limitText, useLimits } from './limits';

// Retention is how long the account's data is kept.
export function Retention() {
  const retention = useQuery({ queryKey: ['retention'], queryFn: async () => (await must(api.GET('/api/v4/retention'))).retention });
  const limits = useLimits();
  const others = (limits.data ?? []).filter((l) => l.unit === 'seconds' && !/points|rollups/i.test(l.code));
  return (
    <Stack>
      <Card title="Points">
        <Loaded query={retention}>{(r) => <PointsForm key={`${r.keepPoints} ${r.keepRollups}`} retention={r} />}</Loaded>
      </Card>
      <Card title="What the server keeps for everybody">
        <Loaded query={limits}>{() => (
          <>
            <dl className="facts">{others.map((l) => [<dt key={l.code}>{l.text}</dt>, <dd key={`${l.code}:`}>{limitText(l.limit, l.unit)} {l.setting && <span className="mono" style={{ color: 'var(--mantine-color-dimmed)' }}>{l.setting}</span>}</dd>])}</dl>
            <Text size="sm" c="dimmed" mt="sm">These are settings of the configuration file.</Text>
          </>
        )}</Loaded>
      </Card>
    </Stack>
  );
}

function PointsForm({ retention }: { retention: Schemas['TimeSeriesRetention'] }) {
  const client = useQueryClient();
  const [v, setV] = useState({ keepPoints: retention.keepPoints, keepRollups: retention.keepRollups });
  const { submit, busy, errorOf, rest } = useSubmit(async () => {
    await must(api.PUT('/api/v4/retention', { body: { keepPoints: v.keepPoints || null, keepRollups: v.keepRollups || null } }));
    await client.invalidateQueries({ queryKey: ['retention'] });
    said('Saved. What is older goes with the next round of tidying.');
  });
  const same = v.keepPoints === retention.keepPoints && v.keepRollups === retention.keepRollups;
  return (
    <form onSubmit={(e) => void submit(e)}>
      <Stack maw={520}>
        <Text size="sm" c="dimmed">Such as 30d, 12w, 5y or forever. Device templates and their channels may say otherwise: see <Link to="/model">Model</Link>. Shortening it deletes what is older.</Text>
        <Group grow align="flex-start">
          <TextInput label="Points" description="As they were sent" placeholder={`${retention.serverKeepPoints} (the server's)`} value={v.keepPoints} onChange={(e) => setV({ ...v, keepPoints: e.currentTarget.value.trim() })} error={errorOf('keepPoints')} />
          <TextInput label="Roll-ups" description="By the minute, hour and day" placeholder={`${retention.serverKeepRollups} (the server's)`} value={v.keepRollups} onChange={(e) => setV({ ...v, keepRollups: e.currentTarget.value.trim() })} error={errorOf('keepRollups')} />
        </Group>
        {rest(['keepPoints', 'keepRollups']) && <Failed error={rest(['keepPoints', 'keepRollups'])} />}
        <Group><Button type="submit" loading={busy} disabled={same}>Save</Button></Group>
      </Stack>
    </form>
  );
}
