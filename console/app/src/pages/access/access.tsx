import { Anchor, Autocomplete, SegmentedControl, Select, Text } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconShieldQuestion } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link } from 'react-router';
import { api, must } from '../../api/client';
import { useSession } from '../../api/session';
import { curl } from '../../components/hints';
import { Card, Page } from '../../components/page';
import { Empty, Failed, Loading } from '../../components/states';
import { useURLState } from '../../lib/url-state';
import './access.css';
import { Answer } from './answer';
import { Lookup } from './lookup';

const actions = [
  { group: 'Messages', items: [{ value: 'publish', label: 'publish to' }, { value: 'subscribe', label: 'subscribe to' }, { value: 'receive', label: 'receive messages of' }] },
  { group: 'Directory', items: [{ value: 'read', label: 'see' }, { value: 'update', label: 'change' }, { value: 'create', label: 'create something in' }, { value: 'delete', label: 'delete' }, { value: 'share', label: 'share' }, { value: 'credential', label: 'make credentials of' }, { value: 'associate', label: 'associate' }] },
];
const known = actions.flatMap((g) => g.items.map((i) => i.value));
type Action = 'associate' | 'create' | 'credential' | 'delete' | 'publish' | 'read' | 'receive' | 'share' | 'subscribe' | 'update';

const principals = ['device', 'endUser', 'accountUser'];
const objects = ['device', 'organization', 'endUser', 'accountUser', 'deviceTemplate', 'endUserTemplate', 'organizationTemplate'];
const isID = (s: string) => /^([A-Za-z]+:)?[0-9a-f]{8}-[0-9a-f-]{27}$/.test(s);
const aboutMessages = (action: string) => ['publish', 'subscribe', 'receive'].includes(action);

export default function AccessPage() {
  const { accountId, name } = useSession();
  const [view, setView] = useURLState({ principal: '', action: 'publish', object: '' });
  const action = known.includes(view.action) ? view.action : 'read';
  const [asTopic, setAsTopic] = useState(view.object === '' ? true : !isID(view.object));
  const topics = aboutMessages(action) && (asTopic || action === 'subscribe');
  useEffect(() => { if (view.object !== '') setAsTopic(!isID(view.object)); }, [view.object]);
  const answer = useQuery({
    queryKey: ['access', view.principal, action, view.object],
    queryFn: async ({ signal }) => (await must(api.GET('/api/v1/access/explain', { params: { query: { accountId, principal: view.principal || undefined, action: action as Action, object: view.object } }, signal }))).access,
    enabled: view.object !== '',
    placeholderData: keepPreviousData,
  });
  const parameters = new URLSearchParams({ ...(view.principal && { principal: view.principal }), action, object: view.object });
  return (
    <Page
      title="Access explainer" description="May somebody do something, and why? The same judgement as that of every request and message."
      hints={[{ title: 'This question', command: curl('GET', `/api/v1/access/explain?${parameters}`) }, { title: 'Who can reach a device', command: curl('GET', '/api/v1/access/devices/DEVICE/users') }, { title: 'What a user can reach', command: curl('GET', '/api/v1/access/users/USER/devices') }]}
    >
      <section className="card question">
        <Lookup label="May" placeholder={name} description="A device, an end user or an admin; empty for yourself" kinds={principals} value={view.principal} known={answer.data?.principal.name} onChange={(principal) => setView({ principal })} />
        <Select label="do this" description="An API key may do what its admin may, within its scopes" data={actions} value={action} onChange={(v) => setView({ action: v ?? 'read', ...(v === 'subscribe' && isID(view.object) ? { object: '' } : {}) })} allowDeselect={false} />
        <div>
          {topics ? <TopicInput value={isID(view.object) ? '' : view.object} principal={view.principal} onChange={(object) => setView({ object })} filter={action === 'subscribe'} />
            : <Lookup label="with" placeholder="Device, group, user, template" description="Anything of the directory, by name" kinds={objects} value={isID(view.object) ? view.object : ''} known={answer.data?.object.name} onChange={(object) => setView({ object })} />}
          {aboutMessages(action) && action !== 'subscribe' && <SegmentedControl size="xs" mt={8} aria-label="Object" value={topics ? 'topic' : 'thing'} onChange={(v) => { setAsTopic(v === 'topic'); setView({ object: '' }); }} data={[{ value: 'topic', label: 'A topic' }, { value: 'thing', label: 'All channels of a device' }]} />}
        </div>
      </section>
      {view.object === '' && <Examples />}
      {view.object !== '' && (answer.isError ? <Failed error={answer.error} /> : answer.data ? <Answer access={answer.data} /> : <Loading />)}
    </Page>
  );
}

