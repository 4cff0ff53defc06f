import { Alert, Button, Checkbox, FileButton, Group, Select, Stack, Text } from '@mantine/core';
import { IconFileTypeCsv, IconUpload } from '@tabler/icons-react';
import { useState, type DragEvent } from 'react';
import { curl } from '../../components/hints';
import { Card, Page } from '../../components/page';
import { GroupPicker, TemplatePicker } from '../../components/pickers';
import { Failed } from '../../components/states';
import { bytes, plural } from '../../lib/format';
import { useDeviceFields, useDeviceTemplates } from '../../lib/names';
import { delimiterOf, guess, parse, rewrite, type Delimiter } from './csv';
import './devices.css';
import { Report } from './import-report';
import { useImport } from './import-run';

interface File_ { name: string; size: number; text: string; delimiter: Delimiter; columns: string[]; sample: string[][] }

const own = ['serialNumber', 'name', 'template', 'organization', 'firmwareVersion', 'deviceVersion', 'location', 'latitude', 'longitude', 'tags', 'purchaseDate', 'deviceTemplateId', 'organizationId', 'certificate'];
const labels: Record<string, string> = { serialNumber: 'Serial number', name: 'Name', template: 'Template, by name', organization: 'Group, as a path of names', firmwareVersion: 'Firmware version', deviceVersion: 'Device version', location: 'Location', latitude: 'Latitude', longitude: 'Longitude', tags: 'Tags, comma-separated', purchaseDate: 'Purchase date', deviceTemplateId: 'Template, by id', organizationId: 'Group, by id', certificate: 'X.509 certificate, as PEM' };
const most = 64 << 20;

export default function ImportPage() {
  const custom = [...new Set((useDeviceFields().data ?? []).map((f) => f.name))];
  const fields = [...new Set([...own, ...custom])];
  const [file, setFile] = useState<File_ | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [mapping, setMapping] = useState<string[]>([]);
  const take = async (f: File) => {
    setError(null);
    try {
      if (f.size > most) throw new Error(`The file has ${bytes(f.size)}; an import takes ${bytes(most)}. Send it in parts.`);
      const text = await f.text();
      const delimiter = delimiterOf(text);
      const [columns, ...sample] = parse(text, delimiter, 6);
      if (!columns) throw new Error('The file is empty; its first line must name the columns.');
      setFile({ name: f.name, size: f.size, text, delimiter, columns, sample });
      setMapping(guess(columns, fields));
    } catch (e) { setError(e); }
  };
  return (
    <Page title="Import devices" back={{ to: '/devices', label: 'Devices' }} hints={hints}
      description="From a CSV file. A row whose serial number is known changes that device, any other makes one; an empty cell changes nothing.">
      <Stack gap="md" maw={1100}>
        {error !== null && <Failed error={error} />}
        {file ? <Mapped key={file.name + file.size} file={file} fields={fields} mapping={mapping} setMapping={setMapping} onOther={() => setFile(null)} /> : <Drop take={(f) => void take(f)} />}
      </Stack>
    </Page>
  );
}

function Drop({ take }: { take: (f: File) => void }) {
  const [over, setOver] = useState(false);
  const drop = (e: DragEvent) => { e.preventDefault(); setOver(false); const f = e.dataTransfer.files[0]; if (f) take(f); };
  return (
    <div className="drop" data-over={over || undefined} onDragOver={(e) => { e.preventDefault(); setOver(true); }} onDragLeave={() => setOver(false)} onDrop={drop}>
      <IconFileTypeCsv size={36} stroke={1.3} />
      <Text fw={550}>Drop a CSV file here</Text>
      <FileButton onChange={(f) => { if (f) take(f); }} accept=".csv,.tsv,.txt,text/csv">{(props) => <Button {...props} variant="default" leftSection={<IconUpload size={16} />}>Choose a file</Button>}</FileButton>
      <Text size="xs" c="dimmed" ta="center" maw={460}>The first line names the columns; what they mean is chosen next, and nothing is changed before you have seen a dry run. An export of devices is in the right form already.</Text>
    </div>
  );
}

