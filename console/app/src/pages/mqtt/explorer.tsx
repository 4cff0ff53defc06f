import { ActionIcon, Alert, Button, Group, Pill, SegmentedControl, Text, TextInput, Tooltip } from '@mantine/core';
import { IconMessages, IconPlayerPause, IconPlayerPlay, IconPlus, IconTrash, IconX } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { Link } from 'react-router';
import { Empty } from '../../components/states';
import { count, plural } from '../../lib/format';
import type { Message, MQTTState } from '../../lib/mqtt';
import { Detail } from './detail';
import type { Feed } from './feed';
import { MessageList } from './message-list';
import { PublishForm } from './publish';
import { TopicList } from './topic-list';
import { filterFault, under } from './tree';

const states: Record<MQTTState, [dot: string, text: string]> = {
  connecting: ['warn', 'Connecting…'], connected: ['on', 'Connected'], offline: ['bad', 'The connection broke. Trying again…'], refused: ['bad', 'The server refused the connection'],
};

interface Props { feed: Feed; filters: string[]; onFilters: (filters: string[]) => void; topic: string; onTopic: (topic: string) => void }

// Explorer shows what goes through the broker.
export function Explorer({ feed, filters, onFilters, topic, onTopic }: Props) {
  const [message, setMessage] = useState<Message | null>(null);
  const [side, setSide] = useState('message');
  const shown = useMemo(() => (topic === '' ? feed.messages : feed.messages.filter((m) => under(m.topic, topic))), [feed.messages, topic]);
  const current = message && under(message.topic, topic) ? message : null;
  const about = current?.topic ?? topic;
  const node = about === '' ? undefined : feed.tree.find(about);
  return (
    <>
      <Bar feed={feed} filters={filters} onFilters={onFilters} />
      <div className="mqtt-grid grow">
        <section className="card mqtt-part">
          <div className="card-head"><h2>Topics</h2><Text size="xs" c="dimmed" className="num">{count(feed.tree.size)}{feed.tree.leftOut > 0 && `, ${count(feed.tree.leftOut)} messages of others`}</Text></div>
          <TopicList tree={feed.tree} version={feed.version} chosen={topic} onChoose={(path) => { setMessage(null); onTopic(path === topic ? '' : path); }} />
        </section>
        <section className="card mqtt-part">
          <div className="card-head">
            <h2 className="clip">{topic === '' ? 'Messages' : <Group gap={4} wrap="nowrap"><span className="mono clip" title={topic}>…/{topic.split('/').slice(-2).join('/')}</span><ActionIcon size="sm" aria-label="Show all topics" onClick={() => onTopic('')}><IconX size={14} /></ActionIcon></Group>}</h2>
            <Group gap={6} wrap="nowrap">
              <Text size="xs" c="dimmed" className="num">{plural(feed.seen, 'message')}</Text>
              <Tooltip label={feed.paused ? 'Go on' : 'Pause'}><ActionIcon aria-label={feed.paused ? 'Go on' : 'Pause'} onClick={() => feed.pause(!feed.paused)}>{feed.paused ? <IconPlayerPlay size={16} /> : <IconPlayerPause size={16} />}</ActionIcon></Tooltip>
              <Tooltip label="Empty the list"><ActionIcon aria-label="Empty the list" onClick={() => { setMessage(null); feed.clear(); }}><IconTrash size={16} /></ActionIcon></Tooltip>
            </Group>
          </div>
          {shown.length === 0 ? (
            <Empty icon={IconMessages} title={filters.length === 0 ? 'Not subscribed to anything' : 'Waiting for messages'} action={filters.length === 0 && <Button variant="default" onClick={() => onFilters(['#'])}>Subscribe to #</Button>}>
              {filters.length === 0 ? 'Messages show here as they come. # is every topic of the account.' : 'Nothing has come on these topics since the page was opened.'}
            </Empty>
          ) : <MessageList messages={shown} topic={topic} current={current?.id ?? null} onOpen={(m) => { setMessage(m); setSide('message'); }} />}
        </section>
        <section className="card mqtt-part mqtt-side">
          <div className="card-head"><SegmentedControl size="xs" aria-label="Side" data={[{ value: 'message', label: 'Message' }, { value: 'publish', label: 'Publish' }]} value={side} onChange={setSide} /></div>
          <div className="mqtt-scroll" tabIndex={0} role="region" aria-label={side === 'publish' ? 'Publish' : 'Message'}>
            {side === 'publish' ? <PublishForm topic={about} onSent={feed.reload} /> : about === '' ? <Text size="sm" c="dimmed">Choose a topic or a message.</Text> : (
              <Detail topic={about} message={current ?? feed.last.get(about)} retained={node?.retained ?? false} onCleared={feed.reload} />
            )}
          </div>
        </section>
      </div>
    </>
  );
}

function Bar({ feed, filters, onFilters }: Pick<Props, 'feed' | 'filters' | 'onFilters'>) {
  const [typed, setTyped] = useState('');
  const fault = typed === '' ? null : filterFault(typed);
  const [dot, text] = states[feed.connection.state];
  const refused = feed.subscriptions.filter((s) => s.refused !== null);
  return (
    <div className="mqtt-bar">
      <Group gap={10} align="flex-start">
        <Group gap={8} h={36} wrap="nowrap" role="status"><span className={`dot ${dot}`} /><Text size="sm">{text}</Text></Group>
        <form className="mqtt-filter" onSubmit={(e) => { e.preventDefault(); if (typed === '' || fault) return; if (!filters.includes(typed)) onFilters([...filters, typed]); setTyped(''); }}>
          <TextInput aria-label="Topic filter" placeholder="Topic filter, such as xi/blue/v1/+/d/+/temperature" value={typed} onChange={(e) => setTyped(e.currentTarget.value)} error={fault} styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 12.5 } }} autoComplete="off" spellCheck={false} flex={1} />
          <Button type="submit" variant="default" leftSection={<IconPlus size={15} />} disabled={typed === '' || fault !== null}>Subscribe</Button>
        </form>
      </Group>
      <Group gap={6} mt={8}>
        {feed.subscriptions.map((s) => (
          <Pill key={s.filter} withRemoveButton onRemove={() => onFilters(filters.filter((f) => f !== s.filter))} removeButtonProps={{ 'aria-label': `Unsubscribe from ${s.filter}`, 'aria-hidden': false, tabIndex: 0 }} className="mono" opacity={s.pending ? 0.7 : 1}>{s.filter}</Pill>
        ))}
      </Group>
      {feed.connection.state === 'refused' && <Alert color="red" variant="light" mt={8}>MQTT did not take this session’s token. <Link to="/logs?q=tag:refused">The log says why.</Link> A new sign-in gets a new token.</Alert>}
      {refused.map((s) => (
        <Alert key={s.filter} color="red" variant="light" mt={8} py={8}>The subscription to <span className="mono break">{s.filter}</span> was refused. <Link to={`/access?${new URLSearchParams({ action: 'subscribe', object: s.filter })}`}>Why?</Link></Alert>
      ))}
    </div>
  );
}