// TopicInput takes a topic, or a filter, and proposes those of the device that is asked about.
function TopicInput({ value, principal, onChange, filter }: { value: string; principal: string; onChange: (topic: string) => void; filter: boolean }) {
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  const [settled] = useDebouncedValue(typed, 500);
  useEffect(() => { if (settled !== value) onChange(settled.trim()); }, [settled]);
  const device = useQuery({
    queryKey: ['access', 'channels', principal], enabled: isID(principal), staleTime: 60_000, retry: false,
    queryFn: () => must(api.GET('/api/v1/devices/{id}', { params: { path: { id: principal.replace(/^.*:/, '') } } })).then(({ device: d }) => d.channels.map((c) => c.channel), () => []),
  });
  return (
    <Autocomplete label={filter ? 'with the topic filter' : 'with the topic'} description={filter ? '+ is one level, # all below' : 'A whole topic'} placeholder="xi/blue/v1/…" data={device.data ?? []} value={typed} onChange={setTyped} onOptionSubmit={onChange} spellCheck={false} autoComplete="off"
      styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 12.5 } }} />
  );
}

// Examples are questions about what is there.
function Examples() {
  const { accountId } = useSession();
  const first = useQuery({
    queryKey: ['access', 'examples'], staleTime: 60_000,
    queryFn: async () => {
      const one = { params: { query: { accountId, pageSize: 2 } } };
      const [d, u] = await Promise.all([must(api.GET('/api/v1/devices', one)), must(api.GET('/api/v1/end-users', one))]);
      return { devices: d.devices.results ?? [], users: u.endUsers.results ?? [] };
    },
  });
  const [a, b] = first.data?.devices ?? [];
  const [user] = first.data?.users ?? [];
  const list: [text: string, q: Record<string, string>][] = [];
  const nameOf = (d: { name: string | null; serialNumber: string }) => d.name || d.serialNumber;
  if (a?.channels[0]) list.push([`May ${nameOf(a)} publish to its channel ${a.channels[0].channelTemplateName}?`, { principal: a.id, action: 'publish', object: a.channels[0].channel }]);
  if (a && b?.channels[0]) list.push([`May ${nameOf(a)} subscribe to a channel of ${nameOf(b)}?`, { principal: a.id, action: 'subscribe', object: b.channels[0].channel }]);
  if (a && user) list.push([`May ${user.name || user.emailAddress} see ${nameOf(a)}?`, { principal: user.id, action: 'read', object: a.id }]);
  if (a) list.push([`May I delete ${nameOf(a)}?`, { action: 'delete', object: a.id }]);
  return (
    <Card title="For example">
      {list.length === 0 ? <Empty icon={IconShieldQuestion} title="Nothing to ask about yet">Once there are devices and end users, this page explains what they may do.</Empty> : (
        <ul className="examples">{list.map(([text, q]) => <li key={text}><Anchor component={Link} to={`/access?${new URLSearchParams(q)}`} size="sm">{text}</Anchor></li>)}</ul>
      )}
      <Text size="sm" c="dimmed" mt="md">Refusals in the <Anchor component={Link} to="/logs?q=tag:refused" inherit style={{ textDecoration: 'underline' }}>log</Anchor> lead here, too.</Text>
    </Card>
  );
}