function Mapped({ file, fields, mapping, setMapping, onOther }: { file: File_; fields: string[]; mapping: string[]; setMapping: (m: string[]) => void; onOther: () => void }) {
  const [template, setTemplate] = useState<string | null>(null);
  const [group, setGroup] = useState<string | null>(null);
  const [makeGroups, setMakeGroups] = useState(false);
  const [secrets, setSecrets] = useState(true);
  const templates = useDeviceTemplates().data ?? [];
  const { start, report, running, error, reset } = useImport();
  const named = mapping.includes('template') || mapping.includes('deviceTemplateId');
  const lacks = !mapping.includes('serialNumber') ? 'One column has to be the serial number.' : !named && !template ? 'Choose the template of the devices, or the column that names it.' : null;
  const send = (dryRun: boolean) => {
    const { body, map } = rewrite(file.text, file.delimiter, mapping);
    void start(body, { map, deviceTemplateId: template ?? '', organizationId: group ?? '', createOrganizations: String(makeGroups), credentials: String(secrets && !dryRun), dryRun: String(dryRun) });
  };
  const change = <T,>(set: (v: T) => void) => (v: T) => { reset(); set(v); };
  const imported = report !== null && !report.dryRun;
  const columns = (
    <Card title={<>{file.name} <Text span size="xs" c="dimmed" fw={400} ml={6}>{bytes(file.size)}, {plural(file.columns.length, 'column')}</Text></>} pad={false} actions={<Button size="compact-sm" variant="subtle" onClick={onOther} disabled={running}>Another file</Button>}>
      <div className="table-scroll" tabIndex={0} role="region" aria-label="What the columns mean">
        <table className="grid" style={{ minWidth: 560 }}>
          <thead><tr><th scope="col" style={{ width: '26%' }}>Column</th><th scope="col" style={{ width: 270 }}>Becomes</th><th scope="col">In the first rows</th></tr></thead>
          <tbody>
            {file.columns.map((c, i) => (
              <tr key={i}>
                <td className="mono">{c}</td>
                <td><Select size="xs" aria-label={`Column ${c} becomes`} placeholder="left out" clearable searchable value={mapping[i] || null} disabled={running}
                  data={fields.filter((f) => f === mapping[i] || !mapping.includes(f)).map((f) => ({ value: f, label: labels[f] ?? f }))}
                  onChange={(v) => change(setMapping)(mapping.map((m, n) => (n === i ? v ?? '' : m)))} /></td>
                <td><Text span size="xs" c="dimmed">{file.sample.map((r) => r[i]).filter(Boolean).slice(0, 3).map((cell) => (cell.length > 60 ? `${cell.slice(0, 60)}…` : cell)).join(' · ')}</Text></td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
  const choices = (
    <Card title="For new devices">
      <Stack gap="md">
        <div className="columns-2">
          <TemplatePicker kind="devices" label="Template" description={named ? 'Of rows that name none' : 'Of all rows'} placeholder="Choose one" value={template} onChange={change(setTemplate)} clearable disabled={running || templates.length === 0} />
          <GroupPicker label="Group" description={mapping.includes('organization') ? 'Of rows that name none' : 'Of all rows'} placeholder="None" value={group} onChange={change(setGroup)} clearable disabled={running} />
        </div>
        <Checkbox size="sm" label="Make credentials" description="Their secrets can be downloaded once, when the import is done. Devices of templates with X.509 certificates get none: a column has their certificates, or they are registered later." checked={secrets} onChange={(e) => setSecrets(e.currentTarget.checked)} disabled={running} />
        {mapping.includes('organization') && <Checkbox size="sm" label="Make groups that do not exist" checked={makeGroups} onChange={(e) => change(setMakeGroups)(e.currentTarget.checked)} disabled={running} />}
      </Stack>
    </Card>
  );
  return (
    <>
      {!imported && <>{columns}{choices}</>}
      {lacks && <Alert color="yellow" variant="light">{lacks}</Alert>}
      {error !== null && <Failed error={error} />}
      {report && <Report report={report} running={running} />}
      {!imported && (
        <Group justify="flex-end">
          <Button variant={report ? 'default' : 'filled'} onClick={() => send(true)} disabled={lacks !== null} loading={running && report?.dryRun !== false}>{report ? 'Dry run again' : 'Dry run'}</Button>
          {report?.dryRun && report.state === 'done' && <Button onClick={() => send(false)} disabled={running || lacks !== null || report.created + report.updated === 0}>Import {plural(report.created + report.updated, 'device')}</Button>}
        </Group>
      )}
      {imported && !running && <Group justify="flex-end"><Button variant="default" onClick={onOther}>Import another file</Button></Group>}
    </>
  );
}

const hints = [
  { title: 'Dry run', command: 'xively devices import fleet.csv --template Sensor --dry-run' },
  { title: 'Import, and keep the secrets', command: 'xively devices import fleet.csv --template Sensor --credentials secrets.csv' },
  { title: 'Over REST', command: `${curl('POST', '/api/v1/devices/import?dryRun=true&wait=true')} \\\n  -H 'Content-Type: text/csv' --data-binary @fleet.csv` },
];
