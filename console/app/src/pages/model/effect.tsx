import { Alert, Anchor, Text } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconAlertTriangle, IconInfoCircle } from '@tabler/icons-react';
import { usePreview, type Kind, type Preview } from './kinds';

// Effect tells, before something is saved, what it will do to what is there.
export function Effect({ path, body, kind }: { path: string; body: object | null; kind: Kind }) {
  const [settled] = useDebouncedValue(body, 300);
  const { data, isError, error } = usePreview(path, settled);
  if (body === null) return null;
  if (isError) return <Alert color="red" variant="light">{error.message}</Alert>;
  return data ? <Told preview={data} kind={kind} /> : <Text size="xs" c="dimmed">Looking at what it will do…</Text>;
}

// Told is also shown in dialogs, which are outside of the router: its links are plain ones, and open beside what is being filled in.
export function Told({ preview: p, kind }: { preview: Preview; kind: Kind }) {
  const warn = !p.allowed || p.missing > 0;
  return (
    <Alert color={!p.allowed ? 'red' : warn ? 'yellow' : 'brand'} variant="light" py={10} icon={warn ? <IconAlertTriangle size={17} /> : <IconInfoCircle size={17} />} role="status">
      <Text size="sm">{p.allowed ? p.text : p.error}</Text>
      {p.samples.length > 0 && (
        <Text size="xs" c="dimmed" mt={4} component="div">
          {p.missing > 0 ? 'Without a value: ' : 'Such as '}
          {p.samples.map((s, i) => <span key={s.id}>{i > 0 && ', '}<Anchor href={`${kind.objects}/${s.id}`} target="_blank" size="xs">{s.name || s.serialNumber || s.id.slice(0, 8)}</Anchor></span>)}
        </Text>
      )}
    </Alert>
  );
}
