import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { api, ApiError, must } from '../../api/client';
import { Copy } from '../../components/code';
import { Ago } from '../../components/marks';
import { Card } from '../../components/page';
import { Loaded } from '../../components/states';
import { absolute, plural } from '../../lib/format';
import { useSettings } from '../../shell/shell';
import { NotYours } from './not-yours';

const sources: Record<string, string> = {
  private: 'The server’s own authority, made at the first start', files: 'Files named in the configuration, read again when they change', acme: 'An authority that speaks ACME, such as Let’s Encrypt; renewed by itself',
};

// Tls is the certificate that devices and browsers are shown.
export function Tls() {
  const certificate = useQuery({ queryKey: ['certificate'], queryFn: async () => (await must(api.GET('/api/v1/server/certificate'))).certificate, retry: false });
  const settings = useSettings();
  if (certificate.error instanceof ApiError && certificate.error.status === 403) return <NotYours what="The certificate is the whole server’s" error={certificate.error} />;
  return (
    <Stack>
      <Card title="Certificate">
        <Loaded query={certificate}>{(c) => {
          const days = Math.floor((new Date(c.notAfter).getTime() - Date.now()) / 86_400_000);
          return (
            <Stack>
              {days < 0 ? <Alert color="red" variant="light">The certificate has ended. Devices that check it cannot connect.</Alert>
                : days < 21 && <Alert color="yellow" variant="light">The certificate ends in {plural(days, 'day')}.</Alert>}
              <dl className="facts">
                <dt>Comes from</dt><dd>{sources[c.source] ?? c.source}</dd>
                <dt>Names</dt><dd>{c.names.join(', ') || '–'}</dd>
                <dt>Subject</dt><dd>{c.subject || '–'}</dd>
                <dt>Issuer</dt><dd>{c.issuer}</dd>
                <dt>Good from</dt><dd>{absolute(c.notBefore)}</dd>
                <dt>Good until</dt><dd>{absolute(c.notAfter)} <Text span size="xs" c="dimmed">(<Ago time={c.notAfter} />)</Text></dd>
                <dt>Key</dt><dd>{c.key}</dd>
                <dt>Protocols</dt><dd>{c.protocols.join(', ')}</dd>
                <dt>SHA-256</dt><dd className="mono">{c.sha256} <Copy text={c.sha256} /></dd>
              </dl>
            </Stack>
          );
        }}</Loaded>
      </Card>
      {settings.data?.authority && (
        <Card title="Authority">
          <Stack gap="sm">
            <Text size="sm">Devices and browsers that should trust this server need the certificate of its authority. It is no secret.</Text>
            <Group><Button variant="default" component="a" href="/ca.pem" download="ca.pem" leftSection={<IconDownload size={16} />}>Download ca.pem</Button></Group>
          </Stack>
        </Card>
      )}
    </Stack>
  );
}
