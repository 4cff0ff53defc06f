import { Checkbox, Skeleton, Stack, Text, UnstyledButton } from '@mantine/core';
import { IconChevronDown, IconChevronRight } from '@tabler/icons-react';
import { keepPreviousData, useQueries } from '@tanstack/react-query';
import { useLocalStorage } from '@mantine/hooks';
import { useState } from 'react';
import { api, must, type Schemas } from '../../api/client';
import { compact } from '../../lib/format';
import { useDeviceTemplates, useGroupNames, type CustomField } from '../../lib/names';
import { chosen, toggled, without } from '../../lib/query';

type Value = Schemas['FacetValue'];

const own = [
  ['connected', 'Connected'], ['deviceTemplateId', 'Template'], ['organizationId', 'Group'], ['provisioningState', 'State'],
  ['firmwareVersion', 'Firmware'], ['tags', 'Tags'],
] as const;

const shownAtFirst = 6;
const most = 20; // facets of a request

// useFacets counts the devices a query finds by the values of some fields. A field's own choice does not narrow its values, so
// that another one can be added to it.
function useFacets(q: string, fields: string[]): Record<string, Value[]> | undefined {
  const withChoice = fields.filter((f) => chosen(q, f).length > 0);
  const asked: [string, string[]][] = [[q, fields.filter((f) => !withChoice.includes(f))], ...withChoice.map((f): [string, string[]] => [without(q, f), [f]])];
  const answers = useQueries({
    queries: asked.filter(([, f]) => f.length > 0).map(([query, f]) => ({
      queryKey: ['devices', 'facets', query, f],
      queryFn: async ({ signal }: { signal: AbortSignal }) =>
        (await must(api.GET('/api/v1/devices', { params: { query: { q: query || undefined, facets: f.join(','), results: false } }, signal }))).devices.facets ?? {},
      placeholderData: keepPreviousData,
      staleTime: 10_000,
    })),
  });
  if (answers.every((a) => a.data === undefined)) return undefined;
  return Object.assign({}, ...answers.map((a) => a.data ?? {})) as Record<string, Value[]>;
}

// Facets shows how the devices found divide, and narrows the query by a click.
export function Facets({ q, onQuery, fields }: { q: string; onQuery: (q: string) => void; fields: CustomField[] }) {
  const custom = [...new Set(fields.filter((f) => f.fieldType === 'string' || f.fieldType === 'boolean').map((f) => f.name))].slice(0, most - own.length);
  const names: [string, string][] = [...own.map(([f, label]): [string, string] => [f, label]), ...custom.map((f): [string, string] => [f, f])];
  const facets = useFacets(q, names.map(([f]) => f));
  const templates = useDeviceTemplates().data ?? [];
  const groups = useGroupNames((facets?.organizationId ?? []).map((v) => v.value));
  const title = (field: string, v: string) => {
    if (field === 'deviceTemplateId') return templates.find((t) => t.id === v)?.name ?? v.slice(0, 8);
    if (field === 'organizationId') return groups.get(v) ?? v.slice(0, 8);
    if (field === 'connected') return v === 'true' ? 'Online' : 'Offline';
    if (v === 'true' || v === 'false') return v === 'true' ? 'yes' : 'no';
    return v;
  };
  return (
    <Stack gap={14}>
      {names.map(([field, label]) => {
        const values = facets?.[field];
        if (facets && !values?.length) return null;
        return <Facet key={field} field={field} label={label} values={values} title={(v) => title(field, v)} on={chosen(q, field)} onToggle={(term) => onQuery(toggled(q, field, term))} />;
      })}
    </Stack>
  );
}

function Facet({ field, label, values, title, on, onToggle }: {
  field: string; label: string; values?: Value[]; title: (v: string) => string; on: string[]; onToggle: (term: string) => void;
}) {
  const [all, setAll] = useState(false);
  const [closed, setClosed] = useLocalStorage<string[]>({ key: 'devices.facets.closed', defaultValue: [], getInitialValueInEffect: false });
  const shut = closed.includes(field);
  const Chevron = shut ? IconChevronRight : IconChevronDown;
  const shown = values?.filter((v, i) => all || i < shownAtFirst || on.includes(v.query)) ?? [];
  return (
    <section aria-label={label}>
      <UnstyledButton className="facet-head" aria-expanded={!shut} onClick={() => setClosed(shut ? closed.filter((f) => f !== field) : [...closed, field])}>
        <Chevron size={13} /><span className="clip">{label}</span>
      </UnstyledButton>
      {!shut && !values && <Stack gap={9} mt={8}>{[80, 60, 70].map((w) => <Skeleton key={w} height={9} width={`${w}%`} />)}</Stack>}
      {!shut && shown.map((v) => (
        <label key={v.query} className="facet">
          <Checkbox size="xs" checked={on.includes(v.query)} onChange={() => onToggle(v.query)} aria-label={`${label}: ${title(v.value)}`} />
          <span className="clip" title={title(v.value)}>{title(v.value)}</span>
          <span className="num">{compact(v.count)}</span>
        </label>
      ))}
      {!shut && values && values.length > shownAtFirst && (
        <UnstyledButton className="facet-more" onClick={() => setAll(!all)}><Text span size="xs">{all ? 'Fewer' : `${values.length - shownAtFirst} more`}</Text></UnstyledButton>
      )}
    </section>
  );
}
