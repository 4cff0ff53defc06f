import { Button, Drawer, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconTerminal2 } from '@tabler/icons-react';
import { shellQuote } from '../lib/format';
import { Code } from './code';

// A Hint is a command that does what the page does.
export interface Hint { title: string; command: string }

// curl is the command for a request to this server. $TOKEN is an API key or a JWT.
export function curl(method: string, path: string, body?: unknown): string {
  const parts = [`curl -H "Authorization: Bearer $TOKEN"`];
  if (location.protocol === 'https:') parts[0] = `curl --cacert ca.pem -H "Authorization: Bearer $TOKEN"`;
  if (method !== 'GET') parts.push(`-X ${method}`);
  if (body !== undefined) parts.push(`-H 'Content-Type: application/json'`, `-d ${shellQuote(JSON.stringify(body))}`);
  parts.push(shellQuote(location.origin + path));
  return parts.join(' \\\n  ');
}

// HintButton opens the commands for what is in view.
export function HintButton({ hints }: { hints: Hint[] }) {
  const [open, { toggle, close }] = useDisclosure();
  return (
    <>
      <Button variant="default" leftSection={<IconTerminal2 size={16} />} onClick={toggle}>API</Button>
      <Drawer opened={open} onClose={close} title="The same from a terminal" size="lg">
        <Stack gap="lg">
          <Text size="sm" c="dimmed">$TOKEN is an API key (Settings → API keys). Everything the console does goes over these routes; <a href="/docs" target="_blank" rel="noreferrer">/docs</a> describes them all.</Text>
          {hints.map((h) => (
            <div key={h.title}>
              <Text size="sm" fw={550} mb={6}>{h.title}</Text>
              <Code text={h.command} />
            </div>
          ))}
        </Stack>
      </Drawer>
    </>
  );
}
