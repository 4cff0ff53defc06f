import { Anchor, Group, Loader, Tabs, Text } from '@mantine/core';
import { useLocalStorage } from '@mantine/hooks';
import { IconDownload } from '@tabler/icons-react';
import { useReach } from '../lib/connect';
import { snippets } from '../lib/snippets';
import { Code } from './code';
import './snippets.css';

const files = (text: string) => [...new Set([...text.matchAll(/["']((?:ca|cert|key)\.(?:pem|der))["']/g)].map((m) => m[1]))];
const listed = new Intl.ListFormat('en');

// Snippets are programs that connect a device and send its first message. Without a secret, the device has a certificate.
export function Snippets({ deviceId, secret, topic, payload }: { deviceId: string; secret: string | null; topic: string; payload: string }) {
  const reach = useReach();
  const [chosen, choose] = useLocalStorage({ key: 'snippets.language', defaultValue: 'mosquitto_pub', getInitialValueInEffect: false });
  if (!reach) return <Loader size="sm" role="status" aria-label="Loading" />;
  const list = snippets({ ...reach, deviceId, secret, topic, payload });
  const value = list.some((s) => s.name === chosen) ? chosen : list[0].name;
  return (
    <>
      <Group gap="4px 20px" mb="sm">
        <Text size="xs" c="dimmed">Server <b className="mono">{reach.host}:{reach.port}</b>, TLS</Text>
        {reach.caPem !== null && <Anchor href="/ca.pem" download="ca.pem" size="xs"><IconDownload size={13} style={{ verticalAlign: '-2px' }} /> ca.pem, the authority to trust</Anchor>}
      </Group>
      {reach.local && <Text size="xs" c="dimmed" mb="sm">This address is for programs on this machine. For a device elsewhere, open the console by the server’s name or network address: it will be in the programs.</Text>}
      <Tabs value={value} onChange={(v) => choose(v ?? value)} keepMounted={false} variant="pills" className="snippet-tabs">
        <Tabs.List mb="sm">{list.map((s) => <Tabs.Tab key={s.name} value={s.name}>{s.name}</Tabs.Tab>)}</Tabs.List>
        {list.map((s) => (
          <Tabs.Panel key={s.name} value={s.name}>
            {(s.before || s.note) && <Text size="xs" c="dimmed" mb={6}>{s.before && <span className="mono">{s.before}</span>}{s.before && s.note && ' · '}{s.note}</Text>}
            <Code text={s.text} />
            {s.file && <Text size="xs" c="dimmed" mt={4}>As <span className="mono">{s.file}</span>{files(s.text).length > 0 && `, beside ${listed.format(files(s.text))}`}</Text>}
          </Tabs.Panel>
        ))}
      </Tabs>
    </>
  );
}
