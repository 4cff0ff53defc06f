import { SegmentedControl } from '@mantine/core';
import { useMemo } from 'react';
import { useSession } from '../../api/session';
import { curl } from '../../components/hints';
import { Page } from '../../components/page';
import { shellQuote } from '../../lib/format';
import { useURLState } from '../../lib/url-state';
import { useSettings } from '../../shell/shell';
import { Clients } from './clients';
import { Explorer } from './explorer';
import { useFeed } from './feed';
import './mqtt.css';

const none = '-'; // in the address: subscribed to nothing

export default function MQTTPage() {
  const [view, setView] = useURLState({ tab: '', filters: '#', topic: '' });
  const filters = useMemo(() => (view.filters === none ? [] : view.filters.split('\n').filter(Boolean)), [view.filters]);
  const { accountId } = useSession();
  const { data: settings } = useSettings();
  const filter = filters[0] ?? '#';
  const mosquitto = (program: string, rest: string) => `${program} -h ${location.hostname} -p ${settings?.mqttsPort || 8883} ${settings?.authority ? '--cafile ca.pem ' : ''}\\\n  -u Auth:JWT -P "$TOKEN" ${rest}`;
  return (
    <Page
      fill title="MQTT explorer" description="What goes through the broker now."
      actions={<SegmentedControl aria-label="Part" value={view.tab} onChange={(tab) => setView({ tab })} data={[{ value: '', label: 'Topics' }, { value: 'clients', label: 'Clients' }]} />}
      hints={[
        { title: 'Subscribe', command: mosquitto('mosquitto_sub', `-v -t ${shellQuote(filter)}`) },
        { title: 'Publish', command: mosquitto('mosquitto_pub', `-q 1 -t ${shellQuote(view.topic || `xi/blue/v1/${accountId}/d/DEVICE/CHANNEL`)} -m 21.5`) },
        { title: 'On the command line', command: `xively sub ${shellQuote(filter)}` },
        { title: 'Publish over REST', command: curl('POST', `/messaging/publish/${view.topic || 'a/topic'}?qos=1`, 21.5) },
        { title: 'What is retained', command: curl('GET', '/api/v1/messaging/retained') },
        { title: 'Who is connected', command: curl('GET', '/api/v1/messaging/clients?connected=true') },
      ]}
    >
      {view.tab === 'clients' ? <Clients /> : <Topics filters={filters} topic={view.topic} set={setView} />}
    </Page>
  );
}

// Topics is connected while it shows.
function Topics({ filters, topic, set }: { filters: string[]; topic: string; set: (change: { filters?: string; topic?: string }) => void }) {
  const feed = useFeed(filters);
  return <Explorer feed={feed} filters={filters} onFilters={(list) => set({ filters: list.length === 0 ? none : list.join('\n') })} topic={topic} onTopic={(t) => set({ topic: t })} />;
}
