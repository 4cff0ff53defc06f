import { Alert, Button, Group, Progress, Stack, Text } from '@mantine/core';
import { IconDownload, IconKey } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { Card } from '../../components/page';
import { arrayRows, DataTable } from '../../components/table';
import { csv, save } from '../../lib/download';
import { count, plural } from '../../lib/format';
import type { ImportReport } from './import-run';

// Report tells what an import did, or would do.
export function Report({ report: r, running }: { report: ImportReport; running: boolean }) {
  const figures: [string, number, string?][] = [
    [r.dryRun ? 'would be created' : 'created', r.created], [r.dryRun ? 'would be changed' : 'changed', r.updated], ['as they are', r.unchanged],
    ['refused', r.refused, r.refused > 0 ? 'var(--x-bad)' : undefined], ['left out', r.skipped, r.skipped > 0 ? 'var(--x-warn)' : undefined],
  ];
  return (
    <Card title={running ? (r.dryRun ? 'Dry run…' : 'Importing…') : r.state === 'failed' ? 'The import ended early' : r.dryRun ? 'Dry run: nothing is changed yet' : 'Imported'} pad={false}>
      <Stack gap="md" p="md" aria-live="polite">
        {running && <div><Text size="sm" mb={6} className="num">{count(r.rows)} of {plural(r.totalRows, 'row')}</Text><Progress value={(r.rows / Math.max(r.totalRows, 1)) * 100} animated aria-label="How far it is" /></div>}
        <div className="figures">{figures.map(([label, n, color]) => <div key={label}><b className="num" style={{ color }}>{count(n)}</b><span>{label}</span></div>)}</div>
        {r.state === 'failed' && <Alert color="red" variant="light">{r.text}</Alert>}
        {r.skipped > 0 && <Text size="xs" c="dimmed">Rows are taken in parts of 500, each all or nothing: good rows are left out where others of their part are refused. Mend or remove those and send the file again; what is imported already stays as it is.</Text>}
        {(r.certificates > 0 || r.withoutCertificate > 0) && (
          <Text size="sm">{[
            r.certificates > 0 && `${plural(r.certificates, 'certificate')} ${r.dryRun ? 'would be ' : ''}registered`,
            r.withoutCertificate > 0 && `${plural(r.withoutCertificate, 'new device')} without the certificate that the template wants: ${r.withoutCertificate === 1 ? 'it' : 'they'} cannot connect before one is registered`,
          ].filter(Boolean).join('; ')}.</Text>
        )}
        {!r.dryRun && !running && r.credentials && r.credentials.length > 0 && <Secrets report={r} />}
      </Stack>
      {r.errors.length > 0 && <Errors report={r} />}
    </Card>
  );
}

function Secrets({ report }: { report: ImportReport }) {
  const [saved, setSaved] = useState(false);
  // The secrets are on this page and nowhere else.
  useEffect(() => {
    if (saved) return;
    const ask = (e: BeforeUnloadEvent) => e.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [saved]);
  const secrets = report.credentials ?? [];
  const download = () => {
    save('credentials.csv', [csv([['deviceId', 'serialNumber', 'secret'], ...secrets.map((s) => [s.deviceId, s.serialNumber, s.secret])])], 'text/csv');
    setSaved(true);
  };
  return (
    <Alert color={saved ? 'brand' : 'yellow'} variant="light" icon={<IconKey size={18} />} title={`${plural(secrets.length, 'secret')} to download, once`}>
      <Text size="sm" mb="sm">The server keeps hashes only. Who loses this file makes new credentials for the devices.</Text>
      <Button size="xs" leftSection={<IconDownload size={15} />} variant={saved ? 'default' : 'filled'} onClick={download}>{saved ? 'Download again' : 'Download credentials'}</Button>
    </Alert>
  );
}

function Errors({ report: r }: { report: ImportReport }) {
  return (
    <>
      <DataTable label="Rows that are refused" height={Math.min(380, 40 + r.errors.length * 41)} rows={arrayRows(r.errors)} rowKey={(e) => `${e.row} ${e.field ?? ''}`} columns={[
        { key: 'row', header: 'Row', width: 70, right: true, cell: (e) => e.row },
        { key: 'serialNumber', header: 'Serial number', width: 150, cell: (e) => <span className="mono">{e.serialNumber}</span> },
        { key: 'field', header: 'Field', width: 140, cell: (e) => e.field },
        { key: 'text', header: 'Why', width: 420, cell: (e) => <span title={e.text}>{e.text}</span> },
      ]} />
      <Group className="bar" style={{ borderBottom: 0 }} gap="sm">
        <Button size="compact-sm" variant="subtle" onClick={() => save('refused.csv', [csv([['row', 'serialNumber', 'field', 'reason'], ...r.errors.map((e) => [e.row, e.serialNumber, e.field, e.text])])], 'text/csv')}>Download these</Button>
        {r.refused > r.errors.length && <Text size="xs" c="dimmed">The first {count(r.errors.length)} of {count(r.refused)}.</Text>}
      </Group>
    </>
  );
}
